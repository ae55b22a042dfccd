//! Images of servers.

use std::collections::BTreeMap;

use axum::http::HeaderValue;
use axum::http::header::LOCATION;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attachments::must_run;
use super::{own, passed_on, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::cinder::{SnapshotSpec, make_snapshot};
use crate::cloud::{Cloud, Service};
use crate::disk::{self, GIB};
use crate::fault::FaultKind;
use crate::glance::Image;
use crate::world::World;

#[derive(Deserialize)]
struct Create {
    name: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

pub(super) fn create(call: &Call, world: &mut World, id: &str, value: &Value) -> Answer {
    let create: Result<Create, _> = serde_json::from_value(value.clone());
    let create = create.map_err(|error| refuse(400, error.to_string()))?;
    must_run(call, world, id, "snapshot")?;
    let server = own(call, world, id)?;
    if let Some(task) = &server.task {
        return Err(refuse(409, format!("Cannot 'snapshot' instance {id} while it is in task_state {task}")));
    }
    let (base, size) = (server.image_id.clone(), server.flavor.disk);
    let mut image = Image::new(&server.project_id, Some(&create.name));
    let inherited = base.as_ref().and_then(|base| world.glance.images.get(base));
    image.properties = inherited.map(|base| base.properties.clone()).unwrap_or_default();
    image.disk_format = Some("raw".to_owned());
    image.container_format = Some("bare".to_owned());
    image.visibility = "private".to_owned();
    image.min_disk = size;
    image.min_ram = inherited.map_or(0, |base| base.min_ram);
    image.properties.insert("instance_uuid".to_owned(), id.to_owned());
    image.properties.insert("user_id".to_owned(), call.caller.user_id.clone());
    image.properties.insert("image_type".to_owned(), "snapshot".to_owned());
    image.properties.extend(create.metadata.clone());
    let image_id = image.id.clone();
    if let Some(base) = base {
        image.properties.insert("base_image_ref".to_owned(), base);
        world.glance.images.insert(image);
        if let Some(server) = world.nova.servers.get_mut(id) {
            server.task = Some("image_snapshot".to_owned());
        }
        let killed = call.struck(|fault| matches!(fault, FaultKind::ImageKilled));
        upload(&call.cloud, id.to_owned(), image_id.clone(), size, killed);
    } else {
        of_volumes(call, world, id, image)?;
    }
    if call.at_least(2, 45) {
        return Ok(json(202, &json!({"image_id": image_id})));
    }
    let mut response = empty(202);
    let location = format!("{}/images/{image_id}", call.cloud.url(Service::Glance));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Copies the root disk into the image. As with Ceph the image has no digests: nobody has read it through.
fn upload(cloud: &Cloud, server_id: String, image_id: String, size: u64, killed: bool) {
    let set = |cloud: &Cloud, server_id: &str, task: Option<&str>, image_id: &str, status: &str| {
        let mut world = cloud.world();
        if let Some(server) = world.nova.servers.get_mut(server_id) {
            server.task = task.map(str::to_owned);
        }
        if let Some(image) = world.glance.images.get_mut(image_id) {
            image.set(status);
        }
    };
    cloud.later(move |cloud| {
        set(cloud, &server_id, Some("image_uploading"), &image_id, "saving");
        let source = cloud.root_disk_file(&server_id);
        let copied = disk::copy(&source, &cloud.image_file(&image_id), size * GIB);
        cloud.later(move |cloud| {
            let good = copied.is_ok() && !killed;
            if let Some(image) = cloud.world().glance.images.get_mut(&image_id).filter(|_| good) {
                let length = std::fs::metadata(cloud.image_file(&image_id)).map(|data| data.len()).ok();
                image.size = length;
                image.virtual_size = length;
            }
            set(cloud, &server_id, None, &image_id, if good { "active" } else { "killed" });
        });
    });
}

/// The image of a server that boots from a volume has no data: it names snapshots of the volumes.
fn of_volumes(call: &Call, world: &mut World, id: &str, mut image: Image) -> Result<(), Refusal> {
    let disks = own(call, world, id)?.disks.clone();
    let mut mapping = Vec::new();
    for disk in disks {
        let spec = SnapshotSpec {
            volume_id: disk.volume_id.clone(),
            name: Some(format!("snapshot for {}", image.name.as_deref().unwrap_or_default())),
            ..SnapshotSpec::default()
        };
        let made = make_snapshot(&call.cloud, world, &call.caller.user_id, &spec, true, false);
        let snapshot = made.map_err(|refusal| passed_on(&refusal))?;
        let size = world.cinder.snapshots.get(&snapshot).map(|snapshot| snapshot.size);
        mapping.push(json!({
            "boot_index": if disk.root { json!(0) } else { Value::Null },
            "delete_on_termination": disk.delete_on_termination,
            "destination_type": "volume",
            "device_name": disk.device,
            "snapshot_id": snapshot,
            "source_type": "snapshot",
            "volume_size": size,
        }));
    }
    image.size = Some(0);
    image.disk_format = None;
    image.container_format = None;
    image.properties.insert("block_device_mapping".to_owned(), json!(mapping).to_string());
    image.properties.insert("bdm_v2".to_owned(), "True".to_owned());
    image.properties.insert("root_device_name".to_owned(), "/dev/vda".to_owned());
    image.set("active");
    world.glance.images.insert(image);
    Ok(())
}
