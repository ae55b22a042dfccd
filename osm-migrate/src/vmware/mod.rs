//! Machines of a vSphere, seeded while they run and cut over into OpenStack.
//!
//! ```text
//! preflight -> claim -> [stop, if cut over] -> one snapshot of all disks -> volumes -> attach to the conversion host
//!    -> for each disk: what changed, or everything -> flush, read back -> change id -> detach -> remove the snapshot
//!    -> [if cut over: convert the guest -> ports -> server -> boot check]
//! ```
//!
//! What a volume contains, it says itself: a change id is written to its metadata once a pass is complete and flushed,
//! never before (`record.rs`). What a pass copies is decided by it (`pass.rs`); whatever is doubted is compared block by
//! block. The machine itself is only ever given a snapshot, which is removed again, and stopped for its cutover.

mod convert;
mod copy;
mod inventory;
mod job;
mod limits;
mod options;
mod pass;
mod record;
mod resolve;
mod run;
mod server;
mod snapshot;
mod volume;

use std::sync::Arc;

use osm_openstack::Session;

use crate::agent::Vsphere;
use crate::{Cancel, ConversionHost, DataDir, EventSink, StateStore};

pub use self::inventory::inventory;
pub use self::options::{Conversion, MachineOptions, Phase, Way};

/// A migration of machines from a vSphere to a cloud.
pub struct MachineMigration {
    /// The vSphere to move from.
    pub vsphere: osm_vmware::Session,
    /// How agents reach it.
    pub reach: Vsphere,
    /// The cloud to move to.
    pub dst: Session,
    /// The server of it that reads the machines' disks and writes the volumes.
    pub host: Arc<dyn ConversionHost>,
    /// What has been done, and who works on it.
    pub state: Arc<dyn StateStore>,
    /// The plan and the logs.
    pub data_dir: DataDir,
    /// Who hears what happens.
    pub events: Arc<dyn EventSink>,
    /// How to work.
    pub options: MachineOptions,
    /// The wish to stop early.
    pub cancel: Cancel,
}
