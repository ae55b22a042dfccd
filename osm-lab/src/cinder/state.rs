//! Volumes and snapshots.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::clock::{new_id, now};
use crate::table::{Row, Table};

/// Where a volume is in use.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    pub(crate) server_id: String,
    pub(crate) device: String,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) project_id: String,
    pub(crate) user_id: String,
    /// GiB.
    pub(crate) size: u64,
    pub(crate) status: String,
    pub(crate) bootable: bool,
    pub(crate) zone: String,
    pub(crate) kind: String,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) source_volume: Option<String>,
    pub(crate) multiattach: bool,
    pub(crate) encrypted: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) image_metadata: BTreeMap<String, String>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Volume {
    /// A volume that is just being made.
    pub(crate) fn new(project_id: &str, user_id: &str, name: Option<&str>, size: u64) -> Self {
        let created = now();
        Self {
            id: new_id(),
            name: name.map(str::to_owned),
            description: None,
            project_id: project_id.to_owned(),
            user_id: user_id.to_owned(),
            size,
            status: "creating".to_owned(),
            bootable: false,
            zone: "nova".to_owned(),
            kind: "nfs".to_owned(),
            snapshot_id: None,
            source_volume: None,
            multiattach: false,
            encrypted: false,
            metadata: BTreeMap::new(),
            image_metadata: BTreeMap::new(),
            attachments: Vec::new(),
            created,
            updated: created,
        }
    }

    pub(crate) fn set(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.updated = now();
    }

    /// Whether one more server may have it.
    pub(crate) fn has_room(&self) -> bool {
        self.status == "available" || self.multiattach && self.status == "in-use"
    }

    /// What the volume is when nothing happens to it.
    pub(crate) fn rest(&mut self) {
        let status = if self.attachments.is_empty() { "available" } else { "in-use" };
        self.set(status);
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) volume_id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) project_id: String,
    pub(crate) user_id: String,
    pub(crate) size: u64,
    pub(crate) status: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) bootable: bool,
    pub(crate) image_metadata: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct VolumeType {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether several servers may have a volume of it at once.
    pub(crate) multiattach: bool,
    /// Whether its volumes are encrypted.
    pub(crate) encrypted: bool,
}

macro_rules! rows {
    ($($kind:ty),*) => { $(impl Row for $kind { fn id(&self) -> &str { &self.id } })* };
}
rows!(Volume, Snapshot, VolumeType);

/// What Cinder knows.
#[derive(Debug, Default)]
pub(crate) struct BlockStorage {
    pub(crate) volumes: Table<Volume>,
    pub(crate) snapshots: Table<Snapshot>,
    pub(crate) types: Table<VolumeType>,
}

impl BlockStorage {
    /// GiB a project uses, snapshots included.
    pub(crate) fn gigabytes_of(&self, project_id: &str) -> u64 {
        let volumes = self.volumes.iter().filter(|row| row.project_id == project_id).map(|row| row.size);
        let snapshots = self.snapshots.iter().filter(|row| row.project_id == project_id).map(|row| row.size);
        volumes.chain(snapshots).sum()
    }

    /// How many volumes of a type a project has, and how many GiB they have together.
    pub(crate) fn use_of_type(&self, project_id: &str, kind: &str) -> (usize, u64) {
        let own = || self.volumes.iter().filter(|row| row.project_id == project_id && row.kind == kind);
        (own().count(), own().map(|row| row.size).sum())
    }

    pub(crate) fn volumes_of(&self, project_id: &str) -> usize {
        self.volumes.iter().filter(|row| row.project_id == project_id).count()
    }

    pub(crate) fn snapshots_of(&self, project_id: &str) -> usize {
        self.snapshots.iter().filter(|row| row.project_id == project_id).count()
    }
}
