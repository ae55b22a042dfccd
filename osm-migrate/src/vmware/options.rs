//! How machines are migrated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::agent::VirtV2v;
use crate::{BootCheck, Error, ErrorKind};

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
    /// How long vSphere may take to make a snapshot.
    pub snapshot_wait: Duration,
    /// Switch a machine off whose guest does not shut down.
    pub hard_off: bool,
    /// What makes guests fit for the destination, unless the plan says otherwise.
    pub conversion: Conversion,
    /// Only copy the disks, whatever the phase: the machine is not stopped, its guest not converted, no server made.
    pub data_only: bool,
    /// Bring the copies up to date before a cutover; without it the machine must be off.
    pub final_sync: bool,
    /// Allow a cutover without a last synchronisation of a machine that runs.
    pub accept_data_loss: bool,
    /// How often a seed copies what has changed; with `max_downtime` at most so often.
    pub passes: u32,
    /// Seed again and again, until a pass takes no longer than this.
    pub max_downtime: Option<Duration>,
    /// When to end, wherever the copies are: the next run goes on there.
    pub until: Option<Timestamp>,
    /// How many disks of one ESXi host are read at once.
    pub per_host: usize,
    /// How many disks are read at once, all machines together.
    pub per_vcenter: usize,
    /// Make a flavor where none is large enough; it takes an administrator.
    pub create_flavor: bool,
    /// How it is told that a server has come up; without it, ACTIVE suffices.
    pub boot_check: Option<BootCheck>,
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
            snapshot_wait: Duration::from_secs(900),
            hard_off: true,
            conversion: Conversion::VirtV2v(VirtV2v::default()),
            data_only: false,
            final_sync: true,
            accept_data_loss: false,
            passes: 1,
            max_downtime: None,
            until: None,
            per_host: 4,
            per_vcenter: 20,
            create_flavor: false,
            boot_check: None,
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
