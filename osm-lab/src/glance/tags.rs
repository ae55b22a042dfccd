//! Tags and members.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::images::own;
use super::refuse;
use super::state::Image;
use crate::api::{Answer, Call, empty, json};
use crate::clock::seconds;

pub(super) async fn add(call: Call, Path((id, tag)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let image = own(&call, &mut world, &id)?;
    if !image.tags.contains(&tag) {
        image.tags.push(tag);
    }
    Ok(empty(204))
}

pub(super) async fn remove(call: Call, Path((id, tag)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let image = own(&call, &mut world, &id)?;
    if !image.tags.contains(&tag) {
        return Err(refuse(404, format!("Tag {tag} not found.")));
    }
    image.tags.retain(|kept| *kept != tag);
    Ok(empty(204))
}

fn member(image: &Image, project: &str) -> Value {
    json!({
        "image_id": image.id, "member_id": project, "status": "accepted",
        "created_at": seconds(image.created), "updated_at": seconds(image.updated),
        "schema": "/v2/schemas/member",
    })
}

pub(super) async fn members(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let image = own(&call, &mut world, &id)?;
    let rows: Vec<Value> = image.members.iter().map(|project| member(image, project)).collect();
    Ok(json(200, &json!({"members": rows, "schema": "/v2/schemas/members"})))
}

#[derive(Deserialize)]
struct Share {
    member: String,
}

pub(super) async fn share(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let Share { member: project } = call.read(&body, "")?;
    let mut world = call.cloud.world();
    let image = own(&call, &mut world, &id)?;
    if image.members.contains(&project) {
        return Err(refuse(409, format!("Member {project} is duplicated for image {id}")));
    }
    image.members.push(project.clone());
    Ok(json(200, &member(image, &project)))
}
