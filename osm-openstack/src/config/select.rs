//! Puts the sources together and picks one cloud.

use std::path::PathBuf;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use crate::config::ConfigSources;
use crate::config::document::Document;
use crate::config::merge::merge;
use crate::error::{Error, ErrorKind, Result};

/// The cloud that `OS_*` describe.
const ENVVARS: &str = "envvars";

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
                    return Err(document.mistake(&["clouds", name], "is no mapping", "indent the cloud's settings under it"));
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
        Error::new(ErrorKind::Config, format!("there is no cloud `{name}`; clouds configured: {names} ({files})"))
    }
}

fn from_variables(sources: &ConfigSources) -> Mapping {
    const OTHERS: [&str; 5] = ["CLOUD", "CLIENT_CONFIG_FILE", "CLIENT_SECURE_FILE", "CLIENT_VENDOR_FILE", "CLOUD_NAME"];
    sources
        .variables()
        .filter(|(name, _)| !OTHERS.contains(name))
        .map(|(name, value)| (Value::from(name.to_ascii_lowercase()), Value::from(value)))
        .collect()
}

/// The settings of one cloud, and what is needed to say where they stand.
pub(super) struct Entry {
    name: String,
    settings: Mapping,
    /// The keys above the settings in the files.
    prefix: Vec<String>,
    documents: Vec<Document>,
    home: Option<PathBuf>,
}

impl Entry {
    pub(super) fn from_text(name: &str, text: &str, origin: &str) -> Result<Self> {
        let document = Document::parse(origin, text.to_owned())?;
        let settings = document.whole()?;
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let mut entry =
            Self { name: name.to_owned(), settings, prefix: Vec::new(), documents: vec![document], home };
        entry.apply_region()?;
        Ok(entry)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn apply_profile(&mut self, profiles: &Mapping) -> Result<()> {
        let Some(profile) = self.text(&["profile"])?.or(self.text(&["cloud"])?) else {
            return Ok(());
        };
        let Some(Value::Mapping(settings)) = profiles.get(profile.as_str()) else {
            // Without the vendor's settings, the cloud's own may suffice.
            if self.get(&["auth", "auth_url"]).is_some() {
                tracing::warn!(profile, cloud = self.name, "profile not found in clouds-public.yaml");
                return Ok(());
            }
            let fix = "add it to clouds-public.yaml, or write the cloud's auth_url here";
            return Err(self.mistake(&["profile"], &format!("names `{profile}`, which is not known"), fix));
        };
        let mut merged = settings.clone();
        merge(&mut merged, std::mem::take(&mut self.settings));
        self.settings = merged;
        Ok(())
    }

    /// Picks one of `regions`, which may have settings of its own.
    fn apply_region(&mut self) -> Result<()> {
        let Some(regions) = self.settings.get("regions").filter(|regions| !regions.is_null()).cloned() else {
            return Ok(());
        };
        let Value::Sequence(regions) = regions else {
            return Err(self.mistake(&["regions"], "is no list", "write one `- NAME` for each region"));
        };
        let regions: Vec<(String, Mapping)> = regions.into_iter().filter_map(read_region).collect();
        let wanted = self.text(&["region_name"])?.filter(|region| !region.is_empty());
        let chosen = match &wanted {
            Some(wanted) => regions.iter().find(|(name, _)| name == wanted),
            None => regions.first(),
        };
        match (chosen, wanted) {
            (Some((name, values)), _) => {
                let (name, values) = (name.clone(), values.clone());
                merge(&mut self.settings, values);
                self.settings.insert("region_name".into(), Value::String(name));
                Ok(())
            }
            (None, Some(wanted)) => {
                let names: Vec<&str> = regions.iter().map(|(name, _)| name.as_str()).collect();
                let fix = format!("the regions of the cloud are: {}", names.join(", "));
                Err(self.mistake(&["region_name"], &format!("is `{wanted}`"), &fix))
            }
            (None, None) => Ok(()),
        }
    }

    /// What stands at `path`; nothing and null are the same.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = rest.iter().try_fold(self.settings.get(*first)?, |value, key| value.get(*key))?;
        Some(value).filter(|value| !value.is_null())
    }

