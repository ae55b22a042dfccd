//! Security groups.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, made, make_each, one, wanted, with_base};
use super::rules;
use super::state::{Base, Group, Rule};
use super::{in_use, over_quota, owner};
use crate::api::{Answer, Call, Refusal, empty};
use crate::clock::{new_id, now};
use crate::quota::Quotas;
use crate::world::World;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Write {
    name: Option<String>,
    description: Option<String>,
    stateful: Option<bool>,
    tenant_id: Option<String>,
    project_id: Option<String>,
}

fn view(call: &Call, world: &World, group: &Group) -> Value {
    let rules: Vec<Value> = world
        .neutron
        .rules_of(&group.base.id)
        .map(|rule| {
            let mut body = rules::view(call, world, rule);
            body["tags"] = json!([]);
            body["standard_attr_id"] = json!(rule.created.as_millisecond() % 100_000);
            body
        })
        .collect();
    let body = json!({
        "name": group.base.name,
        "stateful": group.stateful,
        "shared": false,
        "security_group_rules": rules,
    });
    with_base(&group.base, body)
}

fn missing(id: &str) -> Refusal {
    Refusal::neutron(404, "SecurityGroupNotFound", format!("Security group {id} does not exist"))
}

/// Makes a group that lets everything out.
pub(crate) fn make(
    world: &mut World,
    project_id: &str,
    name: &str,
    description: &str,
) -> Result<String, Refusal> {
    let used = world.neutron.groups.iter().filter(|group| group.base.project_id == project_id).count();
    if !Quotas::allows(world.quotas.security_groups, used, 1) {
        return Err(over_quota("security_group"));
    }
    let base = Base::new(name, project_id, description);
    let id = base.id.clone();
    world.neutron.groups.insert(Group { base, stateful: true });
    for ethertype in ["IPv4", "IPv6"] {
        world.neutron.rules.insert(blank_rule(project_id, &id, "egress", ethertype, None));
    }
    Ok(id)
}

fn blank_rule(project_id: &str, group: &str, direction: &str, ethertype: &str, remote: Option<&str>) -> Rule {
    Rule {
        id: new_id(),
        project_id: project_id.to_owned(),
        group_id: group.to_owned(),
        direction: direction.to_owned(),
        ethertype: ethertype.to_owned(),
        protocol: None,
        port_min: None,
        port_max: None,
        remote_cidr: None,
        remote_group: remote.map(str::to_owned),
        description: None,
        created: now(),
    }
}

/// The group every project has, made when it is first looked for.
pub(crate) fn default_group(world: &mut World, project_id: &str) -> String {
    let default = |group: &&Group| group.base.project_id == project_id && group.base.name == "default";
    if let Some(group) = world.neutron.groups.iter().find(default) {
        return group.base.id.clone();
    }
    let base = Base::new("default", project_id, "Default security group");
    let id = base.id.clone();
    world.neutron.groups.insert(Group { base, stateful: true });
    for (direction, remote) in [("egress", None), ("ingress", Some(id.as_str()))] {
        for ethertype in ["IPv4", "IPv6"] {
            world.neutron.rules.insert(blank_rule(project_id, &id, direction, ethertype, remote));
        }
    }
    id
}

pub(super) async fn list(call: Call) -> Answer {
    let mut world = call.cloud.world();
    default_group(&mut world, &call.caller.project_id);
    let rows = world.neutron.groups.iter().filter(|group| call.caller.sees(&group.base.project_id)).collect();
    answer(&call, "security_groups", rows, |group| view(&call, &world, group))
}

fn own<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Group, Refusal> {
    let group = world.neutron.groups.get_mut(id).filter(|group| call.caller.sees(&group.base.project_id));
    group.ok_or_else(|| missing(id))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    default_group(&mut world, &call.caller.project_id);
    own(&call, &mut world, &id)?;
    let group = world.neutron.groups.get(&id).ok_or_else(|| missing(&id))?;
    Ok(one(&call, 200, "security_group", view(&call, &world, group)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (writes, bulk) = wanted::<Write>(&call, &body, "security_group", "security_groups")?;
    let mut world = call.cloud.world();
    let make = |world: &mut World, write: Write| {
        let wanted = write.project_id.as_ref().or(write.tenant_id.as_ref());
        let project = owner(&call, wanted, "create_security_group")?;
        default_group(world, &project);
        let name = write.name.unwrap_or_default();
        if name == "default" {
            let message = "Default security group already exists.";
            return Err(Refusal::neutron(409, "SecurityGroupDefaultAlreadyExists", message));
        }
        let id = make(world, &project, &name, write.description.as_deref().unwrap_or_default())?;
        let group = world.neutron.groups.get_mut(&id).ok_or_else(|| missing(&id))?;
        group.stateful = write.stateful.unwrap_or(true);
        let group = world.neutron.groups.get(&id).ok_or_else(|| missing(&id))?;
        Ok(view(&call, world, group))
    };
    let undo = |world: &mut World, id: &str| {
        world.neutron.groups.remove(id);
        world.neutron.rules.retain(|rule| rule.group_id != id);
    };
    let bodies = make_each(&mut world, writes, make, undo)?;
    Ok(made(&call, "security_group", "security_groups", bodies, bulk))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let write: Write = call.read(&body, "security_group")?;
    let mut world = call.cloud.world();
    let group = own(&call, &mut world, &id)?;
    if group.base.name == "default" && write.name.as_ref().is_some_and(|name| name != "default") {
        let message = "Updating default security group not allowed.";
        return Err(Refusal::neutron(409, "SecurityGroupCannotUpdateDefault", message));
    }
    let base = &mut group.base;
    base.name = write.name.unwrap_or_else(|| base.name.clone());
    base.description = write.description.unwrap_or_else(|| base.description.clone());
    group.stateful = write.stateful.unwrap_or(group.stateful);
    group.base.touch();
    let group = world.neutron.groups.get(&id).ok_or_else(|| missing(&id))?;
    Ok(one(&call, 200, "security_group", view(&call, &world, group)))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let group = own(&call, &mut world, &id)?;
    if group.base.name == "default" && !call.caller.admin {
        let message = "Insufficient rights for removing default security group.";
        return Err(Refusal::neutron(409, "SecurityGroupCannotRemoveDefault", message));
    }
    if world.neutron.ports.iter().any(|port| port.groups.contains(&id)) {
        return Err(in_use("SecurityGroup", format!("Security Group {id} in use.")));
    }
    let neutron = &mut world.neutron;
    neutron.groups.remove(&id);
    neutron.rules.retain(|rule| rule.group_id != id && rule.remote_group.as_deref() != Some(&id));
    Ok(empty(204))
}
