//! What can be done to a volume.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::state::{Attachment, Volume};
use super::volumes::{own, remove};
use super::{admin_only, create, invalid, upload};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::clock::{new_id, now};
use crate::disk::GIB;

#[derive(Deserialize)]
struct Metadata {
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Unset {
    key: String,
}

#[derive(Deserialize)]
struct Extend {
    new_size: u64,
}

#[derive(Deserialize)]
struct Attach {
    instance_uuid: Option<String>,
    mountpoint: String,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

#[derive(Deserialize)]
struct Bootable {
    bootable: Value,
}

fn read<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, Refusal> {
    serde_json::from_value(value.clone())
        .map_err(|error| invalid(format!("Invalid input for field/attribute {name}. {error}")))
}

fn must_be(volume: &Volume, allowed: &[&str], what: &str) -> Result<(), Refusal> {
    if allowed.contains(&volume.status.as_str()) {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid volume: Volume {} status must be {} to {what}, but the current status is {}.",
        volume.id,
        allowed.join(" or "),
        volume.status
    )))
}

pub(super) async fn act(call: Call, Path((_, id)): Path<(String, String)>, body: Bytes) -> Answer {
    let actions: Map<String, Value> = call.read(&body, "")?;
    let Some((name, value)) = actions.iter().next() else {
        return Err(invalid("There is no such action: None"));
    };
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    match name.as_str() {
        "os-set_bootable" => {
            volume.bootable = flag(&read::<Bootable>(name, value)?.bootable)
                .ok_or_else(|| invalid("Invalid value for bootable: it must be a boolean."))?;
            volume.updated = now();
            return Ok(empty(200));
        }
        "os-set_image_metadata" => {
            volume.image_metadata.extend(read::<Metadata>(name, value)?.metadata);
            return Ok(json(200, &json!({"metadata": volume.image_metadata})));
        }
        "os-unset_image_metadata" => {
            let Unset { key } = read(name, value)?;
            if volume.image_metadata.remove(&key).is_none() {
                return Err(call.refuse(404, "Metadata item was not found."));
            }
            return Ok(empty(200));
        }
        "os-show_image_metadata" => return Ok(json(200, &json!({"metadata": volume.image_metadata}))),
        "os-volume_upload_image" => {
            let upload = read(name, value)?;
            return upload::begin(&call, &mut world, &id, &upload);
        }
        "os-extend" => {
            extend(&call, &id, &mut world, &read(name, value)?)?;
        }
        "os-reserve" => {
            must_be(volume, &["available"], "reserve")?;
            volume.set("attaching");
        }
        "os-unreserve" => volume.rest(),
        "os-begin_detaching" => {
            must_be(volume, &["in-use"], "detach")?;
            volume.set("detaching");
        }
        "os-roll_detaching" => {
            must_be(volume, &["detaching"], "roll back detaching")?;
            volume.set("in-use");
        }
        "os-attach" => {
            must_be(volume, &["attaching", "available"], "attach")?;
            let Attach { instance_uuid, mountpoint } = read(name, value)?;
            let server_id = instance_uuid.unwrap_or_default();
            volume.attachments.push(Attachment { id: new_id(), server_id, device: mountpoint, at: now() });
            volume.rest();
        }
        "os-detach" => {
            must_be(volume, &["in-use", "detaching"], "detach")?;
            volume.attachments.clear();
            volume.rest();
        }
        "os-reset_status" => {
            admin_only(&call, "volume_extension:volume_admin_actions:reset_status")?;
            volume.set(&read::<Status>(name, value)?.status);
        }
        "os-force_detach" => {
            admin_only(&call, "volume_extension:volume_admin_actions:force_detach")?;
            volume.attachments.clear();
            volume.rest();
        }
        "os-force_delete" => {
            admin_only(&call, "volume_extension:volume_admin_actions:force_delete")?;
            remove(&call.cloud, &mut world, &id, true, true)?;
        }
        _ => return Err(invalid(format!("There is no such action: {name}"))),
    }
    Ok(empty(202))
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn extend(call: &Call, id: &str, world: &mut crate::world::World, extend: &Extend) -> Result<(), Refusal> {
    let volume = own(call, world, id)?;
    must_be(volume, &["available"], "extend")?;
    let (size, project_id) = (volume.size, volume.project_id.clone());
    if extend.new_size <= size {
        return Err(invalid(format!(
            "Invalid input received: New size for extend must be greater than current size. (current: {size}, \
             extended: {}).",
            extend.new_size
        )));
    }
    create::gigabytes(world, &project_id, extend.new_size - size)?;
    let volume = own(call, world, id)?;
    volume.set("extending");
    let (id, size) = (id.to_owned(), extend.new_size);
    call.cloud.later(move |cloud| {
        let file = std::fs::OpenOptions::new().write(true).open(cloud.volume_file(&id));
        let done = file.and_then(|file| file.set_len(size * GIB));
        if let Some(volume) = cloud.world().cinder.volumes.get_mut(&id) {
            if done.is_ok() {
                volume.size = size;
                volume.rest();
            } else {
                volume.set("error_extending");
            }
        }
    });
    Ok(())
}
