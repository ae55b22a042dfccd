//! The settings of one cloud, read key by key.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_yaml::{Mapping, Value};

use crate::config::document::Document;
use crate::config::merge::merge;
use crate::error::{Error, ErrorKind, Result};

/// The cloud that `OS_*` describe.
pub(super) const ENVVARS: &str = "envvars";

/// The settings of one cloud, and what is needed to say where they stand.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) settings: Mapping,
    /// The keys above the settings in the files.
    pub(super) prefix: Vec<String>,
    pub(super) documents: Vec<Document>,
    pub(super) home: Option<PathBuf>,
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

    /// Lays the settings over those of the vendor's profile they name.
    pub(super) fn apply_profile(&mut self, profiles: &Mapping) -> Result<()> {
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
    pub(super) fn apply_region(&mut self) -> Result<()> {
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
    pub(super) fn secret(&self, path: &[&str]) -> Result<Option<SecretString>> {
        match self.get(path) {
            // `0123` and `1e3` would be sent as other texts than the file has.
            Some(Value::Number(_)) => Err(self.unquoted(path)),
            _ => Ok(self.text(path)?.map(SecretString::from)),
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
            Some(document) if !prefix.is_empty() => {
                document.mistake(&prefix, &format!("{problem} `{key}`"), fix)
            }
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
