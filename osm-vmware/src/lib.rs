//! VMware virtual machines as a source of disks: the vocabulary.
//!
//! This crate holds types only. It opens no connection yet: neither a vSphere session nor VDDK nor
//! NFC is implemented, and nothing here pretends otherwise. What the types fix is what any of those
//! will have to give:
//!
//! ```text
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
mod source;

pub use self::change::{ChangeId, Delta};
pub use self::disk::{Disk, Snapshot};
pub use self::error::{Error, ErrorKind, Result};
pub use self::identity::{DeviceKey, Moref};
pub use self::source::DiskSource;
