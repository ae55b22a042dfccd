//! The flows: export and import of resources, and the migration of workloads with their disks.
//!
//! A flow reads and writes resource files ([`DataDir`]), talks to clouds through `osm-openstack`,
//! moves bytes through agents on conversion hosts ([`ConversionHost`]), keeps what it has done in a
//! [`StateStore`] and says what happens through an [`EventSink`]. Nothing here prints.
//!
//! The one invariant: whatever happens to the process, the same call again continues. A step looks
//! for its own effect before it acts, and records after it acted; the clouds' metadata is enough to
//! find what was made even when the state is lost.

#![forbid(unsafe_code)]

pub mod agent;
mod cancel;
pub mod conversion;
mod course;
mod data_dir;
mod error;
mod event;
mod export;
pub mod host;
mod id_map;
mod import;
mod item;
mod label;
mod log;
pub mod state;
mod status;
mod step;
mod summary;
mod validate;
pub mod vars;
pub mod vmware;
pub mod workload;

pub use self::cancel::Cancel;
pub use self::data_dir::DataDir;
pub use self::error::{Context, Error, ErrorKind, Result};
pub use self::event::{Difference, Event, EventSink, NullSink, PlannedDisk};
pub use self::export::{ExportOptions, export};
pub use self::host::{ConversionHost, HostSpec};
pub use self::id_map::{IdMap, Moved};
pub use self::import::import;
pub use self::item::{Item, ItemResult, Outcome};
pub use self::state::{SqliteStore, StateStore};
pub use self::status::{WorkloadStatus, status};
pub use self::step::Step;
pub use self::summary::{Failure, Summary};
pub use self::validate::validate;
pub use self::vars::Vars;
pub use self::workload::{
    BootCheck, Hook, HostPair, MigrationOptions, RehearsalOptions, SeedOptions, Way, Window,
    WorkloadMigration,
};
