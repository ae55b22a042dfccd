//! Deleting servers, and what goes with them.

use axum::extract::Path;

use super::own;
use super::state::Disk;
use crate::api::{Answer, Call, empty};
use crate::cinder::remove_volume;
use crate::cloud::Cloud;
use crate::disk;
use crate::world::World;

use super::networks::disconnect;
use super::refuse;

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    if server.locked && !call.caller.admin {
        return Err(refuse(409, format!("Instance {id} is locked")));
    }
    if server.task.as_deref() == Some("deleting") {
        return Ok(empty(204));
    }
    server.task = Some("deleting".to_owned());
    call.cloud.later(move |cloud| {
        let mut world = cloud.world();
        let Some(server) = world.nova.servers.get(&id) else { return };
        let disks = server.disks.clone();
        for disk in &disks {
            release(cloud, &mut world, &id, disk);
        }
        disconnect(&mut world, &id, &[]);
        world.nova.servers.remove(&id);
        drop(world);
        // What is already gone needs no removing.
        let _ = std::fs::remove_dir_all(cloud.host_dir(&id));
        let _ = std::fs::remove_file(cloud.root_disk_file(&id));
    });
    Ok(empty(204))
}

/// Gives a volume back, or deletes it when it was to go with its server.
fn release(cloud: &Cloud, world: &mut World, server_id: &str, disk: &Disk) {
    disk::unplug(&cloud.host_dir(server_id), &disk.volume_id);
    let Some(volume) = world.cinder.volumes.get_mut(&disk.volume_id) else { return };
    volume.attachments.retain(|attachment| attachment.server_id != server_id);
    if matches!(volume.status.as_str(), "in-use" | "reserved" | "attaching" | "detaching") {
        volume.rest();
    }
    if disk.delete_on_termination {
        // A volume with snapshots stays; so it does in Cinder.
        let _ = remove_volume(cloud, world, &disk.volume_id, false, false);
    }
}
