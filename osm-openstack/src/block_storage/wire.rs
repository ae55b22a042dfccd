//! The bodies of the Block Storage API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// Its name; volumes may have none.
    pub name: Option<String>,
    /// `available`, `in-use`, `creating`, `error`, ...
    #[serde(default)]
    pub status: String,
    /// Its size in GiB.
    #[serde(default)]
    pub size: u64,
    /// Its description.
    pub description: Option<String>,
    /// Its availability zone.
    pub availability_zone: Option<String>,
    /// Its volume type, by name.
    pub volume_type: Option<String>,
    /// The snapshot it was made from.
    pub snapshot_id: Option<String>,
    /// Its metadata.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub metadata: BTreeMap<String, String>,
    /// Whether servers may boot from it.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub bootable: bool,
    /// Whether it is encrypted at rest.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub encrypted: bool,
    /// Whether several servers may have it at once.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub multiattach: bool,
    /// The servers that have it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub attachments: Vec<Attachment>,
    /// The properties of the image it was made from; Nova reads those of a boot volume.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub volume_image_metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// The project that owns it.
    #[serde(rename = "os-vol-tenant-attr:tenant_id")]
    pub project_id: Option<String>,
}

impl Volume {
    /// Whether one of its attachments is to this server.
    pub fn is_attached_to(&self, server: &str) -> bool {
        self.attachments.iter().any(|attachment| attachment.server_id.as_deref() == Some(server))
    }
}

/// One server's use of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The volume's id once more.
    pub id: Option<String>,
    /// Cinder's attachment.
    pub attachment_id: Option<String>,
    /// The volume.
    pub volume_id: Option<String>,
    /// The server.
    pub server_id: Option<String>,
    /// The host, for admins.
    pub host_name: Option<String>,
    /// The device name Nova chose.
    pub device: Option<String>,
    /// Since when.
    pub attached_at: Option<String>,
}

/// What a new volume shall be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateVolume {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size in GiB.
    pub size: u64,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its volume type, by name or id; the cloud's default when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    /// Its availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// The snapshot to make it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// The image to make it from.
    #[serde(rename = "imageRef", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The volume to make it from.
    #[serde(rename = "source_volid", skip_serializing_if = "Option::is_none")]
    pub source_volume_id: Option<String>,
    /// Its metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A snapshot of a volume.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `available`, `creating`, `error`, ...
    #[serde(default)]
    pub status: String,
    /// The volume it is of.
    #[serde(default)]
    pub volume_id: String,
    /// The volume's size in GiB.
    #[serde(default)]
    pub size: u64,
    /// Its metadata.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Option<String>,
}

/// A volume type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct VolumeType {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// What a project may use and uses; -1 is "without limit".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Volumes allowed.
    pub max_total_volumes: i64,
    /// Volumes there.
    pub total_volumes_used: i64,
    /// GiB allowed, volumes and snapshots together.
    pub max_total_volume_gigabytes: i64,
    /// GiB used.
    pub total_gigabytes_used: i64,
    /// Snapshots allowed.
    pub max_total_snapshots: i64,
    /// Snapshots there.
    pub total_snapshots_used: i64,
}

/// One quota of a project; -1 is "without limit".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Quota {
    /// How much is allowed.
    pub limit: i64,
    /// How much is used.
    #[serde(default)]
    pub in_use: i64,
    /// How much is promised to what is being made.
    #[serde(default)]
    pub reserved: i64,
}

/// Which volumes or snapshots to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of exactly this name.
    pub name: Option<String>,
    /// Those in this status.
    pub status: Option<String>,
    /// Those with all of these metadata.
    pub metadata: BTreeMap<String, String>,
    /// Snapshots of this volume.
    pub volume_id: Option<String>,
}

impl Filter {
    /// Those of exactly this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Those with this metadata.
    pub fn with_metadata(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { metadata: BTreeMap::from([(key.into(), value.into())]), ..Self::default() }
    }

    pub(super) fn matches(
        &self,
        name: Option<&str>,
        status: &str,
        metadata: &BTreeMap<String, String>,
    ) -> bool {
        self.name.as_deref().is_none_or(|wanted| name == Some(wanted))
            && self.status.as_deref().is_none_or(|wanted| status == wanted)
            && self.metadata.iter().all(|(key, value)| metadata.get(key) == Some(value))
    }
}
