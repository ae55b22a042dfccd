//! Puts the sources together and picks one cloud.

use std::path::PathBuf;

use serde_yaml::{Mapping, Value};

use crate::config::ConfigSources;
use crate::config::document::Document;
use crate::config::entry::{ENVVARS, Entry};
use crate::config::merge::merge;
use crate::error::{Error, ErrorKind, Result};

/// All clouds of all sources.
pub(super) struct Selection<'a> {
    sources: &'a ConfigSources,
    /// In order of precedence, the weakest first.
    documents: Vec<Document>,
    clouds: Mapping,
    profiles: Mapping,
}

impl<'a> Selection<'a> {
    pub(super) fn load(sources: &'a ConfigSources) -> Result<Self> {
        let mut documents = Vec::new();
        let mut clouds = Mapping::new();
        let mut profiles = Mapping::new();
        if let Some(public) = sources.public()? {
            profiles = public.top("public-clouds")?;
        }
        for document in [sources.clouds()?, sources.secure()?].into_iter().flatten() {
            let found = document.top("clouds")?;
            for (name, cloud) in &found {
                let name = name.as_str().unwrap_or_default();
                if !matches!(cloud, Value::Mapping(_) | Value::Null) {
                    return Err(document.mistake(
                        &["clouds", name],
                        "is no mapping",
                        "indent the cloud's settings under it",
                    ));
                }
            }
            merge(&mut clouds, found);
            documents.push(document);
        }
        if sources.variable("OS_AUTH_URL").is_some() {
            if clouds.contains_key(ENVVARS) {
                let message = "the configuration has a cloud `envvars`, and OS_* describe another one; rename that cloud";
                return Err(Error::new(ErrorKind::Config, message));
            }
            clouds.insert(ENVVARS.into(), Value::Mapping(from_variables(sources)));
        }
        Ok(Self { sources, documents, clouds, profiles })
    }

    /// The settings of the cloud `name`, or of the one meant when there is no name.
    pub(super) fn entry(self, name: Option<&str>) -> Result<Entry> {
        let name = self.name(name)?;
        let Some(cloud) = self.clouds.get(name.as_str()) else {
            return Err(self.unknown(&name));
        };
        let settings = cloud.as_mapping().cloned().unwrap_or_default();
        let home = self.sources.home().map(PathBuf::from);
        let prefix = vec!["clouds".to_owned(), name.clone()];
        let mut entry = Entry { name, settings, prefix, documents: self.documents, home };
        entry.apply_profile(&self.profiles)?;
        entry.apply_region()?;
        Ok(entry)
    }

    fn name(&self, name: Option<&str>) -> Result<String> {
        if let Some(name) = name.or_else(|| self.sources.variable("OS_CLOUD")) {
            return Ok(name.to_owned());
        }
        if self.clouds.contains_key(ENVVARS) {
            return Ok(ENVVARS.to_owned());
        }
        let names = self.names();
        match names.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "no cloud is configured; write a clouds.yaml (searched: {}) or set OS_AUTH_URL and the other OS_* \
                     variables",
                    self.sources.searched()
                ),
            )),
            names => Err(Error::new(
                ErrorKind::Config,
                format!("which cloud? name one, or set OS_CLOUD; there are: {}", names.join(", ")),
            )),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.clouds.keys().filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect();
        names.sort();
        names
    }

    fn unknown(&self, name: &str) -> Error {
        let names = self.names();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let files: Vec<&str> = self.documents.iter().map(Document::origin).collect();
        let files = if files.is_empty() {
            format!("no file found, searched: {}", self.sources.searched())
        } else {
            format!("read: {}", files.join(", "))
        };
        Error::new(
            ErrorKind::Config,
            format!("there is no cloud `{name}`; clouds configured: {names} ({files})"),
        )
    }
}

fn from_variables(sources: &ConfigSources) -> Mapping {
    const OTHERS: [&str; 5] =
        ["CLOUD", "CLIENT_CONFIG_FILE", "CLIENT_SECURE_FILE", "CLIENT_VENDOR_FILE", "CLOUD_NAME"];
    sources
        .variables()
        .filter(|(name, _)| !OTHERS.contains(name))
        .map(|(name, value)| (Value::from(name.to_ascii_lowercase()), Value::from(value)))
        .collect()
}