    /// The text at `path`.
    pub(super) fn text(&self, path: &[&str]) -> Result<Option<String>> {
        match self.get(path) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            Some(Value::Number(_) | Value::Bool(_)) => Err(self.unquoted(path)),
            Some(_) => Err(self.mistake(path, "is no text", "write one value after the colon")),
        }
    }

    /// The text at `path`, of which each character matters.
    pub(super) fn secret(&self, path: &[&str]) -> Result<Option<secrecy::SecretString>> {
        match self.get(path) {
            // `0123` and `1e3` would be sent as other texts than the file has.
            Some(Value::Number(_)) => Err(self.unquoted(path)),
            _ => Ok(self.text(path)?.map(secrecy::SecretString::from)),
        }
    }

    /// The version at `path`, which may be written without quotes.
    pub(super) fn version(&self, path: &[&str]) -> Result<Option<String>> {
        match self.get(path) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => self.text(path),
        }
    }

    /// The yes or no at `path`.
    pub(super) fn boolean(&self, path: &[&str]) -> Result<Option<bool>> {
        let text = match self.get(path) {
            None => return Ok(None),
            Some(Value::Bool(value)) => return Ok(Some(*value)),
            Some(Value::String(text)) => text.to_ascii_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => String::new(),
        };
        match text.as_str() {
            "true" | "yes" | "on" | "1" | "y" | "t" => Ok(Some(true)),
            "false" | "no" | "off" | "0" | "n" | "f" => Ok(Some(false)),
            _ => Err(self.mistake(path, "is neither true nor false", "write true or false")),
        }
    }

    /// The time at `path`, in seconds.
    pub(super) fn seconds(&self, path: &[&str]) -> Result<Option<Duration>> {
        let seconds = match self.get(path) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|time| !time.is_zero())
            .map(Some)
            .ok_or_else(|| self.mistake(path, "is no number of seconds", "write one such as 60"))
    }

    /// The path of a file at `path`, with `~` for the user's folder.
    pub(super) fn path(&self, path: &[&str]) -> Result<Option<PathBuf>> {
        let Some(text) = self.text(path)?.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        }))
    }

    /// An error about what stands, or is missing, at `path`.
    pub(super) fn mistake(&self, path: &[&str], problem: &str, fix: &str) -> Error {
        let full: Vec<&str> = self.prefix.iter().map(String::as_str).chain(path.iter().copied()).collect();
        let documents = || self.documents.iter().rev();
        if let Some(document) = documents().find(|document| document.has(&full)) {
            return document.mistake(&full, problem, fix);
        }
        if self.name == ENVVARS {
            let variable = path.last().map(|key| key.to_ascii_uppercase()).unwrap_or_default();
            return Error::new(ErrorKind::Config, format!("OS_{variable} {problem}; {fix}"));
        }
        let prefix: Vec<&str> = self.prefix.iter().map(String::as_str).collect();
        let key = path.join(".");
        match self.documents.iter().find(|document| document.has(&prefix)) {
            Some(document) if !prefix.is_empty() => document.mistake(&prefix, &format!("{problem} `{key}`"), fix),
            _ => Error::new(ErrorKind::Config, format!("cloud `{}` {problem} `{key}`; {fix}", self.name)),
        }
    }

    fn unquoted(&self, path: &[&str]) -> Error {
        self.mistake(path, "is no text", "put quotes around the value")
    }
}

fn read_region(region: Value) -> Option<(String, Mapping)> {
    match region {
        Value::String(name) => Some((name, Mapping::new())),
        Value::Mapping(mut region) => {
            let name = region.get("name")?.as_str()?.to_owned();
            match region.remove("values") {
                Some(Value::Mapping(values)) => Some((name, values)),
                _ => Some((name, Mapping::new())),
            }
        }
        _ => None,
    }
}
