//! Metadata of servers.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde_json::json;

use super::state::Server;
use super::{own, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::world::World;

type Map = BTreeMap<String, String>;

/// The server, whose metadata cannot be changed while it is being stopped, started or the like.
fn at_rest<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Server, Refusal> {
    let server = own(call, world, id)?;
    match &server.task {
        Some(task) => {
            let message = format!("Cannot 'update metadata' instance {id} while it is in task_state {task}");
            Err(refuse(409, message))
        }
        None => Ok(server),
    }
}

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
    let server = at_rest(&call, &mut world, &id)?;
    server.metadata.extend(given);
    Ok(json(200, &json!({"metadata": server.metadata})))
}

pub(super) async fn replace(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let given: Map = call.read(&body, "metadata")?;
    let mut world = call.cloud.world();
    let server = at_rest(&call, &mut world, &id)?;
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
    at_rest(&call, &mut world, &id)?.metadata.insert(key.clone(), value.clone());
    Ok(json(200, &json!({"meta": {key: value}})))
}

pub(super) async fn remove(call: Call, Path((id, key)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    at_rest(&call, &mut world, &id)?.metadata.remove(&key).ok_or_else(no_item)?;
    Ok(empty(204))
}
