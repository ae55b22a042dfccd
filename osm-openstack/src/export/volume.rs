//! Volumes, attached to a server or to nothing.

use osm_model::{NameFilter, Resource, VolumeInfo, VolumeParams};

use super::topology::as_json;
use super::{Exporter, sorted};
use crate::block_storage::{Filter, Volume};
use crate::error::Result;

impl Exporter {
    pub(super) async fn detached_volumes(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let volumes = self.session.block_storage().await?.volumes(&Filter::default()).await?;
        let is_detached = |volume: &Volume| volume.status != "in-use" && volume.attachments.is_empty();
        let wanted = |volume: &Volume| is_detached(volume) && filter.matches_optional(volume.name.as_deref());
        let wanted =
            sorted(volumes.into_iter().filter(wanted).collect(), |volume: &Volume| volume.id.clone());
        Ok(wanted.into_iter().map(|volume| Resource::Volume(resource(volume))).collect())
    }
}

pub(super) fn resource(volume: Volume) -> osm_model::Volume {
    let text = |(key, value)| (key, serde_json::Value::String(value));
    let metadata = volume.volume_image_metadata;
    let params = VolumeParams {
        availability_zone: volume.availability_zone,
        description: volume.description,
        name: volume.name,
        volume_image_metadata: (!metadata.is_empty()).then(|| metadata.into_iter().map(text).collect()),
        volume_type: volume.volume_type,
        ..VolumeParams::default()
    };
    let info = VolumeInfo {
        attachments: Some(volume.attachments.iter().filter_map(as_json).collect()),
        id: Some(volume.id),
        is_bootable: Some(volume.bootable),
        size: Some(volume.size),
        ..VolumeInfo::default()
    };
    osm_model::Volume::new(params, info)
}
