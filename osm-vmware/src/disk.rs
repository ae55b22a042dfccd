//! Disks of a machine, and the points in time at which they can be read.

use crate::{ChangeId, DeviceKey, Moref};

/// A virtual disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its key within the machine.
    pub key: DeviceKey,
    /// What it is called: `Hard disk 1`.
    pub label: String,
    /// How many bytes it has.
    pub capacity: u64,
    /// The identity of what backs it, which changes when the disk is replaced.
    pub backing_uuid: Option<String>,
}

impl Disk {
    /// The size of a Cinder volume that holds it, in GiB: rounded up, never less than one.
    pub fn volume_size(&self) -> u64 {
        self.capacity.div_ceil(1 << 30).max(1)
    }
}

/// A snapshot of a whole machine: one for all its disks, so that they show one point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The snapshot.
    pub moref: Moref,
    /// The change id of each disk, where one is kept.
    pub changes: Vec<(DeviceKey, ChangeId)>,
}

impl Snapshot {
    /// The change id of a disk; none when no record of its changes is kept.
    pub fn change_id(&self, disk: DeviceKey) -> Option<&ChangeId> {
        self.changes.iter().find(|(key, _)| *key == disk).map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_gibibyte_needs_a_whole_one() {
        let disk =
            |capacity| Disk { key: DeviceKey(2000), label: String::new(), capacity, backing_uuid: None };
        assert_eq!(disk(1).volume_size(), 1);
        assert_eq!(disk(1 << 30).volume_size(), 1);
        assert_eq!(disk((1 << 30) + 512).volume_size(), 2);
    }
}
