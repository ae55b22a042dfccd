//! The data directory: resource files, image data, logs and the state of a migration.
//!
//! ```text
//!   networks.yml ... workloads.yml     resource files, one kind each, in OS Migrate's format
//!   machines.yml                       the machines of a vSphere, and what is to become of them
//!   supplement.yaml                    what that format has no place for
//!   image_blobs/ID-NAME                image data
//!   id_map.yaml                        what each object of the source became
//!   workload_logs/NAME.log, NAME.state what happened to a workload; its disks in percent
//!   state.db                           jobs, claims, checkpoints
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use osm_model::machine::MachinesFile;
use osm_model::{Kind, OS_MIGRATE_VERSION, ResourceFile, Supplement};

use crate::{Error, ErrorKind, Result, SqliteStore};

/// A folder that holds everything about the migration of one project.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
    /// The folder of image data, when it is elsewhere.
    image_blobs: Option<PathBuf>,
    /// Whether it is only looked at.
    read_only: bool,
}

impl DataDir {
    /// The data directory at `path`; nothing is read or made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), image_blobs: None, read_only: false }
    }

    /// The same directory with image data elsewhere.
    #[must_use]
    pub fn with_image_blobs(self, folder: Option<PathBuf>) -> Self {
        Self { image_blobs: folder, ..self }
    }

    /// The same directory, only looked at: what would write to it fails, and an export to it is a
    /// check that tells what it would write.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// Whether it is only looked at.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the resources of `kind`.
    pub fn resource_path(&self, kind: Kind) -> PathBuf {
        self.path.join(kind.file_name())
    }

    /// The folder of image data.
    pub fn image_blobs(&self) -> PathBuf {
        self.image_blobs.clone().unwrap_or_else(|| self.path.join("image_blobs"))
    }

    /// The file of an image's data.
    pub fn image_blob(&self, id: &str, name: &str) -> PathBuf {
        self.image_blobs().join(osm_openstack::image::blob::file_name(id, name))
    }

    /// The log of a workload.
    pub fn workload_log(&self, name: &str) -> PathBuf {
        self.path.join("workload_logs").join(format!("{}.log", file_name(name)))
    }

    /// The progress of a workload's disks.
    pub fn workload_state(&self, name: &str) -> PathBuf {
        self.path.join("workload_logs").join(format!("{}.state", file_name(name)))
    }

    /// Makes the directory when it is not there.
    ///
    /// # Errors
    /// `Config` when it cannot be made, or is no directory.
    pub fn make(&self) -> Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.path).map_err(|error| {
            Error::new(ErrorKind::Config, "the data directory cannot be made: name another one")
                .with_object(self.path.display().to_string())
                .with_source(error)
        })
    }

    /// Opens the state store, making it and the directory when they are not there.
    ///
    /// # Errors
    /// The directory cannot be made, or the store not be opened.
    pub fn open_state(&self) -> Result<SqliteStore> {
        self.create(&self.path)?;
        SqliteStore::open(&self.state_path())
    }

    /// Whether there is a state store.
    pub fn has_state(&self) -> bool {
        self.state_path().exists()
    }

    /// The resource file of `kind`; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no resource file of this version.
    pub fn read(&self, kind: Kind) -> Result<Option<ResourceFile>> {
        let path = self.resource_path(kind);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error).with_object(path.display().to_string())),
        };
        let parsed = ResourceFile::parse(&text, OS_MIGRATE_VERSION).map_err(|error| {
            Error::new(ErrorKind::Data, "the resource file cannot be used")
                .with_object(path.display().to_string())
                .with_source(error)
        })?;
        Ok(Some(parsed))
    }

    /// The plan of the machines of a vSphere; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read, or has a fault: which, and where.
    pub fn read_machines(&self) -> Result<Option<MachinesFile>> {
        let path = self.path.join(MachinesFile::FILE_NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error).with_object(path.display().to_string())),
        };
        let parsed = MachinesFile::parse(&text).map_err(|error| {
            Error::new(ErrorKind::Data, "the plan of machines cannot be used")
                .with_object(path.display().to_string())
                .with_source(error)
        })?;
        Ok(Some(parsed))
    }

    /// Writes the plan of the machines of a vSphere, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_machines(&self, plan: &MachinesFile) -> Result<()> {
        self.create(&self.path)?;
        let path = self.path.join(MachinesFile::FILE_NAME);
        replace(&path, plan.to_yaml().as_bytes(), 0o644)
            .map_err(|error| Error::from(error).with_object(path.display().to_string()))
    }

    /// Writes the resource file of `kind`, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, kind: Kind, file: &ResourceFile) -> Result<()> {
        self.create(&self.path)?;
        let path = self.resource_path(kind);
        replace(&path, file.to_yaml().as_bytes(), 0o644)
            .map_err(|error| Error::from(error).with_object(path.display().to_string()))
    }

    /// What the resource files have no place for; nothing when there is no such file.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read_supplement(&self) -> Result<Supplement> {
        let path = self.path.join(Supplement::FILE_NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Supplement::default()),
            Err(error) => return Err(Error::from(error).with_object(path.display().to_string())),
        };
        Supplement::parse(&text).map_err(|error| {
            Error::new(ErrorKind::Data, "the supplement of the resource files cannot be used")
                .with_object(path.display().to_string())
                .with_source(error)
        })
    }

    /// Writes what the resource files have no place for, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_supplement(&self, supplement: &Supplement) -> Result<()> {
        self.create(&self.path)?;
        let path = self.path.join(Supplement::FILE_NAME);
        replace(&path, supplement.to_yaml().as_bytes(), 0o644)
            .map_err(|error| Error::from(error).with_object(path.display().to_string()))
    }

    /// Name and text of every `*.yml` file, by name.
    ///
    /// # Errors
    /// `Config` when the directory or a file in it cannot be read.
    pub fn texts(&self) -> Result<Vec<(PathBuf, String)>> {
        let unreadable = |message: &str, path: &Path, error: io::Error| {
            Error::new(ErrorKind::Config, message).with_object(path.display().to_string()).with_source(error)
        };
        let of_directory = |error: io::Error| {
            let message = match error.kind() {
                io::ErrorKind::NotFound => "there is no such data directory: export something to it first",
                _ => "the data directory cannot be read",
            };
            unreadable(message, &self.path, error)
        };
        let mut texts = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(of_directory)? {
            let path = entry.map_err(of_directory)?.path();
            if path.extension().is_some_and(|extension| extension == "yml") && path.is_file() {
                let text = fs::read_to_string(&path)
                    .map_err(|error| unreadable("the resource file cannot be read", &path, error))?;
                texts.push((path, text));
            }
        }
        texts.sort();
        Ok(texts)
    }

    /// Makes the folder of `path`, which lies in the data directory.
    pub(crate) fn create_parent(&self, path: &Path) -> Result<()> {
        self.create(path.parent().unwrap_or(&self.path))
    }

    fn create(&self, path: &Path) -> Result<()> {
        if self.read_only {
            return Err(Error::new(ErrorKind::Config, "the data directory is only looked at")
                .with_object(path.display().to_string()));
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(path)
            .map_err(|error| Error::from(error).with_object(path.display().to_string()))
    }

    fn state_path(&self) -> PathBuf {
        self.path.join("state.db")
    }
}

/// Replaces a file so that a reader, or a power loss, meets the old text or the new one.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// A name as one path component. Names of servers and images are free text.
fn file_name(name: &str) -> String {
    name.replace(['/', '\0'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_stays_within_the_directory() {
        let dir = DataDir::new("data");
        assert_eq!(dir.workload_log("../../etc/web 1"), Path::new("data/workload_logs/.._.._etc_web 1.log"));
    }

    #[test]
    fn a_replaced_file_leaves_no_other_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("networks.yml");
        replace(&path, b"one", 0o644).unwrap();
        replace(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
