//! The variables of OS Migrate: an `os-migrate-vars.yml` works as it is; and those of the VMware migration kit.
//!
//! What a variable does here says docs/variables.md, and `table` says it to the program.

mod document;
mod host;
mod kit;
mod side;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use osm_model::{FilterSet, Kind, NameFilter};

pub use self::kit::{KitVars, PlanVars};
pub use self::side::SideVars;

use self::document::Document;
use self::table::{FILTERS, Support};
use crate::conversion::KeyKind;
use crate::{Error, ErrorKind, Result};

/// What variables files say. `Debug` never shows secrets.
#[derive(Debug, Clone)]
pub struct Vars {
    /// The folder of the resource files.
    pub data_dir: Option<PathBuf>,
    /// A clouds.yaml with the entries `src` and `dst`, which counts where no `auth` is given.
    pub clouds_path: Option<PathBuf>,
    /// The cloud to move from.
    pub src: SideVars,
    /// The cloud to move to.
    pub dst: SideVars,
    /// Which resources are exported and imported.
    pub filters: FilterSet,
    /// Whether files are checked before they are imported.
    pub validate_files: bool,
    /// Whether the data of images is exported.
    pub image_data: bool,
    /// The folder of image data, when not in the data directory.
    pub image_blobs: Option<PathBuf>,
    /// What exported workloads say of copying their boot disk.
    pub boot_disk_copy: Option<bool>,
    /// Whether servers that run are stopped.
    pub stop: Option<bool>,
    /// Whether unfinished copies are deleted after a failure.
    pub cleanup: Option<bool>,
    /// How long a cloud may take for one thing.
    pub timeout: Option<Duration>,
    /// How a key for conversion hosts is made where there is none.
    pub key_kind: KeyKind,
    /// How long a conversion host may take to come up.
    pub deploy_timeout: Option<Duration>,
    /// What the operator should know: names that are not known, variables that have no effect.
    pub warnings: Vec<String>,
    document: Document,
}

impl Vars {
    /// Reads variables files; a later one counts more.
    ///
    /// # Errors
    /// `Config` when a file cannot be read, is encrypted, or a variable has a value it cannot have.
    pub fn load(paths: &[PathBuf]) -> Result<Self> {
        let mut texts = Vec::new();
        for path in paths {
            let text = fs::read_to_string(path).map_err(|error| {
                Error::new(ErrorKind::Config, "the variables file cannot be read")
                    .with_object(path.display().to_string())
                    .with_source(error)
            })?;
            texts.push((path.as_path(), text));
        }
        Self::parse(texts.iter().map(|(path, text)| (*path, text.as_str())))
    }

    /// As [`Self::load`], of texts with the names of their files.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse<'a>(texts: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Result<Self> {
        let mut document = Document::default();
        for (path, text) in texts {
            document.add(path, text)?;
        }
        let whole = document;
        let document = &whole;
        let mut warnings = warnings(document)?;
        Ok(Self {
            data_dir: match document.path("os_migrate_data_dir")? {
                None => document.path("os_migrate_vmw_data_dir")?,
                named => named,
            },
            clouds_path: document.path("os_migrate_clouds_path")?,
            src: SideVars::read(document, "src")?,
            dst: SideVars::read(document, "dst")?,
            filters: filters(document, &mut warnings)?,
            validate_files: document.flag("os_migrate_validate_files")?.unwrap_or(true),
            image_data: document.flag("os_migrate_export_images_blobs")?.unwrap_or(true),
            image_blobs: document.path("os_migrate_image_blobs_dir")?,
            boot_disk_copy: document.flag("os_migrate_workloads_boot_disk_copy")?,
            stop: document.flag("os_migrate_workload_stop_before_migration")?,
            cleanup: document.flag("os_migrate_workload_cleanup_on_failure")?,
            timeout: document.seconds("os_migrate_timeout")?.map(Duration::from_secs),
            key_kind: host::key_kind(document)?,
            deploy_timeout: document
                .seconds("os_migrate_conversion_host_deploy_timeout")?
                .map(Duration::from_secs),
            warnings,
            document: whole,
        })
    }

    /// What the variables of the VMware migration kit say, which the verbs for machines of a vSphere take.
    ///
    /// # Errors
    /// `Config` when one has a value it cannot have.
    pub fn kit(&self) -> Result<KitVars> {
        KitVars::read(&self.document)
    }
}

/// What is not known, and what has no effect.
fn warnings(document: &Document) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (name, place) in document.names() {
        match table::support(name) {
            Some(Support::Used) => {}
            Some(Support::Fitting(value, reason)) => {
                if document.flag(name)?.is_some_and(|flag| flag != value) {
                    warnings.push(format!("{place}: `{name}: {}` is not supported yet: {reason}", !value));
                }
            }
            Some(Support::Ignored(reason)) => {
                warnings.push(format!("{place}: `{name}` has no effect: {reason}"));
            }
            Some(Support::Pending(reason)) => {
                if !is_empty(document, name) {
                    warnings.push(format!("{place}: `{name}` is not supported yet: {reason}"));
                }
            }
            None => warnings.push(match table::nearest(name) {
                Some(nearest) => {
                    format!("{place}: there is no variable `{name}`; `{nearest}` is the nearest")
                }
                None => format!("{place}: there is no variable `{name}`; it has no effect"),
            }),
        }
    }
    Ok(warnings)
}

/// Whether nothing is asked for: `{}`, `[]` and the like.
fn is_empty(document: &Document, name: &str) -> bool {
    use osm_model::yaml::Node;
    match document.get(name) {
        None => true,
        Some(Node::List(items)) => items.is_empty(),
        Some(Node::Map(map)) => map.is_empty(),
        Some(_) => false,
    }
}

fn filters(document: &Document, warnings: &mut Vec<String>) -> Result<FilterSet> {
    let mut filters = FilterSet::default();
    for (name, word) in FILTERS {
        let Some(value) = document.get(name) else { continue };
        let filter = NameFilter::from_value(&value.to_json()).map_err(|error| {
            let fix = "write a list of names and of `regex: PATTERN`";
            document.mistake(name, &format!("is no filter: {error}"), fix)
        })?;
        match word.parse::<Kind>() {
            Ok(kind) => filters.set(kind, filter),
            Err(_) => warnings.push(format!("`{name}` is not supported yet: {word} are not moved")),
        }
    }
    Ok(filters)
}
