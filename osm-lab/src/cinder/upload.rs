//! A volume becomes an image.

use serde::Deserialize;
use serde_json::{Value, json};

use super::invalid;
use super::volumes::own;
use crate::api::{Answer, Call, json};
use crate::disk::{self, GIB};
use crate::fault::FaultKind;
use crate::glance::Image;
use crate::world::World;

#[derive(Deserialize)]
pub(super) struct Upload {
    image_name: String,
    #[serde(default)]
    force: bool,
    disk_format: Option<String>,
    container_format: Option<String>,
}

/// Begins to fill an image with the bytes of a volume, which is `uploading` meanwhile.
pub(super) fn begin(call: &Call, world: &mut World, id: &str, upload: &Upload) -> Answer {
    let volume = own(call, world, id)?;
    if volume.status != "available" {
        let message = if volume.status == "in-use" && upload.force {
            "Force upload to image is disabled, Please enable it in config".to_owned()
        } else {
            format!(
                "Invalid volume: Volume {id} status must be available, but current status is: {}.",
                volume.status
            )
        };
        return Err(invalid(message));
    }
    volume.set("uploading");
    let (size, project_id) = (volume.size, volume.project_id.clone());
    let mut image = Image::new(&project_id, Some(&upload.image_name));
    // What Nova reads off the volume goes along.
    image.properties = volume.image_metadata.clone();
    image.visibility = "private".to_owned();
    image.disk_format = Some(upload.disk_format.clone().unwrap_or_else(|| "raw".to_owned()));
    image.container_format = Some(upload.container_format.clone().unwrap_or_else(|| "bare".to_owned()));
    image.set("saving");
    let image_id = image.id.clone();
    world.glance.images.insert(image);
    let killed = call.struck(|fault| matches!(fault, FaultKind::ImageKilled));
    let (volume_id, filled) = (id.to_owned(), image_id.clone());
    call.cloud.later(move |cloud| {
        let file = cloud.image_file(&filled);
        let copied = disk::copy(&cloud.volume_file(&volume_id), &file, size * GIB);
        let digests = copied.and_then(|()| disk::digests(&file));
        let mut world = cloud.world();
        if let Some(volume) = world.cinder.volumes.get_mut(&volume_id) {
            volume.rest();
        }
        if let Some(image) = world.glance.images.get_mut(&filled) {
            match digests {
                Ok((checksum, hash)) if !killed => {
                    (image.size, image.virtual_size) = (Some(size * GIB), Some(size * GIB));
                    (image.checksum, image.hash) = (Some(checksum), Some(hash));
                    image.set("active");
                }
                _ => image.set("killed"),
            }
        }
    });
    let body: Value = json!({"os-volume_upload_image": {
        "id": id, "image_id": image_id, "image_name": upload.image_name, "status": "uploading",
        "size": size, "disk_format": "raw", "container_format": "bare",
    }});
    Ok(json(202, &body))
}
