//! Cinder volumes, on a server or detached.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Entry, Params};
use crate::record::record;

/// A volume.
pub type Volume = Entry<VolumeParams, VolumeInfo>;

record! {
    /// What of a volume is imported.
    #[derive(Default)]
    pub struct VolumeParams: Params {
        /// Availability zone.
        availability_zone: Option<String>,
        /// Free text.
        description: Option<String>,
        /// Name; a volume may have none.
        name: Option<String>,
        /// Metadata that Nova takes for the image's when it boots from this volume.
        volume_image_metadata: Option<BTreeMap<String, Json>>,
        /// Volume type.
        volume_type: Option<String>,
    }
}

record! {
    /// What the source said of a volume.
    #[derive(Default)]
    pub struct VolumeInfo: Info {
        /// Attachments as Cinder gave them.
        attachments: Option<Vec<Json>>,
        /// Source id.
        id: Option<String>,
        /// `bootable`
        is_bootable: Option<bool>,
        /// Size, in GiB.
        size: Option<u64>,
    }
}

impl Params for VolumeParams {
    const TYPE: &'static str = "openstack.network.ServerVolume";
    // Nova names no volume it creates, so most boot volumes have none.
    const NAME_REQUIRED: bool = false;

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
