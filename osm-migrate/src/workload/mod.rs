//! The migration of workloads: servers with their disks, cold, or seeded while they run.
//!
//! ```text
//! preflight -> claim -> stop source -> snapshot of the boot disk -> detach volumes -> attach to source host
//!    -> create volumes -> attach to destination host -> copy -> verify -> detach
//!    -> preflight once more -> ports -> server -> floating IPs -> restore source -> release
//! ```
//!
//! Every step looks for its own effect first: by metadata (`osm_job` is the id of the source server)
//! or by the state of the object. So the same call after a crash, even with the state store lost,
//! continues where the last one was stopped.

pub(crate) mod attend;
pub(crate) mod boot;
mod cleanup;
mod clouds;
mod cold;
mod copies;
mod detached;
mod disk;
mod dress;
mod errand;
mod floating_ip;
mod hook;
mod image_metadata;
mod images;
mod job;
pub(crate) mod lease;
mod link;
mod moved;
mod options;
mod place;
mod plan;
mod port;
mod preflight;
mod rehearse;
mod restore;
mod run;
mod seed;
mod server;
mod shared;
pub(crate) mod side;
mod slots;
mod snapshot;
mod source;
pub(crate) mod tag;
mod transfer;
mod window;

use std::sync::Arc;

use osm_openstack::Session;

use crate::{Cancel, ConversionHost, DataDir, EventSink, StateStore};

pub use self::boot::BootCheck;
pub(crate) use self::errand::ERRAND;
pub use self::hook::{Hearer, Hook, When};
pub use self::images::Way;
pub use self::options::MigrationOptions;
pub use self::rehearse::RehearsalOptions;
pub use self::seed::SeedOptions;
pub use self::window::Window;

/// Two conversion hosts that disks travel between.
#[derive(Debug, Clone)]
pub struct HostPair {
    /// The server of the source that reads the disks.
    pub src: Arc<dyn ConversionHost>,
    /// The server of the destination that writes them.
    pub dst: Arc<dyn ConversionHost>,
}

/// A migration of workloads from one cloud to another.
pub struct WorkloadMigration {
    /// The cloud to move from.
    pub src: Session,
    /// The cloud to move to.
    pub dst: Session,
    /// The servers that read and write the disks; each workload has one pair of them. At least one.
    pub hosts: Vec<HostPair>,
    /// What has been done, and who works on it.
    pub state: Arc<dyn StateStore>,
    /// The resource files and logs.
    pub data_dir: DataDir,
    /// Who hears what happens.
    pub events: Arc<dyn EventSink>,
    /// How to work.
    pub options: MigrationOptions,
    /// The wish to stop early.
    pub cancel: Cancel,
}
