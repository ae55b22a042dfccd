//! Metadata of volumes and snapshots.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde_json::json;

use super::snapshots;
use super::volumes::own;
use crate::api::{Answer, Call, Refusal, empty, json};

type Map = BTreeMap<String, String>;
type Id = Path<(String, String)>;
type Item = Path<(String, String, String)>;

fn no_item(call: &Call) -> Refusal {
    call.refuse(404, "Metadata item was not found.")
}

pub(super) async fn list(call: Call, Path((_, id)): Id) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"metadata": own(&call, &mut world, &id)?.metadata})))
}

pub(super) async fn merge(call: Call, Path((_, id)): Id, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    volume.metadata.extend(given);
    Ok(json(200, &json!({"metadata": volume.metadata})))
}

pub(super) async fn replace(call: Call, Path((_, id)): Id, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    volume.metadata = given;
    Ok(json(200, &json!({"metadata": volume.metadata})))
}

pub(super) async fn show(call: Call, Path((_, id, key)): Item) -> Answer {
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    let value = volume.metadata.get(&key).ok_or_else(|| no_item(&call))?;
    Ok(json(200, &json!({"meta": {key: value}})))
}

pub(super) async fn set(call: Call, Path((_, id, key)): Item, body: Bytes) -> Answer {
    let mut given: Map = call.read(&body, "meta")?;
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    let value = given.remove(&key).ok_or_else(|| call.refuse(400, "Request body and URI mismatch"))?;
    volume.metadata.insert(key.clone(), value.clone());
    Ok(json(200, &json!({"meta": {key: value}})))
}

pub(super) async fn remove(call: Call, Path((_, id, key)): Item) -> Answer {
    let mut world = call.cloud.world();
    let volume = own(&call, &mut world, &id)?;
    volume.metadata.remove(&key).ok_or_else(|| no_item(&call))?;
    Ok(empty(200))
}

pub(super) async fn of_snapshot(call: Call, Path((_, id)): Id) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"metadata": snapshots::own(&call, &mut world, &id)?.metadata})))
}

pub(super) async fn merge_snapshot(call: Call, Path((_, id)): Id, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let snapshot = snapshots::own(&call, &mut world, &id)?;
    snapshot.metadata.extend(given);
    Ok(json(200, &json!({"metadata": snapshot.metadata})))
}

pub(super) async fn replace_snapshot(call: Call, Path((_, id)): Id, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let snapshot = snapshots::own(&call, &mut world, &id)?;
    snapshot.metadata = given;
    Ok(json(200, &json!({"metadata": snapshot.metadata})))
}
