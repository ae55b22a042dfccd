//! VMware virtual machines as a source of disks.
//!
//! ```text
//!   session    Session              a vCenter or ESXi host: login, and login again
//!   machine    Machine, Concern     what a machine is, and what stands in the way of its migration
//!   snapshot   Snapshot, FrozenDisk  all disks of a machine at one point in time
//!   change     ChangeId, Delta      what a copy of a disk contains, and how it is brought up to date
//!   areas      Since                what changed between a copy and a snapshot
//!   power, tracking                 a machine at rest; a record of its changes
//!   datastore  DatastoreDisk        the bytes of a frozen disk, over HTTPS
//!   nfc        NfcDisk              the same from the ESXi host, over VMware's own protocol
//!   vddk       Vddk                 the same by VMware's own library
//!   soap, property, task            how vSphere is spoken to
//! ```
//!
//! The invariant: a copy is brought up to date by a delta only when its change id and that of the snapshot come from
//! one line of changes. Everything else is a full comparison.

#![deny(unsafe_code)]

mod areas;
mod change;
mod datastore;
mod error;
mod identity;
mod machine;
mod nfc;
mod power;
mod property;
mod session;
mod snapshot;
mod soap;
mod task;
mod tracking;
pub mod vddk;

pub use self::areas::Since;
pub use self::change::{ChangeId, Delta};
pub use self::datastore::DatastoreDisk;
pub use self::error::{Error, ErrorKind, Result};
pub use self::identity::{DeviceKey, Moref};
pub use self::machine::{Concern, Machine, Nic, Severity, VirtualDisk};
pub use self::nfc::{NfcDisk, NfcOptions};
pub use self::power::Stopped;
pub use self::session::{About, Session, SessionConfig};
pub use self::snapshot::{FrozenDisk, Snapshot, SnapshotInfo};
