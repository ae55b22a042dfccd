//! Volumes, once they are made.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, passes};
use super::state::Volume;
use super::{admin_only, invalid, missing, own_url};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::clock::column;
use crate::cloud::Cloud;
use crate::glance::Image;
use crate::world::World;

fn links(call: &Call, id: &str, kind: &str) -> Value {
    let (url, project) = (call.url(), &call.caller.project_id);
    json!([
        {"rel": "self", "href": format!("{url}/v3/{project}/{kind}/{id}")},
        {"rel": "bookmark", "href": format!("{url}/{project}/{kind}/{id}")},
    ])
}

pub(super) fn view(call: &Call, world: &World, volume: &Volume) -> Value {
    let attachments: Vec<Value> = volume
        .attachments
        .iter()
        .map(|attachment| {
            json!({
                "id": volume.id,
                "attachment_id": attachment.id,
                "volume_id": volume.id,
                "server_id": attachment.server_id,
                "host_name": null,
                "device": attachment.device,
                "attached_at": column(attachment.at),
            })
        })
        .collect();
    let mut body = json!({
        "id": volume.id,
        "status": volume.status,
        "size": volume.size,
        "availability_zone": volume.zone,
        "created_at": column(volume.created),
        "updated_at": column(volume.updated),
        "name": volume.name,
        "description": volume.description,
        "volume_type": volume.kind,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volume,
        "metadata": volume.metadata,
        "links": links(call, &volume.id, "volumes"),
        "user_id": volume.user_id,
        "bootable": if volume.bootable { "true" } else { "false" },
        "encrypted": volume.encrypted,
        "replication_status": null,
        "consistencygroup_id": null,
        "multiattach": volume.multiattach,
        "attachments": attachments,
        "os-vol-tenant-attr:tenant_id": volume.project_id,
    });
    if !volume.image_metadata.is_empty() {
        body["volume_image_metadata"] = json!(volume.image_metadata);
    }
    let kind = world.cinder.types.iter().find(|kind| kind.name == volume.kind);
    let since = [
        (13, "group_id", Value::Null),
        (48, "shared_targets", json!(false)),
        (48, "service_uuid", json!("62c813f0-b5a8-4616-b336-7c05be44a015")),
        (63, "volume_type_id", json!(kind.map(|kind| &kind.id))),
        (65, "consumes_quota", json!(true)),
    ];
    for (minor, key, value) in since {
        if call.at_least(3, minor) {
            body[key] = value;
        }
    }
    if call.caller.admin {
        body["os-vol-host-attr:host"] = json!("lab-node@nfs#nfs");
        body["os-vol-mig-status-attr:migstat"] = Value::Null;
        body["os-vol-mig-status-attr:name_id"] = Value::Null;
    }
    body
}

/// What a volume made of an image remembers of it.
pub(super) fn image_metadata(image: &Image) -> BTreeMap<String, String> {
    let mut metadata = image.properties.clone();
    metadata.insert("image_id".to_owned(), image.id.clone());
    metadata.insert("image_name".to_owned(), image.name.clone().unwrap_or_default());
    metadata.insert("min_disk".to_owned(), image.min_disk.to_string());
    metadata.insert("min_ram".to_owned(), image.min_ram.to_string());
    metadata.insert("size".to_owned(), image.size.unwrap_or(0).to_string());
    let optional = [
        ("checksum", &image.checksum),
        ("container_format", &image.container_format),
        ("disk_format", &image.disk_format),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    metadata
}

fn rows<'a>(call: &Call, world: &'a World) -> Result<Vec<&'a Volume>, Refusal> {
    own_url(call)?;
    let all = call.caller.admin && (call.query.flag("all_tenants") || call.query.get("project_id").is_some());
    let project = call.query.get("project_id");
    let matches = |volume: &&Volume| {
        let here = if all {
            project.is_none_or(|project| volume.project_id == project)
        } else {
            volume.project_id == call.caller.project_id
        };
        let attributes = [
            ("name", volume.name.as_deref().unwrap_or_default()),
            ("display_name", volume.name.as_deref().unwrap_or_default()),
            ("status", volume.status.as_str()),
            ("bootable", if volume.bootable { "true" } else { "false" }),
            ("id", volume.id.as_str()),
            ("availability_zone", volume.zone.as_str()),
            ("volume_type", volume.kind.as_str()),
        ];
        here && passes(call, &attributes, &volume.metadata)
    };
    Ok(world.cinder.volumes.iter().rev().filter(matches).collect())
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(
        &call,
        "volumes",
        rows(&call, &world)?,
        |volume| json!({"id": volume.id, "name": volume.name, "links": links(&call, &volume.id, "volumes")}),
    )
}

