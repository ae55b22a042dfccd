//! Volumes of servers: attaching and detaching.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::Disk;
use super::{own, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::cinder::Attachment;
use crate::clock::now;
use crate::cloud::Cloud;
use crate::disk;
use crate::fault::FaultKind;
use crate::world::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attach {
    #[serde(rename = "volumeId")]
    volume_id: String,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    delete_on_termination: Option<bool>,
}

fn view(call: &Call, server_id: &str, disk: &Disk) -> Value {
    let mut body = json!({"device": disk.device, "serverId": server_id, "volumeId": disk.volume_id});
    if call.at_least(2, 89) {
        body["attachment_id"] = json!(disk.attachment_id);
        body["bdm_uuid"] = json!(disk.id);
    } else {
        body["id"] = json!(disk.volume_id);
    }
    if call.at_least(2, 70) {
        body["tag"] = json!(disk.tag);
    }
    if call.at_least(2, 79) {
        body["delete_on_termination"] = json!(disk.delete_on_termination);
    }
    body
}

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    let number =
        |name, otherwise| call.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let page = server.disks.iter().skip(number("offset", 0)).take(number("limit", usize::MAX));
    let rows: Vec<Value> = page.map(|disk| view(&call, &id, disk)).collect();
    Ok(json(200, &json!({"volumeAttachments": rows})))
}

fn not_attached(server_id: &str, volume_id: &str) -> Refusal {
    refuse(404, format!("Instance {server_id} is not attached to volume {volume_id}"))
}

pub(super) async fn show(call: Call, Path((id, volume_id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    let disk = server.disks.iter().find(|disk| disk.volume_id == volume_id);
    let disk = disk.ok_or_else(|| not_attached(&id, &volume_id))?;
    Ok(json(200, &json!({"volumeAttachment": view(&call, &id, disk)})))
}

/// Refuses what cannot be done in the state the server is in.
pub(super) fn must_run(call: &Call, world: &mut World, id: &str, what: &str) -> Result<(), Refusal> {
    let server = own(call, world, id)?;
    if server.locked && !call.caller.admin {
        return Err(refuse(409, format!("Instance {id} is locked")));
    }
    if matches!(server.status.as_str(), "ACTIVE" | "SHUTOFF") {
        return Ok(());
    }
    let state = server.vm_state();
    Err(refuse(409, format!("Cannot '{what}' instance {id} while it is in vm_state {state}")))
}

pub(super) async fn attach(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let wanted: Attach = call.read(&body, "volumeAttachment")?;
    let since = [
        ("tag", 49, wanted.tag.is_some()),
        ("delete_on_termination", 79, wanted.delete_on_termination.is_some()),
    ];
    if let Some((key, ..)) = since.into_iter().find(|(_, minor, given)| *given && !call.at_least(2, *minor)) {
        return Err(refuse(400, format!("Additional properties are not allowed ('{key}' was unexpected)")));
    }
    let volume_id = wanted.volume_id.clone();
    let mut world = call.cloud.world();
    must_run(&call, &mut world, &id, "attach_volume")?;
    let volume = world.cinder.volumes.get_mut(&volume_id).filter(|row| call.caller.sees(&row.project_id));
    let volume = volume.ok_or_else(|| refuse(404, format!("Volume {volume_id} could not be found.")))?;
    let has_it = volume.attachments.iter().any(|attachment| attachment.server_id == id);
    if !volume.has_room() || has_it {
        let message = format!(
            "Invalid input received: Invalid volume: Volume {volume_id} status must be available or downloading to \
             reserve, but the current status is {}. (HTTP 400)",
            volume.status
        );
        return Err(refuse(400, message));
    }
    volume.set("reserved");
    let server = own(&call, &mut world, &id)?;
    let taken = |device: &String| server.disks.iter().any(|disk| disk.device == *device);
    // As with libvirt the name asked for is a hint only when it is free.
    let device = wanted.device.filter(|device| !taken(device)).unwrap_or_else(|| server.free_device());
    let mut disk = Disk::new(&volume_id, &device);
    disk.tag = wanted.tag;
    disk.delete_on_termination = wanted.delete_on_termination.unwrap_or(false);
    let body = view(&call, &id, &disk);
    server.disks.push(disk.clone());
    server.note("attach_volume");
    let fails = call.struck(|fault| matches!(fault, FaultKind::AttachFails));
    call.cloud.later(move |cloud| {
        let mut world = cloud.world();
        // The server may have been deleted meanwhile, and the volume given back.
        let Some(volume) =
            world.cinder.volumes.get_mut(&disk.volume_id).filter(|row| row.status == "reserved")
        else {
            return;
        };
        volume.set("attaching");
        drop(world);
        cloud.later(move |cloud| {
            let mut world = cloud.world();
            if fails {
                give_back(cloud, &mut world, &id, &disk.volume_id);
            } else {
                complete(cloud, &mut world, &id, &disk);
            }
        });
    });
    Ok(json(200, &json!({"volumeAttachment": body})))
}

/// The end of attaching: the device is there and the volume in use.
pub(crate) fn complete(cloud: &Cloud, world: &mut World, server_id: &str, disk: &Disk) {
    if world.nova.servers.get(server_id).is_none() {
        return;
    }
    let plugged =
        disk::plug(&cloud.host_dir(server_id), &disk.volume_id, &cloud.volume_file(&disk.volume_id));
    if plugged.is_err() {
        return give_back(cloud, world, server_id, &disk.volume_id);
    }
    if let Some(volume) = world.cinder.volumes.get_mut(&disk.volume_id) {
        volume.attachments.push(Attachment {
            id: disk.attachment_id.clone(),
            server_id: server_id.to_owned(),
            device: disk.device.clone(),
            at: now(),
        });
        volume.rest();
    }
}

/// The end of detaching, or of attaching in vain.
fn give_back(cloud: &Cloud, world: &mut World, server_id: &str, volume_id: &str) {
    disk::unplug(&cloud.host_dir(server_id), volume_id);
    if let Some(server) = world.nova.servers.get_mut(server_id) {
        server.disks.retain(|disk| disk.volume_id != volume_id);
        server.updated = now();
    }
    if let Some(volume) = world.cinder.volumes.get_mut(volume_id) {
        volume.attachments.retain(|attachment| attachment.server_id != server_id);
        volume.rest();
    }
}

pub(super) async fn detach(call: Call, Path((id, volume_id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    must_run(&call, &mut world, &id, "detach_volume")?;
    let server = own(&call, &mut world, &id)?;
    let disk = server.disks.iter().find(|disk| disk.volume_id == volume_id);
    if disk.ok_or_else(|| not_attached(&id, &volume_id))?.root {
        return Err(refuse(400, "Cannot detach a root device volume"));
    }
    if let Some(volume) = world.cinder.volumes.get_mut(&volume_id) {
        if volume.status != "in-use" {
            let message = "Invalid volume: Invalid input received: Invalid volume: Unable to detach volume. Volume \
                           status must be 'in-use' and attach_status must be 'attached' to detach. (HTTP 400)";
            return Err(refuse(400, message));
        }
        volume.set("detaching");
    }
    own(&call, &mut world, &id)?.note("detach_volume");
    if !call.struck(|fault| matches!(fault, FaultKind::DetachSticks)) {
        call.cloud.later(move |cloud| give_back(cloud, &mut cloud.world(), &id, &volume_id));
    }
    Ok(empty(202))
}
