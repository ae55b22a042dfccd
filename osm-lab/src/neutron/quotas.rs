//! Quotas of a project.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde_json::{Value, json};

use super::disallowed;
use crate::api::{Answer, Call, Refusal, json};
use crate::quota::Quotas;
use crate::world::World;

/// What Neutron calls each quota, its limit, and how much of it a project uses.
fn rows(quotas: &mut Quotas, used: [usize; 7]) -> [(&'static str, &mut i64, usize); 7] {
    [
        ("network", &mut quotas.networks, used[0]),
        ("subnet", &mut quotas.subnets, used[1]),
        ("port", &mut quotas.ports, used[2]),
        ("router", &mut quotas.routers, used[3]),
        ("floatingip", &mut quotas.floating_ips, used[4]),
        ("security_group", &mut quotas.security_groups, used[5]),
        ("security_group_rule", &mut quotas.security_group_rules, used[6]),
    ]
}

fn used(world: &World, project: &str) -> [usize; 7] {
    let neutron = &world.neutron;
    [
        neutron.networks.iter().filter(|row| row.base.project_id == project).count(),
        neutron.subnets.iter().filter(|row| row.base.project_id == project).count(),
        neutron.ports.iter().filter(|row| row.base.project_id == project).count(),
        neutron.routers.iter().filter(|row| row.base.project_id == project).count(),
        neutron.floating_ips.iter().filter(|row| row.base.project_id == project).count(),
        neutron.groups.iter().filter(|row| row.base.project_id == project).count(),
        neutron.rules.iter().filter(|row| row.project_id == project).count(),
    ]
}

fn allowed(call: &Call, project: &str) -> Result<(), Refusal> {
    if call.caller.sees(project) { Ok(()) } else { Err(disallowed("get_quota")) }
}

fn limits(mut quotas: Quotas) -> Value {
    let rows = rows(&mut quotas, [0; 7]);
    let mut body: BTreeMap<&str, i64> = rows.into_iter().map(|(name, limit, _)| (name, *limit)).collect();
    body.extend([("subnetpool", -1), ("rbac_policy", 10)]);
    json!({"quota": body})
}

pub(super) async fn show(call: Call, Path(project): Path<String>) -> Answer {
    allowed(&call, &project)?;
    Ok(json(200, &limits(call.cloud.quotas())))
}

pub(super) async fn default(call: Call, Path(project): Path<String>) -> Answer {
    allowed(&call, &project)?;
    Ok(json(200, &limits(Quotas::default())))
}

pub(super) async fn details(call: Call, Path(project): Path<String>) -> Answer {
    allowed(&call, &project)?;
    let world = call.cloud.world();
    let (used, mut quotas) = (used(&world, &project), world.quotas.clone());
    let rows = rows(&mut quotas, used).into_iter();
    let body: BTreeMap<&str, Value> = rows
        .map(|(name, limit, used)| (name, json!({"limit": *limit, "used": used, "reserved": 0})))
        .collect();
    Ok(json(200, &json!({"quota": body})))
}

pub(super) async fn update(call: Call, Path(_project): Path<String>, body: Bytes) -> Answer {
    if !call.caller.admin {
        return Err(disallowed("update_quota"));
    }
    let wanted: BTreeMap<String, i64> = call.read(&body, "quota")?;
    let mut world = call.cloud.world();
    for (name, limit, _) in rows(&mut world.quotas, [0; 7]) {
        *limit = wanted.get(name).copied().unwrap_or(*limit);
    }
    Ok(json(200, &limits(world.quotas.clone())))
}
