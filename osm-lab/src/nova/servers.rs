//! Servers, once they are made.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use fancy_regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, links};
use super::state::Server;
use super::view::{addresses, view};
use super::{admin_only, no_server, own, refuse};
use crate::api::{Answer, Call, Refusal, json};
use crate::world::World;

fn rows<'a>(call: &Call, world: &'a World) -> Result<Vec<&'a Server>, Refusal> {
    if call.query.flag("all_tenants") && call.query.get("all_tenants").is_some() {
        admin_only(call, "os_compute_api:servers:detail:get_all_tenants")?;
    }
    let everyone = call.query.get("all_tenants").is_some() && call.query.flag("all_tenants");
    let project = call.query.get("project_id").or_else(|| call.query.get("tenant_id")).filter(|_| everyone);
    let pattern = |name| match call.query.get(name) {
        None => Ok(None),
        Some(text) => Regex::new(text).map(Some).map_err(|_| refuse(400, format!("Invalid regex {text}"))),
    };
    let (name, ip) = (pattern("name")?, pattern("ip")?);
    let found = |regex: &Regex, text: &str| regex.is_match(text).unwrap_or(false);
    let matches = |server: &&Server| {
        let here = if everyone {
            project.is_none_or(|project| server.project_id == project)
        } else {
            server.project_id == call.caller.project_id
        };
        let is =
            |key, value: &str| call.query.get(key).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value));
        let has_ip = |regex: &Regex| {
            let networks = addresses(world, server);
            let mut all = networks.values().flat_map(|list| list.as_array().into_iter().flatten());
            all.any(|address| found(regex, address["addr"].as_str().unwrap_or_default()))
        };
        let has_tags = call
            .query
            .get("tags")
            .is_none_or(|tags| tags.split(',').all(|tag| server.tags.iter().any(|own| own == tag)));
        here && name.as_ref().is_none_or(|regex| found(regex, &server.name))
            && ip.as_ref().is_none_or(has_ip)
            && is("status", &server.status)
            && is("flavor", &server.flavor.id)
            && is("image", server.image_id.as_deref().unwrap_or_default())
            && is("uuid", &server.id)
            && is("key_name", server.key_name.as_deref().unwrap_or_default())
            && (has_tags || !call.at_least(2, 26))
    };
    Ok(world.nova.servers.iter().rev().filter(matches).collect())
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(
        &call,
        "servers",
        rows(&call, &world)?,
        |server| json!({"id": server.id, "name": server.name, "links": links(&call, "servers", &server.id)}),
    )
}

pub(super) async fn detail(call: Call) -> Answer {
    let world = call.cloud.world();
    answer(&call, "servers", rows(&call, &world)?, |server| view(&call, &world, server, false))
}

fn single(call: &Call, world: &World, id: &str) -> Result<Value, Refusal> {
    let server = world.nova.servers.get(id).ok_or_else(|| no_server(id))?;
    Ok(json!({"server": view(call, world, server, true)}))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    Ok(json(200, &single(&call, &world, &id)?))
}

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    description: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let update: Update = call.read(&body, "server")?;
    if update.metadata.is_some() {
        return Err(refuse(400, "Additional properties are not allowed ('metadata' was unexpected)"));
    }
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?;
    server.name = update.name.unwrap_or_else(|| server.name.clone());
    if call.at_least(2, 19) {
        server.description = update.description.or_else(|| server.description.take());
    }
    server.updated = crate::clock::now();
    Ok(json(200, &single(&call, &world, &id)?))
}
