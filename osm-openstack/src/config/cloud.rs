//! The settings of one cloud.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::auth::{Credentials, Scope};
use crate::config::entry::Entry;
use crate::config::select::Selection;
use crate::config::{ConfigSources, auth};
use crate::discovery::Microversion;
use crate::error::{Error, ErrorKind, Result};
use crate::http::RetryPolicy;
use crate::session::ServiceKind;

/// How long one request may take when the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which of a service's addresses is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interface {
    /// The one for tenants.
    #[default]
    Public,
    /// The one inside the cloud.
    Internal,
    /// The one for operators.
    Admin,
}

impl Interface {
    /// Its name in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        // Version 2 of Keystone's API called them publicURL and so on.
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The settings of one cloud. `Debug` never shows secrets.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    name: String,
    auth_url: Url,
    credentials: Credentials,
    scope: Scope,
    region: Option<String>,
    interface: Interface,
    verify: bool,
    cacert: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    timeout: Duration,
    retry: RetryPolicy,
    /// The settings of single services, by their names in clouds.yaml.
    services: BTreeMap<String, String>,
}

impl CloudConfig {
    /// The settings of the cloud `name`; without a name, of the one that
    /// `OS_CLOUD` names, of the one that `OS_*` describes, or of the only one there is.
    ///
    /// # Errors
    /// `Config`, saying which file, line and key is wrong and what to do.
    pub fn load(name: Option<&str>, sources: &ConfigSources) -> Result<Self> {
        Self::read(&Selection::load(sources)?.entry(name)?)
    }

    /// The settings in `text`: what stands under a cloud's name in
    /// clouds.yaml. `origin` is where the text comes from, for error messages.
    ///
    /// # Errors
    /// `Config`, as for [`Self::load`].
    pub fn from_yaml(name: &str, text: &str, origin: &str) -> Result<Self> {
        Self::read(&Entry::from_text(name, text, origin)?)
    }

    fn read(entry: &Entry) -> Result<Self> {
        let (auth_url, credentials, scope) = auth::read(entry)?;
        let interface = match entry.text(&["interface"])? {
            Some(text) => read_interface(entry, "interface", &text)?,
            None => match entry.text(&["endpoint_type"])? {
                Some(text) => read_interface(entry, "endpoint_type", &text)?,
                None => Interface::default(),
            },
        };
        let timeout = match entry.seconds(&["api_timeout"])? {
            Some(timeout) => timeout,
            None => TIMEOUT,
        };
        let insecure = entry.boolean(&["insecure"])?.unwrap_or(false);
        Ok(Self {
            name: entry.name().to_owned(),
            auth_url,
            credentials,
            scope,
            region: entry.text(&["region_name"])?.filter(|region| !region.is_empty()),
            interface,
            verify: !insecure && entry.boolean(&["verify"])?.unwrap_or(true),
            cacert: entry.path(&["cacert"])?,
            cert: entry.path(&["cert"])?,
            key: entry.path(&["key"])?,
            timeout,
            retry: RetryPolicy::default(),
            services: read_services(entry)?,
        })
    }

    /// The same settings with another way of repeating failed requests.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The same settings with another limit for each request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The name of the cloud.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of Keystone as configured.
    pub fn auth_url(&self) -> &Url {
        &self.auth_url
    }

    /// What proves who we are.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What the token shall give access to.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The region whose services are used.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Which of the services' addresses are used.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// Whether the servers' certificates are verified.
    pub fn verify(&self) -> bool {
        self.verify
    }

    /// The file of the authorities trusted besides the system's.
    pub fn cacert(&self) -> Option<&Path> {
        self.cacert.as_deref()
    }

    /// The file of our own certificate.
    pub fn cert(&self) -> Option<&Path> {
        self.cert.as_deref()
    }

    /// The file of our own certificate's key.
    pub fn key(&self) -> Option<&Path> {
        self.key.as_deref()
    }

    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How failed requests are repeated.
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// The address to use instead of the catalog's.
    pub(crate) fn endpoint_override(&self, kind: ServiceKind) -> Option<&str> {
        self.service_setting(kind, "endpoint_override").or_else(|| self.service_setting(kind, "endpoint"))
    }

    /// Whether the address of any service is configured rather than taken from the catalog.
    pub(crate) fn has_endpoint_overrides(&self) -> bool {
        self.services.keys().any(|key| key.ends_with("_endpoint_override") || key.ends_with("_endpoint"))
    }

    /// Which of the addresses of the service of `kind` is used.
    pub(crate) fn interface_for(&self, kind: ServiceKind) -> Interface {
        self.service_setting(kind, "interface").and_then(Interface::parse).unwrap_or(self.interface)
    }

    /// The microversion to use instead of one agreed on.
    pub(crate) fn default_microversion(&self, kind: ServiceKind) -> Result<Option<Microversion>> {
        self.service_setting(kind, "default_microversion").map(str::parse).transpose().map_err(
            |error: Error| {
                let message = format!("`{}_default_microversion` of cloud `{}`", prefix(kind), self.name);
                Error::new(ErrorKind::Config, format!("{message}: {}", error.message()))
            },
        )
    }

    fn service_setting(&self, kind: ServiceKind, setting: &str) -> Option<&str> {
        kind.config_prefixes()
            .iter()
            .find_map(|prefix| self.services.get(&format!("{prefix}_{setting}")))
            .map(String::as_str)
    }
}

fn prefix(kind: ServiceKind) -> &'static str {
    kind.config_prefixes().first().copied().unwrap_or_default()
}

fn read_interface(entry: &Entry, key: &str, text: &str) -> Result<Interface> {
    Interface::parse(text)
        .ok_or_else(|| entry.mistake(&[key], &format!("is `{text}`"), "it must be public, internal or admin"))
}

/// The settings of single services, checked.
fn read_services(entry: &Entry) -> Result<BTreeMap<String, String>> {
    let mut services = BTreeMap::new();
    for kind in ServiceKind::ALL {
        for prefix in kind.config_prefixes() {
            for setting in ["endpoint_override", "endpoint", "interface", "default_microversion"] {
                let key = format!("{prefix}_{setting}");
                let Some(text) = entry.text(&[&key])? else { continue };
                if setting == "interface" {
                    read_interface(entry, &key, &text)?;
                }
                if setting == "default_microversion" {
                    text.parse::<Microversion>().map_err(|_| {
                        entry.mistake(&[&key], &format!("is `{text}`"), "it must look like '2.90', in quotes")
                    })?;
                }
                services.insert(key, text);
            }
            let key = format!("{prefix}_api_version");
            let Some(version) = entry.version(&[&key])? else { continue };
            let major =
                version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
            if major != Some(kind.major()) {
                let fix = format!("only version {} is spoken here, remove the key", kind.major());
                return Err(entry.mistake(&[&key], &format!("is `{version}`"), &fix));
            }
        }
    }
    Ok(services)
}
