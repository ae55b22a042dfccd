//! Ports and security groups of servers.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attachments::must_run;
use super::networks::{Network, connect_one, group_ids};
use super::view::addresses;
use super::{own, passed_on, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::neutron::{Group, Port, Rule, release_port};
use crate::world::World;

fn view(call: &Call, port: &Port) -> Value {
    let fixed: Vec<Value> = port
        .fixed_ips
        .iter()
        .map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.address}))
        .collect();
    let mut body = json!({
        "fixed_ips": fixed,
        "mac_addr": port.mac,
        "net_id": port.network_id,
        "port_id": port.base.id,
        "port_state": if port.active { "ACTIVE" } else { "DOWN" },
    });
    if call.at_least(2, 70) {
        body["tag"] = Value::Null;
    }
    body
}

pub(super) async fn ips(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let server = own(&call, &mut world, &id)?.clone();
    Ok(json(200, &json!({"addresses": addresses(&world, &server)})))
}

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    let rows: Vec<Value> = world.neutron.ports_of(&id).map(|port| view(&call, port)).collect();
    Ok(json(200, &json!({"interfaceAttachments": rows})))
}

fn port<'a>(call: &Call, world: &'a mut World, id: &str, port_id: &str) -> Result<&'a Port, Refusal> {
    own(call, world, id)?;
    let port = world.neutron.ports.get(port_id).filter(|port| port.device_id == id);
    port.ok_or_else(|| refuse(404, format!("Instance {id} does not have a port with id {port_id}")))
}

pub(super) async fn show(call: Call, Path((id, port_id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    let port = port(&call, &mut world, &id, &port_id)?;
    Ok(json(200, &json!({"interfaceAttachment": view(&call, port)})))
}

#[derive(Deserialize)]
struct Fixed {
    ip_address: IpAddr,
}

#[derive(Deserialize)]
struct Attach {
    port_id: Option<String>,
    net_id: Option<String>,
    #[serde(default)]
    fixed_ips: Vec<Fixed>,
}

pub(super) async fn attach(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let wanted: Attach = call.read(&body, "interfaceAttachment")?;
    let mut world = call.cloud.world();
    must_run(&call, &mut world, &id, "attach_interface")?;
    let server = own(&call, &mut world, &id)?.clone();
    if let Some(port) = wanted.port_id.as_ref().and_then(|port| world.neutron.ports.get(port))
        && !port.device_id.is_empty()
    {
        return Err(refuse(409, format!("Port {} is still in use.", port.base.id)));
    }
    let groups = group_ids(&mut world, &server.project_id, &[])?;
    let fixed = wanted.fixed_ips.first().map(|fixed| fixed.ip_address);
    let network = Network::of(wanted.net_id, wanted.port_id.clone(), fixed);
    let made = connect_one(&mut world, &server, &network, &groups).map_err(|refusal| passed_on(&refusal))?;
    let port_id = made.or(wanted.port_id).unwrap_or_default();
    let port = world.neutron.ports.get_mut(&port_id);
    let port = port.ok_or_else(|| refuse(404, format!("Port {port_id} could not be found.")))?;
    port.active = server.status == "ACTIVE";
    Ok(json(200, &json!({"interfaceAttachment": view(&call, port)})))
}

pub(super) async fn detach(call: Call, Path((id, port_id)): Path<(String, String)>) -> Answer {
    let mut world = call.cloud.world();
    must_run(&call, &mut world, &id, "detach_interface")?;
    let made = port(&call, &mut world, &id, &port_id)?.made_by_nova;
    call.cloud.later(move |cloud| {
        let mut world = cloud.world();
        if made {
            release_port(&mut world, &port_id);
        } else if let Some(port) = world.neutron.ports.get_mut(&port_id) {
            port.device_id.clear();
            port.device_owner.clear();
            port.active = false;
        }
    });
    Ok(empty(202))
}

/// The groups of a server in Nova's old words; only what comes in is shown.
pub(super) async fn groups(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    let neutron = &world.neutron;
    let mut ids: Vec<&String> = neutron.ports_of(&id).flat_map(|port| &port.groups).collect();
    ids.sort();
    ids.dedup();
    let found = ids.into_iter().filter_map(|id| neutron.groups.get(id));
    let rows: Vec<Value> = found.map(|group| group_view(&world, group)).collect();
    Ok(json(200, &json!({"security_groups": rows})))
}

fn group_view(world: &World, group: &Group) -> Value {
    let incoming = world.neutron.rules_of(&group.base.id).filter(|rule| rule.direction == "ingress");
    let rules: Vec<Value> = incoming.map(|rule| rule_view(world, rule)).collect();
    json!({
        "id": group.base.id,
        "description": group.base.description,
        "name": group.base.name,
        "tenant_id": group.base.project_id,
        "rules": rules,
    })
}

fn rule_view(world: &World, rule: &Rule) -> Value {
    let remote = rule.remote_group.as_ref().and_then(|id| world.neutron.groups.get(id));
    let group = match remote {
        Some(group) => json!({"name": group.base.name, "tenant_id": group.base.project_id}),
        None => json!({}),
    };
    let range = match (&rule.remote_cidr, remote) {
        (Some(cidr), _) => json!({"cidr": cidr}),
        (None, None) => json!({"cidr": "0.0.0.0/0"}),
        (None, Some(_)) => json!({}),
    };
    json!({
        "id": rule.id,
        "parent_group_id": rule.group_id,
        "ip_protocol": rule.protocol,
        "from_port": rule.port_min,
        "to_port": rule.port_max,
        "group": group,
        "ip_range": range,
    })
}
