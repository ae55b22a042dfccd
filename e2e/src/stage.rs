//! Where a scenario plays: two clouds, a tenant in the first, a conversion host in each.

use std::path::PathBuf;
use std::{env, fs, io};

use osm_lab::{Lab, LabOptions};
use tempfile::TempDir;

/// One of the two clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the tenant is.
    Source,
    /// Where it goes.
    Destination,
}

/// Two clouds that a scenario can play on.
#[derive(Debug)]
pub struct Stage {
    /// The clouds.yaml with entries `src` and `dst`.
    pub clouds: PathBuf,
    /// The source's conversion host, as `--src-host` takes it.
    pub src_host: String,
    /// The destination's conversion host, as `--dst-host` takes it.
    pub dst_host: String,
    /// The data directory of the run.
    pub data_dir: PathBuf,
    place: Place,
    _folder: TempDir,
}

#[derive(Debug)]
enum Place {
    Lab(Box<Lab>),
    Real { volumes: [PathBuf; 2] },
}

impl Stage {
    /// The real clouds that `OSM_E2E_ENV` describes (a file of `NAME=value` lines that
    /// `e2e/openstack/up` writes), or a fresh lab when it is not set.
    ///
    /// # Errors
    /// The lab cannot start, or the file lacks a name.
    pub fn set() -> io::Result<Self> {
        match env::var_os("OSM_E2E_ENV") {
            Some(file) => Self::real(&fs::read_to_string(file)?),
            None => Self::lab(),
        }
    }

    /// Whether the clouds are real.
    pub fn is_real(&self) -> bool {
        matches!(self.place, Place::Real { .. })
    }

    /// The file that holds the bytes of a volume.
    pub fn volume_file(&self, side: Side, id: &str) -> PathBuf {
        match &self.place {
            Place::Lab(lab) => match side {
                Side::Source => lab.src().volume_file(id),
                Side::Destination => lab.dst().volume_file(id),
            },
            Place::Real { volumes } => {
                let share = match side {
                    Side::Source => &volumes[0],
                    Side::Destination => &volumes[1],
                };
                share.join(format!("volume-{id}"))
            }
        }
    }

    fn lab() -> io::Result<Self> {
        let folder = TempDir::new()?;
        let lab = Lab::start(LabOptions::new(folder.path().join("lab")))?;
        lab.seed_demo_tenant()?;
        let clouds = folder.path().join("clouds.yaml");
        lab.write_clouds_yaml(&clouds)?;
        let host = |server: &str, devices: PathBuf| format!("local:{server},devices={}", devices.display());
        Ok(Self {
            clouds,
            src_host: host("os_migrate_conv_src", lab.src().device_dir("os_migrate_conv_src")),
            dst_host: host("os_migrate_conv_dst", lab.dst().device_dir("os_migrate_conv_dst")),
            data_dir: folder.path().join("data"),
            place: Place::Lab(Box::new(lab)),
            _folder: folder,
        })
    }

    fn real(description: &str) -> io::Result<Self> {
        let value = |name: &str| {
            let line = description.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            let value = line.map(|value| value.trim_matches(['\'', '"']).to_owned());
            value.ok_or_else(|| io::Error::other(format!("OSM_E2E_ENV does not say {name}")))
        };
        let folder = TempDir::new()?;
        Ok(Self {
            clouds: value("OS_CLIENT_CONFIG_FILE")?.into(),
            src_host: value("OSM_SRC_HOST")?,
            dst_host: value("OSM_DST_HOST")?,
            data_dir: folder.path().join("data"),
            place: Place::Real {
                volumes: [value("OSM_SRC_VOLUMES")?.into(), value("OSM_DST_VOLUMES")?.into()],
            },
            _folder: folder,
        })
    }
}
