//! Limits, quotas, availability zones.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

use super::admin_only;
use super::state::Server;
use crate::api::{Answer, Call, json};
use crate::quota::Quotas;
use crate::world::World;

fn used(world: &World, project: &str) -> (usize, u64, u64) {
    let own = || world.nova.servers.iter().filter(|server| server.project_id == project);
    let sum = |pick: fn(&Server) -> u64| own().map(pick).sum();
    (own().count(), sum(|server| server.flavor.vcpus), sum(|server| server.flavor.ram))
}

pub(super) async fn limits(call: Call) -> Response {
    let world = call.cloud.world();
    let project = call.query.get("tenant_id").filter(|_| call.caller.admin);
    let (instances, cores, ram) = used(&world, project.unwrap_or(&call.caller.project_id));
    let quotas = &world.quotas;
    let absolute = json!({
        "maxTotalInstances": quotas.instances,
        "maxTotalCores": quotas.cores,
        "maxTotalRAMSize": quotas.ram,
        "maxTotalKeypairs": quotas.key_pairs,
        "maxServerMeta": 128,
        "maxServerGroups": 10,
        "maxServerGroupMembers": 10,
        "totalInstancesUsed": instances,
        "totalCoresUsed": cores,
        "totalRAMUsed": ram,
        "totalServerGroupsUsed": 0,
    });
    json(200, &json!({"limits": {"rate": [], "absolute": absolute}}))
}

fn set(quotas: &Quotas, project: &str) -> Value {
    json!({
        "id": project,
        "instances": quotas.instances,
        "cores": quotas.cores,
        "ram": quotas.ram,
        "key_pairs": quotas.key_pairs,
        "metadata_items": 128,
        "server_groups": 10,
        "server_group_members": 10,
    })
}

pub(super) async fn quotas(call: Call, Path(project): Path<String>) -> Answer {
    if project != call.caller.project_id {
        admin_only(&call, "os_compute_api:os-quota-sets:show")?;
    }
    Ok(json(200, &json!({"quota_set": set(&call.cloud.quotas(), &project)})))
}

pub(super) async fn details(call: Call, Path(project): Path<String>) -> Answer {
    if project != call.caller.project_id {
        admin_only(&call, "os_compute_api:os-quota-sets:detail")?;
    }
    let world = call.cloud.world();
    let (instances, cores, ram) = used(&world, &project);
    let mut body = set(&world.quotas, &project);
    let rows = [("instances", json!(instances)), ("cores", json!(cores)), ("ram", json!(ram))];
    for (name, used) in rows {
        body[name] = json!({"limit": body[name], "in_use": used, "reserved": 0});
    }
    Ok(json(200, &json!({"quota_set": body})))
}

pub(super) async fn update(call: Call, Path(project): Path<String>, body: Bytes) -> Answer {
    admin_only(&call, "os_compute_api:os-quota-sets:update")?;
    let wanted: BTreeMap<String, Value> = call.read(&body, "quota_set")?;
    let mut world = call.cloud.world();
    let quotas = &mut world.quotas;
    let fields = [
        ("instances", &mut quotas.instances),
        ("cores", &mut quotas.cores),
        ("ram", &mut quotas.ram),
        ("key_pairs", &mut quotas.key_pairs),
    ];
    for (name, limit) in fields {
        *limit = wanted.get(name).and_then(Value::as_i64).unwrap_or(*limit);
    }
    Ok(json(200, &json!({"quota_set": set(&world.quotas, &project)})))
}

pub(super) async fn zones(call: Call) -> Response {
    let world = call.cloud.world();
    let zone = |name: &String| json!({"zoneName": name, "zoneState": {"available": true}, "hosts": null});
    json(200, &json!({"availabilityZoneInfo": world.zones.0.iter().map(zone).collect::<Vec<_>>()}))
}

pub(super) async fn server_groups(_call: Call) -> Response {
    json(200, &json!({"server_groups": []}))
}

pub(super) async fn extensions(_call: Call) -> Response {
    json(200, &json!({"extensions": []}))
}
