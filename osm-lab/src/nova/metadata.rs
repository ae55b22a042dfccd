//! Metadata of servers.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde_json::json;

use super::{own, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};

type Map = BTreeMap<String, String>;

fn no_item() -> Refusal {
    refuse(404, "Metadata item was not found")
}

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"metadata": own(&call, &mut world, &id)?.metadata})))
}

pub(super) async fn merge(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    server.metadata.extend(given);
    Ok(json(200, &json!({"metadata": server.metadata})))
}

pub(super) async fn replace(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    server.metadata = given;
    Ok(json(200, &json!({"metadata": server.metadata})))
}

pub(super) async fn show(call: Call, Path((id, key)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let value = own(&call, &mut world, &id)?.metadata.get(&key).ok_or_else(no_item)?;
    Ok(json(200, &json!({"meta": {key: value}})))
}

pub(super) async fn set(call: Call, Path((id, key)): Path<(String, String)>, body: Bytes) -> Answer {
    let mut given: Map = call.read(&body, "meta")?;
    let value = given.remove(&key).ok_or_else(|| refuse(400, "Request body and URI mismatch"))?;
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?.metadata.insert(key.clone(), value.clone());
    Ok(json(200, &json!({"meta": {key: value}})))
}

pub(super) async fn remove(call: Call, Path((id, key)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?.metadata.remove(&key).ok_or_else(no_item)?;
    Ok(empty(204))
}
