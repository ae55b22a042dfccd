//! How machines are migrated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::agent::VirtV2v;
use crate::{Error, ErrorKind};

/// Where VDDK usually is.
const VDDK: &str = "/usr/lib/vmware-vix-disklib";

/// What is done with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its disks are copied, or brought up to date, while it runs: `cbt_sync: true, cutover: false`.
    Seed,
    /// It is stopped, its disks are brought up to date, and it becomes a server: `cbt_sync: true, cutover: true`.
    CutOver,
    /// It is stopped, copied and becomes a server, without a seed: `cbt_sync: false`.
    Cold,
}

impl Phase {
    /// Whether a copy that is there is brought up to date.
    pub(super) fn syncs(self) -> bool {
        self != Self::Cold
    }

    /// Whether the machine is stopped, and becomes a server.
    pub(super) fn moves(self) -> bool {
        self != Self::Seed
    }
}

/// How the bytes of a disk are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Over HTTPS from its datastore.
    Datastore,
    /// By VMware's library, in this folder of the conversion host.
    Vddk(PathBuf),
    /// By the protocol that VDDK speaks with ESXi hosts. Nobody has tried it on one yet.
    Nfc,
    /// From an NBD server; `{moref}`, `{key}` and `{snapshot}` stand for the disk.
    Nbd(String),
}

impl FromStr for Way {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "datastore" => Ok(Self::Datastore),
            "nfc" => Ok(Self::Nfc),
            "vddk" => Ok(Self::Vddk(PathBuf::from(VDDK))),
            text if text.starts_with("vddk:") => Ok(Self::Vddk(PathBuf::from(&text["vddk:".len()..]))),
            uri if uri.starts_with("nbd") => Ok(Self::Nbd(uri.to_owned())),
            other => Err(Error::new(ErrorKind::Config, format!("`{other}` is no way to a disk")).with_hint(
                "write datastore, vddk, vddk:FOLDER, nfc, or the URI of an NBD server with {moref}, {key} and {snapshot} in it",
            )),
        }
    }
}

/// What makes a guest fit for the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conversion {
    /// Nothing: it has virtio drivers.
    None,
    /// `virt-v2v-in-place` on the conversion host.
    VirtV2v(VirtV2v),
}

/// How to migrate machines; the defaults are what most want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineOptions {
    /// Only look.
    pub check: bool,
    /// How many machines are worked on at once.
    pub machines: usize,
    /// How many disks of a machine are copied at once.
    pub disks: usize,
    /// How disks are read: the first way that leads there.
    pub ways: Vec<Way>,
    /// Begin to record changes where a machine does not.
    pub enable_tracking: bool,
    /// How long a guest may take to shut down.
    pub patience: Duration,
    /// Switch a machine off whose guest does not shut down.
    pub hard_off: bool,
    /// What makes guests fit for the destination, unless the plan says otherwise.
    pub conversion: Conversion,
    /// End a cutover once the disks are complete: no conversion, no server.
    pub data_only: bool,
    /// Read back what was written.
    pub prove: bool,
    /// Compare every block, whatever is known.
    pub compare_all: bool,
    /// Believe what the VMware migration kit says of the volumes that it made.
    pub trust_kit: bool,
    /// The volume type for disks of a datastore.
    pub volume_types: BTreeMap<String, String>,
    /// The volume type for all others; none: the cloud's default.
    pub volume_type: Option<String>,
    /// The availability zone of volumes; none: the cloud chooses.
    pub zone: Option<String>,
    /// How long a cloud may take for one thing.
    pub timeout: Duration,
    /// After how many bytes of a first copy it is safe, and need not be copied again.
    pub segment: u64,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            check: false,
            machines: 2,
            disks: 4,
            ways: vec![Way::Vddk(PathBuf::from(VDDK)), Way::Datastore],
            enable_tracking: false,
            patience: Duration::from_secs(300),
            hard_off: true,
            conversion: Conversion::VirtV2v(VirtV2v::default()),
            data_only: false,
            prove: true,
            compare_all: false,
            trust_kit: false,
            volume_types: BTreeMap::new(),
            volume_type: None,
            zone: None,
            timeout: Duration::from_secs(600),
            segment: 1 << 30,
        }
    }
}
