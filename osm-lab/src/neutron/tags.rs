//! Tags, the same for every kind of resource.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::json;

use super::missing;
use super::state::Base;
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::world::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tags {
    tags: Vec<String>,
}

fn base<'a>(call: &Call, world: &'a mut World, kind: &str, id: &str) -> Result<&'a mut Base, Refusal> {
    let neutron = &mut world.neutron;
    let (name, base) = match kind {
        "networks" => ("Network", neutron.networks.get_mut(id).map(|row| &mut row.base)),
        "subnets" => ("Subnet", neutron.subnets.get_mut(id).map(|row| &mut row.base)),
        "ports" => ("Port", neutron.ports.get_mut(id).map(|row| &mut row.base)),
        "routers" => ("Router", neutron.routers.get_mut(id).map(|row| &mut row.base)),
        "security-groups" => ("Security group", neutron.groups.get_mut(id).map(|row| &mut row.base)),
        "floatingips" => ("Floating IP", neutron.floating_ips.get_mut(id).map(|row| &mut row.base)),
        _ => return Err(call.refuse(404, "The resource could not be found.")),
    };
    base.filter(|base| call.caller.sees(&base.project_id)).ok_or_else(|| missing(name, id))
}

/// Tags have no order; Neutron shows them as the database gives them.
fn set(base: &mut Base, mut tags: Vec<String>) {
    tags.sort();
    tags.dedup();
    base.tags = tags;
    base.touch();
}

fn no_tag(tag: &str) -> Refusal {
    Refusal::neutron(404, "TagNotFound", format!("Tag {tag} could not be found."))
}

pub(super) async fn list(call: Call, Path((kind, id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let base = base(&call, &mut world, &kind, &id)?;
    Ok(json(200, &json!({"tags": base.tags})))
}

pub(super) async fn replace(call: Call, Path((kind, id)): Path<(String, String)>, body: Bytes) -> Answer {
    let Tags { tags } = call.read(&body, "")?;
    let mut world = call.cloud.world();
    let base = base(&call, &mut world, &kind, &id)?;
    set(base, tags);
    Ok(json(200, &json!({"tags": base.tags})))
}

pub(super) async fn clear(call: Call, Path((kind, id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    set(base(&call, &mut world, &kind, &id)?, Vec::new());
    Ok(empty(204))
}

type One = Path<(String, String, String)>;

pub(super) async fn check(call: Call, Path((kind, id, tag)): One) -> Answer {
    let mut world = call.cloud.world();
    let base = base(&call, &mut world, &kind, &id)?;
    if base.tags.contains(&tag) { Ok(empty(204)) } else { Err(no_tag(&tag)) }
}

pub(super) async fn add(call: Call, Path((kind, id, tag)): One) -> Answer {
    let mut world = call.cloud.world();
    let base = base(&call, &mut world, &kind, &id)?;
    let mut tags = base.tags.clone();
    tags.push(tag);
    set(base, tags);
    Ok(empty(201))
}

pub(super) async fn remove(call: Call, Path((kind, id, tag)): One) -> Answer {
    let mut world = call.cloud.world();
    let base = base(&call, &mut world, &kind, &id)?;
    if !base.tags.contains(&tag) {
        return Err(no_tag(&tag));
    }
    let tags = base.tags.iter().filter(|kept| **kept != tag).cloned().collect();
    set(base, tags);
    Ok(empty(204))
}
