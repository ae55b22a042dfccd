//! Where settings are looked for.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use crate::config::document::Document;
use crate::error::{Error, ErrorKind, Result};

const SUFFIXES: [&str; 3] = ["yaml", "yml", "json"];

/// The folders and variables in which settings are looked for. Has no
/// `Debug`: variables hold secrets.
#[derive(Clone, Default)]
pub struct ConfigSources {
    /// The folders with configuration files, the first one found wins.
    folders: Vec<PathBuf>,
    home: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

impl ConfigSources {
    /// What the SDK looks at: the file that `OS_CLIENT_CONFIG_FILE` names, the
    /// working directory, the user's folder, the site's folders, and `OS_*`.
    pub fn from_env() -> Self {
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect::<BTreeMap<_, _>>();
        let working = env::current_dir().ok();
        Self::from_parts(
            variables,
            working.as_deref(),
            &[Path::new("/etc/xdg/openstack"), Path::new("/etc/openstack")],
        )
    }

    /// As [`Self::from_env`], for given variables, working directory and site folders.
    pub fn from_parts(variables: BTreeMap<String, String>, working: Option<&Path>, site: &[&Path]) -> Self {
        let home = variables.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let mut folders: Vec<PathBuf> = working.map(Path::to_path_buf).into_iter().collect();
        if let Some(xdg) = variables.get("XDG_CONFIG_HOME").filter(|xdg| !xdg.is_empty()) {
            folders.push(Path::new(xdg).join("openstack"));
        }
        if let Some(home) = &home {
            folders.push(home.join(".config/openstack"));
        }
        folders.extend(site.iter().map(|folder| folder.to_path_buf()));
        let variables = variables.into_iter().filter(|(name, _)| name.starts_with("OS_")).collect();
        Self { folders, home, variables }
    }

    /// Only the file at `path`, and the secure.yaml and clouds-public.yaml beside it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let folders = path.parent().map(Path::to_path_buf).into_iter().collect();
        let file = path.to_string_lossy().into_owned();
        let variables = BTreeMap::from([("OS_CLIENT_CONFIG_FILE".to_owned(), file)]);
        let home = env::var_os("HOME").map(PathBuf::from);
        Self { folders, home, variables }
    }

    /// The variable `name`, unless it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The `OS_*` variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| Some((name.strip_prefix("OS_")?, value.as_str())))
    }

    /// The user's own folder, for paths that begin with `~`.
    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    pub(super) fn clouds(&self) -> Result<Option<Document>> {
        self.open("OS_CLIENT_CONFIG_FILE", "clouds")
    }

    pub(super) fn secure(&self) -> Result<Option<Document>> {
        self.open("OS_CLIENT_SECURE_FILE", "secure")
    }

    pub(super) fn public(&self) -> Result<Option<Document>> {
        self.open("OS_CLIENT_VENDOR_FILE", "clouds-public")
    }

    /// Where clouds.yaml is looked for, for messages.
    pub(super) fn searched(&self) -> String {
        if let Some(file) = self.variable("OS_CLIENT_CONFIG_FILE") {
            return file.to_owned();
        }
        let files: Vec<String> =
            self.folders.iter().map(|folder| folder.join("clouds.yaml").display().to_string()).collect();
        if files.is_empty() { "nowhere".to_owned() } else { files.join(", ") }
    }

    fn open(&self, variable: &str, stem: &str) -> Result<Option<Document>> {
        if let Some(file) = self.variable(variable) {
            let found = Document::open(Path::new(file))?;
            return found.map(Some).ok_or_else(|| {
                let message = format!("the configuration file {file} does not exist; check the path");
                Error::new(ErrorKind::Config, message)
            });
        }
        for folder in &self.folders {
            for suffix in SUFFIXES {
                if let Some(found) = Document::open(&folder.join(format!("{stem}.{suffix}")))? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
}
