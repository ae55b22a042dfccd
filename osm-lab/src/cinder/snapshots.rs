//! Snapshots: the bytes of a volume at one time.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, passes};
use super::state::Snapshot;
use super::{create, invalid, missing, own_url};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::clock::{column, new_id, now};
use crate::cloud::{Cloud, Service};
use crate::disk::{self, GIB};
use crate::fault::FaultKind;
use crate::quota::Quotas;
use crate::world::World;

/// What a snapshot is created with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SnapshotSpec {
    pub(crate) volume_id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) force: Option<Value>,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

fn view(call: &Call, snapshot: &Snapshot) -> Value {
    let progress = if snapshot.status == "available" { "100%" } else { "0%" };
    let mut body = json!({
        "id": snapshot.id,
        "volume_id": snapshot.volume_id,
        "name": snapshot.name,
        "description": snapshot.description,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": snapshot.metadata,
        "created_at": column(snapshot.created),
        "updated_at": column(snapshot.updated),
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
        "os-extended-snapshot-attributes:progress": progress,
    });
    let since = [
        (14, "group_snapshot_id", Value::Null),
        (41, "user_id", json!(snapshot.user_id)),
        (65, "consumes_quota", json!(true)),
    ];
    for (minor, key, value) in since {
        if call.at_least(3, minor) {
            body[key] = value;
        }
    }
    body
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    own_url(&call)?;
    let spec: SnapshotSpec = call.read(&body, "snapshot")?;
    let truth = |value: &Value| {
        matches!(value, Value::Bool(true))
            || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    };
    let forced = spec.force.as_ref().map(truth);
    // Since 3.66 a volume in use needs no force, and asking for none is refused.
    let forced = match (call.at_least(3, 66), forced) {
        (true, Some(false)) => {
            let message = "Invalid input for field/attribute force. Since microversion 3.66 the 'force' option is \
                           invalid for this request. For backward compatibility, however, when the 'force' flag is \
                           passed with a value evaluating to True, it is silently ignored.";
            return Err(invalid(message));
        }
        (true, _) => true,
        (false, forced) => forced.unwrap_or(false),
    };
    let mut world = call.cloud.world();
    let volume = world.cinder.volumes.get(&spec.volume_id).filter(|row| call.caller.sees(&row.project_id));
    volume.ok_or_else(|| missing("Volume", &spec.volume_id))?;
    let fails = call.struck(|fault| matches!(fault, FaultKind::VolumeError));
    let user_id = call.caller.user_id.clone();
    let id = make(&call.cloud, &mut world, &user_id, &spec, forced, fails)?;
    let snapshot = world.cinder.snapshots.get(&id).ok_or_else(|| missing("Snapshot", &id))?;
    Ok(json(202, &json!({"snapshot": view(&call, snapshot)})))
}

/// Begins to make a snapshot. Its bytes are frozen while it is `creating`.
pub(crate) fn make(
    cloud: &Cloud,
    world: &mut World,
    user_id: &str,
    spec: &SnapshotSpec,
    forced: bool,
    fails: bool,
) -> Result<String, Refusal> {
    let volume =
        world.cinder.volumes.get(&spec.volume_id).ok_or_else(|| missing("Volume", &spec.volume_id))?;
    let good = volume.status == "available" || (forced && volume.status == "in-use");
    if !good {
        let message = format!(
            "Invalid volume: Volume {} status must be available{}, but current status is: {}.",
            volume.id,
            if forced { " or in-use" } else { "" },
            volume.status
        );
        return Err(invalid(message));
    }
    let limit = world.quotas.snapshots;
    if !Quotas::allows(limit, world.cinder.snapshots_of(&volume.project_id), 1) {
        let message = format!(
            "SnapshotLimitExceeded: Maximum number of snapshots allowed ({limit}) exceeded for quota 'snapshots'."
        );
        return Err(Refusal::new(Service::Cinder, 413, message));
    }
    create::gigabytes(world, &volume.project_id, volume.size)?;
    let created = now();
    let snapshot = Snapshot {
        id: new_id(),
        volume_id: volume.id.clone(),
        name: spec.name.clone(),
        description: spec.description.clone(),
        project_id: volume.project_id.clone(),
        user_id: user_id.to_owned(),
        size: volume.size,
        status: "creating".to_owned(),
        metadata: spec.metadata.clone().unwrap_or_default(),
        bootable: volume.bootable,
        image_metadata: volume.image_metadata.clone(),
        created,
        updated: created,
    };
    let (id, volume_id, size) = (snapshot.id.clone(), snapshot.volume_id.clone(), snapshot.size);
    world.cinder.snapshots.insert(snapshot);
    let frozen = id.clone();
    cloud.after(0, move |cloud| {
        let made = disk::copy(&cloud.volume_file(&volume_id), &cloud.snapshot_file(&frozen), size * GIB);
        cloud.later(move |cloud| {
            if let Some(snapshot) = cloud.world().cinder.snapshots.get_mut(&frozen) {
                let status = if made.is_err() || fails { "error" } else { "available" };
                status.clone_into(&mut snapshot.status);
                snapshot.updated = now();
            }
        });
    });
    Ok(id)
}

