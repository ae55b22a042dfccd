//! The seam between a flow and a hypervisor.

use std::sync::Arc;

use osm_transfer::block::{BlockSource, ByteRange};

use crate::{ChangeId, DeviceKey, Disk, Result, Snapshot};

/// A machine whose disks can be read at a point in time, and asked for what changed since.
///
/// Nothing implements it yet. Calls may block; a caller with an event loop runs them elsewhere.
pub trait DiskSource: Send + Sync {
    /// The disks, in the machine's order.
    ///
    /// # Errors
    /// The machine is gone or does not tell.
    fn disks(&self) -> Result<Vec<Disk>>;

    /// Fixes a point in time for all disks at once.
    ///
    /// # Errors
    /// The machine does not allow a snapshot now.
    fn snapshot(&self) -> Result<Snapshot>;

    /// A disk as it was at that point, read-only.
    ///
    /// # Errors
    /// The disk or the snapshot is gone.
    fn open(&self, snapshot: &Snapshot, disk: DeviceKey) -> Result<Arc<dyn BlockSource>>;

    /// What of a disk changed between `since` and the snapshot, in order.
    ///
    /// # Errors
    /// [`CbtReset`](crate::ErrorKind::CbtReset) when `since` is not on the snapshot's line of changes.
    fn changed(&self, snapshot: &Snapshot, disk: DeviceKey, since: &ChangeId) -> Result<Vec<ByteRange>>;

    /// Gives a snapshot up.
    ///
    /// # Errors
    /// The machine does not let go of it.
    fn release(&self, snapshot: Snapshot) -> Result<()>;
}
