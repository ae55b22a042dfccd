//! Snapshots: one of the whole machine for all its disks, so that they show one point in time.

use std::time::Duration;

use crate::machine::{VirtualDisk, disks};
use crate::session::{Session, reference};
use crate::soap::{Element, Request};
use crate::task::made;
use crate::{ChangeId, DeviceKey, Error, ErrorKind, Moref, Result};

/// How long a snapshot may take to be made: its guest may have to be quiesced.
const TAKE: Duration = Duration::from_secs(900);

/// How long it may take to be removed: what was written since is merged.
const REMOVE: Duration = Duration::from_secs(7200);

/// A snapshot of a whole machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The snapshot.
    pub moref: Moref,
    /// Its disks at that point, in the order in which the guest sees them.
    pub disks: Vec<FrozenDisk>,
    /// Whether the guest's file systems were brought to rest.
    pub quiesced: bool,
}

/// A disk at the point of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenDisk {
    /// The disk, as it was configured then; its file is the one that was frozen.
    pub disk: VirtualDisk,
    /// What a complete copy of it contains; none when no record of its changes is kept.
    pub change_id: Option<ChangeId>,
}

impl FrozenDisk {
    /// Its key within the machine.
    pub fn key(&self) -> DeviceKey {
        DeviceKey(self.disk.key)
    }
}

/// A snapshot that a machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The snapshot.
    pub moref: Moref,
    /// Its name.
    pub name: String,
    /// What whoever took it wrote about it.
    pub description: String,
}

impl Session {
    /// Takes a snapshot without memory. One that shall be quiesced is taken all the same when the guest cannot be:
    /// [`Snapshot::quiesced`] tells.
    ///
    /// # Errors
    /// vSphere refuses: no space, too many snapshots, another task on the machine.
    pub async fn take_snapshot(
        &self,
        machine: &Moref,
        name: &str,
        description: &str,
        quiesce: bool,
    ) -> Result<Snapshot> {
        let take = |quiesce: bool| {
            Request::new("CreateSnapshot_Task", machine)
                .text("name", name)
                .text("description", description)
                .text("memory", "false")
                .text("quiesce", if quiesce { "true" } else { "false" })
        };
        let (result, quiesced) = match self.perform(&take(quiesce), TAKE).await {
            Err(error) if quiesce && is_quiescing(&error) => {
                tracing::debug!(%error, "the guest cannot be quiesced");
                (self.perform(&take(false), TAKE).await?, false)
            }
            taken => (taken?, quiesce),
        };
        let moref = made(&result).ok_or_else(|| {
            Error::new(ErrorKind::BadResponse, "a snapshot was taken, and not named")
                .with_object(machine.to_string())
        })?;
        Ok(Snapshot { disks: self.frozen_disks(&moref).await?, moref, quiesced })
    }

    /// The disks of a snapshot. Their change ids are those of the snapshot: what the machine itself tells belongs to
    /// what is written since.
    async fn frozen_disks(&self, snapshot: &Moref) -> Result<Vec<FrozenDisk>> {
        let found = self.properties(snapshot, &["config.hardware.device"]).await?;
        let devices = found.get("config.hardware.device").map_or(&[][..], |list| &list.children);
        let frozen = |disk: VirtualDisk| {
            let change_id = change_id(devices, disk.key);
            let change_id = change_id.filter(|text| !text.is_empty()).map(str::parse).transpose()?;
            Ok(FrozenDisk { disk, change_id })
        };
        disks(devices).into_iter().map(frozen).collect()
    }

    /// Removes a snapshot; its children stay. One that is gone is fine.
    ///
    /// # Errors
    /// vSphere refuses, or does not get it done within two hours.
    pub async fn remove_snapshot(&self, snapshot: &Moref) -> Result<()> {
        let request = Request::new("RemoveSnapshot_Task", snapshot)
            .text("removeChildren", "false")
            .text("consolidate", "true");
        match self.perform(&request, REMOVE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// The snapshots of a machine, older ones first.
    ///
    /// # Errors
    /// `NotFound`: the machine is gone. The server refuses.
    pub async fn snapshots(&self, machine: &Moref) -> Result<Vec<SnapshotInfo>> {
        let found = self.properties(machine, &["snapshot"]).await?;
        let mut snapshots = Vec::new();
        if let Some(tree) = found.get("snapshot") {
            gather(tree, "rootSnapshotList", &mut snapshots);
        }
        Ok(snapshots)
    }
}

/// Whether a snapshot failed because its guest could not be brought to rest.
fn is_quiescing(error: &Error) -> bool {
    let of_guest = ["ApplicationQuiesceFault", "FilesystemQuiesceFault", "ToolsUnavailable"];
    error.fault().is_some_and(|fault| of_guest.contains(&fault))
}

/// The change id of a disk; whatever backs it.
fn change_id(devices: &[Element], key: i32) -> Option<&str> {
    let key = key.to_string();
    let disk = devices.iter().find(|device| device.text_at(&["key"]) == Some(&key))?;
    disk.text_at(&["backing", "changeId"])
}

fn gather(holder: &Element, list: &str, into: &mut Vec<SnapshotInfo>) {
    for snapshot in holder.all(list) {
        if let Some(moref) = reference(snapshot, "snapshot") {
            let text = |name: &str| snapshot.text_at(&[name]).unwrap_or_default().to_owned();
            into.push(SnapshotInfo { moref, name: text("name"), description: text("description") });
        }
        gather(snapshot, "childSnapshotList", into);
    }
}