fn rows<'a>(call: &Call, world: &'a World) -> Result<Vec<&'a Snapshot>, Refusal> {
    own_url(call)?;
    let all = call.caller.admin && call.query.flag("all_tenants");
    let matches = |snapshot: &&Snapshot| {
        let attributes = [
            ("name", snapshot.name.as_deref().unwrap_or_default()),
            ("status", snapshot.status.as_str()),
            ("volume_id", snapshot.volume_id.as_str()),
            ("id", snapshot.id.as_str()),
        ];
        // Snapshots can be found by metadata since 3.22.
        let by_metadata = call.query.get("metadata").is_none() || call.at_least(3, 22);
        let empty = BTreeMap::new();
        let metadata = if by_metadata { &snapshot.metadata } else { &empty };
        (all || snapshot.project_id == call.caller.project_id) && passes(call, &attributes, metadata)
    };
    Ok(world.cinder.snapshots.iter().rev().filter(matches).collect())
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(&call, "snapshots", rows(&call, &world)?, |snapshot| {
        let mut body = view(&call, snapshot);
        if let Value::Object(map) = &mut body {
            map.retain(|key, _| !key.starts_with("os-extended"));
        }
        body
    })
}

pub(super) async fn detail(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(&call, "snapshots", rows(&call, &world)?, |snapshot| view(&call, snapshot))
}

pub(super) fn own<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Snapshot, Refusal> {
    own_url(call)?;
    let snapshot = world.cinder.snapshots.get_mut(id).filter(|row| call.caller.sees(&row.project_id));
    snapshot.ok_or_else(|| missing("Snapshot", id))
}

pub(super) async fn show(call: Call, Path((_, id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"snapshot": view(&call, own(&call, &mut world, &id)?)})))
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    description: Option<String>,
}

pub(super) async fn update(call: Call, Path((_, id)): Path<(String, String)>, body: Bytes) -> Answer {
    let update: Update = call.read(&body, "snapshot")?;
    let mut world = call.cloud.world();
    let snapshot = own(&call, &mut world, &id)?;
    snapshot.name = update.name.or_else(|| snapshot.name.take());
    snapshot.description = update.description.or_else(|| snapshot.description.take());
    Ok(json(200, &json!({"snapshot": view(&call, snapshot)})))
}

pub(super) async fn delete(call: Call, Path((_, id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let snapshot = own(&call, &mut world, &id)?;
    if !matches!(snapshot.status.as_str(), "available" | "error") {
        let message =
            "Invalid snapshot: Snapshot status must be available or error, and must not be part of a group.";
        return Err(invalid(message));
    }
    "deleting".clone_into(&mut snapshot.status);
    call.cloud.later(move |cloud| {
        let _ = std::fs::remove_file(cloud.snapshot_file(&id));
        cloud.world().cinder.snapshots.remove(&id);
    });
    Ok(empty(202))
}
