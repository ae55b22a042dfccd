//! VMware virtual machines as a source of disks.
//!
//! So far a session with vSphere, and what its machines say of themselves. Disks are not read yet: neither VDDK nor NFC
//! nor datastores over HTTPS are implemented, and nothing here pretends otherwise. What the types at the end fix is
//! what any of those will have to give:
//!
//! ```text
//!   session    Session              a vCenter or ESXi host: login, and login again
//!   machine    Machine, Concern     what a machine is, and what stands in the way of its migration
//!   soap, property                  how vSphere is spoken to
//!   identity   Moref, DeviceKey     which machine, which of its disks
//!   change     ChangeId             what a copy of a disk contains
//!   disk       Disk, Snapshot       what can be read, and at which point in time
//!   source     DiskSource           the seam: a machine whose disks are read at a point in time and
//!                                   asked for what changed since
//! ```
//!
//! The invariant they carry: a copy is brought up to date by a delta only when its change id and that
//! of the snapshot come from one line of changes. Everything else is a full comparison.

#![forbid(unsafe_code)]

mod change;
mod disk;
mod error;
mod identity;
mod machine;
mod property;
mod session;
mod soap;
mod source;

pub use self::change::{ChangeId, Delta};
pub use self::disk::{Disk, Snapshot};
pub use self::error::{Error, ErrorKind, Result};
pub use self::identity::{DeviceKey, Moref};
pub use self::machine::{Concern, Machine, Nic, Severity, VirtualDisk};
pub use self::session::{About, Session, SessionConfig};
pub use self::source::DiskSource;
