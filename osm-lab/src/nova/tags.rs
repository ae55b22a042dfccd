//! Tags of servers, since 2.26.

use axum::body::Bytes;
use axum::extract::Path;
use serde_json::json;

use super::state::Server;
use super::{own, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::world::World;

fn server<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Server, Refusal> {
    if !call.at_least(2, 26) {
        return Err(refuse(404, "The resource could not be found."));
    }
    own(call, world, id)
}

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    Ok(json(200, &json!({"tags": server(&call, &mut world, &id)?.tags})))
}

pub(super) async fn replace(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let mut tags: Vec<String> = call.read(&body, "tags")?;
    if tags.len() > 50 || tags.iter().any(|tag| tag.is_empty() || tag.len() > 60 || tag.contains(['/', ',']))
    {
        return Err(refuse(400, "Invalid input for field/attribute tags."));
    }
    tags.sort();
    tags.dedup();
    let mut world = call.cloud.world();
    server(&call, &mut world, &id)?.tags.clone_from(&tags);
    Ok(json(200, &json!({"tags": tags})))
}

pub(super) async fn clear(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    server(&call, &mut world, &id)?.tags.clear();
    Ok(empty(204))
}

fn no_tag(id: &str, tag: &str) -> Refusal {
    refuse(404, format!("Instance {id} has no tag '{tag}'"))
}

pub(super) async fn check(call: Call, Path((id, tag)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let found = server(&call, &mut world, &id)?.tags.contains(&tag);
    if found { Ok(empty(204)) } else { Err(no_tag(&id, &tag)) }
}

pub(super) async fn add(call: Call, Path((id, tag)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let tags = &mut server(&call, &mut world, &id)?.tags;
    if tags.contains(&tag) {
        return Ok(empty(204));
    }
    tags.push(tag);
    tags.sort();
    Ok(empty(201))
}

pub(super) async fn remove(call: Call, Path((id, tag)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let tags = &mut server(&call, &mut world, &id)?.tags;
    let before = tags.len();
    tags.retain(|kept| *kept != tag);
    if tags.len() < before { Ok(empty(204)) } else { Err(no_tag(&id, &tag)) }
}
