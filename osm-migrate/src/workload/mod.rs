//! The migration of workloads: servers with their disks, cold.
//!
//! ```text
//! preflight -> claim -> stop source -> boot disk -> detach volumes -> attach to source host
//!    -> create volumes -> attach to destination host -> copy -> verify -> detach
//!    -> preflight once more -> ports -> server -> floating IPs -> restore source -> release
//! ```
//!
//! Every step looks for its own effect first: by metadata (`osm_job` is the id of the source server)
//! or by the state of the object. So the same call after a crash, even with the state store lost,
//! continues where the last one was stopped.

mod cold;
mod copies;
mod detached;
mod disk;
mod dress;
mod floating_ip;
mod image_metadata;
mod job;
mod log;
mod moved;
mod options;
mod place;
mod port;
mod preflight;
mod restore;
mod run;
mod server;
mod side;
mod source;
mod tag;
mod transfer;

use std::sync::Arc;

use osm_openstack::Session;

use crate::{Cancel, ConversionHost, DataDir, EventSink, StateStore};

pub use self::options::MigrationOptions;

/// A migration of workloads from one cloud to another.
pub struct WorkloadMigration {
    /// The cloud to move from.
    pub src: Session,
    /// The cloud to move to.
    pub dst: Session,
    /// The server of the source that reads the disks.
    pub src_host: Arc<dyn ConversionHost>,
    /// The server of the destination that writes them.
    pub dst_host: Arc<dyn ConversionHost>,
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