pub(super) async fn detail(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(&call, "volumes", rows(&call, &world)?, |volume| view(&call, &world, volume))
}

pub(super) async fn summary(call: Call) -> Answer {
    let world = call.cloud.world();
    let rows = rows(&call, &world)?;
    let size: u64 = rows.iter().map(|volume| volume.size).sum();
    Ok(json(200, &json!({"volume-summary": {"total_count": rows.len(), "total_size": size}})))
}

/// The volume, if the caller may see it; then it may change it too.
pub(super) fn own<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Volume, Refusal> {
    own_url(call)?;
    let volume = world.cinder.volumes.get_mut(id).filter(|volume| call.caller.sees(&volume.project_id));
    volume.ok_or_else(|| missing("Volume", id))
}

pub(super) async fn show(call: Call, Path((_, id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    let volume = world.cinder.volumes.get(&id).ok_or_else(|| missing("Volume", &id))?;
    Ok(json(200, &json!({"volume": view(&call, &world, volume)})))
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    description: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
}

pub(super) async fn update(call: Call, Path((_, id)): Path<(String, String)>, body: Bytes) -> Answer {
    let update: Update = call.read(&body, "volume")?;
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    volume.name = update.name.or_else(|| volume.name.take());
    volume.description = update.description.or_else(|| volume.description.take());
    volume.metadata = update.metadata.unwrap_or_else(|| volume.metadata.clone());
    volume.updated = crate::clock::now();
    let volume = world.cinder.volumes.get(&id).ok_or_else(|| missing("Volume", &id))?;
    Ok(json(200, &json!({"volume": view(&call, &world, volume)})))
}

pub(super) async fn delete(call: Call, Path((_, id)): Path<(String, String)>) -> Answer {
    let (cascade, force) = (call.query.flag("cascade"), call.query.flag("force"));
    if force {
        admin_only(&call, "volume:force_delete")?;
    }
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    remove(&call.cloud, &mut world, &id, cascade, force)?;
    Ok(empty(202))
}

/// Begins to delete a volume.
pub(crate) fn remove(
    cloud: &Cloud,
    world: &mut World,
    id: &str,
    cascade: bool,
    force: bool,
) -> Result<(), Refusal> {
    let snapshots: Vec<String> =
        world.cinder.snapshots.iter().filter(|row| row.volume_id == id).map(|row| row.id.clone()).collect();
    let volume = world.cinder.volumes.get_mut(id).ok_or_else(|| missing("Volume", id))?;
    let quiet =
        matches!(volume.status.as_str(), "available" | "error" | "error_restoring" | "error_extending");
    if !force && (!quiet || !volume.attachments.is_empty() || (!cascade && !snapshots.is_empty())) {
        let message = "Invalid volume: Volume status must be available or error or error_restoring or \
                       error_extending or error_managing and must not be migrating, attached, belong to a group, \
                       have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.";
        return Err(invalid(message));
    }
    volume.set("deleting");
    let id = id.to_owned();
    cloud.later(move |cloud| {
        // Absent files are as good as removed.
        for snapshot in &snapshots {
            let _ = std::fs::remove_file(cloud.snapshot_file(snapshot));
        }
        let _ = std::fs::remove_file(cloud.volume_file(&id));
        let mut world = cloud.world();
        world.cinder.snapshots.retain(|snapshot| snapshot.volume_id != id);
        world.cinder.volumes.remove(&id);
    });
    Ok(())
}
