//! Finds a service's address and what it speaks.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::sync::Semaphore;
use url::Url;

use crate::discovery::{self, EndpointUrl, Microversion, MicroversionRange, OfferedVersion};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::session::{ServiceKind, Session};

/// From this microversion on, Cinder's addresses need no project.
const WITHOUT_PROJECT: Microversion = Microversion::new(3, 67);

/// A service as found.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) kind: ServiceKind,
    /// The versioned address, ending in a slash.
    pub(crate) url: Url,
    pub(crate) range: Option<MicroversionRange>,
    pub(crate) microversion: Option<Microversion>,
    /// A request takes a turn; those beyond wait, also while one is repeated.
    pub(crate) turns: Arc<Semaphore>,
}

/// How many requests a session has under way at a service, however much is done at once.
const TURNS: usize = 8;

impl Session {
    /// Finds the service of `kind` and agrees on a microversion.
    pub(super) async fn discover(&self, kind: ServiceKind) -> Result<Endpoint> {
        let address = EndpointUrl::new(&self.address(kind)?);
        let right_version =
            address.version().filter(|version| discovery::major_of(version) == Some(kind.major()));
        let needs_range = kind.newest_known().is_some();
        let (url, range) = match right_version {
            Some(version) if !needs_range => (address.complete(version), None),
            Some(version) => {
                let mut found = self.versions(kind, &address.at_version(version)).await?;
                if found.as_ref().is_none_or(|found| found.microversions.is_none()) {
                    found = self.versions(kind, address.root()).await?.or(found);
                }
                (address.complete(version), found.and_then(|found| found.microversions))
            }
            None => {
                let found = self.versions(kind, address.root()).await?;
                let usual = address.complete(kind.usual_version());
                match found {
                    Some(found) if !address.has_rest() => {
                        (found.url.map_or(usual, |url| slashed(&url)), found.microversions)
                    }
                    found => (usual, found.and_then(|found| found.microversions)),
                }
            }
        };
        let microversion = self.agree(kind, range)?;
        let url = self.with_project(kind, url, &address, range);
        tracing::debug!(service = kind.name(), %url, ?microversion, "service found");
        Ok(Endpoint { kind, url, range, microversion, turns: Arc::new(Semaphore::new(TURNS)) })
    }

    /// The address from the configuration or else from the catalog.
    fn address(&self, kind: ServiceKind) -> Result<Url> {
        let config = self.config();
        let Some(address) = config.endpoint_override(kind) else {
            return self.current().catalog().endpoint(kind, config.interface_for(kind), config.region());
        };
        let mut address = address.to_owned();
        for key in ["project_id", "tenant_id"] {
            for form in [format!("%({key})s"), format!("$({key})s")] {
                address = address.replace(&form, &self.project_id());
            }
        }
        address.parse().map_err(|error| {
            let message = format!("the endpoint override `{address}` of the {kind} service is no address");
            Error::new(ErrorKind::Config, message).with_service(kind.name()).with_source(error)
        })
    }

    /// The version wanted, as described at `url`; nothing when there is no such description.
    async fn versions(&self, kind: ServiceKind, url: &Url) -> Result<Option<OfferedVersion>> {
        let call = Call::new(kind.name(), "discover versions", Method::GET, url.clone());
        match self.call(call, HeaderMap::new()).await {
            Ok(response) => Ok(discovery::pick(discovery::offered(&response, url), kind.major())),
            // Some proxies hide these documents; the service may still be used.
            Err(error) if is_hidden(error.kind()) => {
                tracing::warn!(%error, "no version document");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn agree(&self, kind: ServiceKind, range: Option<MicroversionRange>) -> Result<Option<Microversion>> {
        let (Some(cap), Some(range)) = (kind.newest_known(), range) else {
            return Ok(None);
        };
        let unfit = |message: String| Error::new(ErrorKind::Config, message).with_service(kind.name());
        if let Some(wanted) = self.config().default_microversion(kind)? {
            return if range.contains(wanted) {
                Ok(Some(wanted))
            } else {
                Err(unfit(format!(
                    "the {kind} service speaks microversions {range}, not {wanted} as configured"
                )))
            };
        }
        let newest = range.newest_up_to(cap);
        newest.map(Some).ok_or_else(|| {
            unfit(format!("the {kind} service speaks microversions {range}, this program only up to {cap}"))
        })
    }

    /// Cinder's address with the project in it, where it is needed and missing.
    fn with_project(
        &self,
        kind: ServiceKind,
        mut url: Url,
        address: &EndpointUrl,
        range: Option<MicroversionRange>,
    ) -> Url {
        let optional = range.is_some_and(|range| range.max >= WITHOUT_PROJECT);
        let project = self.project_id();
        if kind == ServiceKind::BlockStorage && !address.has_rest() && !optional && !project.is_empty() {
            url.set_path(&format!("{}{project}/", url.path()));
        }
        url
    }
}

fn slashed(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

/// Whether a version document is not to be had, while the service itself may be well.
fn is_hidden(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::BadRequest | ErrorKind::BadResponse
    )
}
