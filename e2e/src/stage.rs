//! Where a scenario plays: two clouds, a tenant in the first, a conversion host in each.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use osm_lab::{Lab, LabOptions};
use serde_json::Value;
use tempfile::TempDir;

/// How the services log requests that change something.
const WRITES: [&str; 4] = ["\"POST /", "\"PUT /", "\"PATCH /", "\"DELETE /"];

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
    folder: TempDir,
}

#[derive(Debug)]
enum Place {
    Lab(Box<Lab>),
    Real { src_share: PathBuf, dst_share: PathBuf, logs: PathBuf },
}

impl Stage {
    /// The real clouds that the environment describes (the file `env` that `e2e/openstack/up`
    /// writes, sourced), or a fresh lab when it describes none.
    ///
    /// # Errors
    /// The lab cannot start, or the environment lacks a name.
    pub fn set() -> io::Result<Self> {
        if env::var_os("OSM_E2E_SRC_HOST").is_some() { Self::real() } else { Self::lab() }
    }

    /// Whether the clouds are real.
    pub fn is_real(&self) -> bool {
        matches!(self.place, Place::Real { .. })
    }

    /// A file with the bytes of a volume, as they are now.
    ///
    /// # Errors
    /// There is none, or it is in a format that cannot be read here.
    pub fn disk(&self, side: Side, id: &str) -> io::Result<PathBuf> {
        let file = match (&self.place, side) {
            (Place::Lab(lab), Side::Source) => lab.src().volume_file(id),
            (Place::Lab(lab), Side::Destination) => lab.dst().volume_file(id),
            (Place::Real { src_share, .. }, Side::Source) => active_file(src_share, id)?,
            (Place::Real { dst_share, .. }, Side::Destination) => active_file(dst_share, id)?,
        };
        let mut magic = [0; 4];
        File::open(&file)?.read_exact(&mut magic)?;
        if &magic == b"QFI\xfb" { self.unpacked(&file, id) } else { Ok(file) }
    }

    /// The clouds of the lab; none when they are real.
    pub fn lab_clouds(&self) -> Option<&Lab> {
        match &self.place {
            Place::Lab(lab) => Some(lab),
            Place::Real { .. } => None,
        }
    }

    /// How many requests the destination has had so far that change something, by its own account.
    ///
    /// # Errors
    /// The log of a service cannot be read.
    pub fn writes(&self) -> io::Result<usize> {
        let logs = match &self.place {
            Place::Lab(lab) => {
                let requests = lab.dst().requests();
                let writes =
                    requests.iter().filter(|it| it.method != "GET" && !it.path.ends_with("/auth/tokens"));
                return Ok(writes.count());
            }
            Place::Real { logs, .. } => logs,
        };
        let mut count = 0;
        for service in ["neutron", "nova-api", "glance"] {
            let log = fs::read(logs.join(format!("dst-{service}.log")))?;
            let is_write = |line: &&str| WRITES.iter().any(|write| line.contains(write));
            count += String::from_utf8_lossy(&log).lines().filter(is_write).count();
        }
        Ok(count)
    }

    /// The bytes of a qcow2 file and what it rests on, by a tool that is not ours.
    fn unpacked(&self, file: &Path, id: &str) -> io::Result<PathBuf> {
        let raw = self.folder.path().join(format!("{id}.raw"));
        let status =
            Command::new("qemu-img").args(["convert", "-U", "-O", "raw"]).arg(file).arg(&raw).status()?;
        if status.success() {
            Ok(raw)
        } else {
            Err(io::Error::other(format!("qemu-img cannot read {}", file.display())))
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
            folder,
        })
    }

    fn real() -> io::Result<Self> {
        let value = |name: &str| {
            env::var(name)
                .map_err(|_| io::Error::other(format!("{name} is not set: source the file `env` first")))
        };
        let folder = TempDir::new()?;
        Ok(Self {
            clouds: value("OS_CLIENT_CONFIG_FILE")?.into(),
            src_host: value("OSM_E2E_SRC_HOST")?,
            dst_host: value("OSM_E2E_DST_HOST")?,
            data_dir: folder.path().join("data"),
            place: Place::Real {
                src_share: value("OSM_E2E_SRC_SHARE")?.into(),
                dst_share: value("OSM_E2E_DST_SHARE")?.into(),
                logs: Path::new(&value("OSM_E2E_DIR")?).join("log"),
            },
            folder,
        })
    }
}

/// The file of a volume on the NFS driver's share: the one that the `.info` file beside it calls
/// active, once there has been a snapshot.
fn active_file(share: &Path, id: &str) -> io::Result<PathBuf> {
    let first = share.join(format!("volume-{id}"));
    let Ok(info) = fs::read(share.join(format!("volume-{id}.info"))) else {
        return Ok(first);
    };
    let info: Value = serde_json::from_slice(&info)?;
    Ok(info["active"].as_str().map_or(first, |active| share.join(active)))
}
