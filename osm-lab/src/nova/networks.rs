//! Which ports a new server gets.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use super::state::Server;
use super::{passed_on, refuse};
use crate::api::Refusal;
use crate::neutron::{AddressSpec, PortSpec, default_group, make_port, release_port};
use crate::world::World;

/// A security group by name or id.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
}

/// One entry of `networks`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Network {
    uuid: Option<String>,
    port: Option<String>,
    fixed_ip: Option<IpAddr>,
    /// Accepted; nothing hangs on it, as no guest runs.
    tag: Option<String>,
}

pub(super) fn group_ids(
    world: &mut World,
    project_id: &str,
    wanted: &[Group],
) -> Result<Vec<String>, Refusal> {
    if wanted.is_empty() {
        return Ok(vec![default_group(world, project_id)]);
    }
    let mut ids = Vec::new();
    for Group { name } in wanted {
        if name == "default" {
            ids.push(default_group(world, project_id));
            continue;
        }
        let here = world.neutron.groups.iter().filter(|group| group.base.project_id == project_id);
        let found: Vec<&str> = here
            .filter(|group| group.base.name == *name || group.base.id == *name)
            .map(|group| group.base.id.as_str())
            .collect();
        match found.as_slice() {
            [] => {
                let message = format!("Security group {name} not found for project {project_id}.");
                return Err(refuse(400, message));
            }
            [id] => ids.push((*id).to_owned()),
            _ => {
                let message = format!(
                    "Multiple security groups found matching '{name}'. Use an ID to be more specific."
                );
                return Err(refuse(409, message));
            }
        }
    }
    Ok(ids)
}

/// The networks asked for; without a wish, the only one the project has.
pub(super) fn wanted(
    world: &World,
    project_id: &str,
    value: Option<&Value>,
) -> Result<Vec<Network>, Refusal> {
    match value {
        Some(Value::String(word)) if word == "none" => return Ok(Vec::new()),
        Some(Value::Array(list)) if !list.is_empty() => {
            let list: Result<Vec<Network>, _> =
                list.iter().map(|entry| serde_json::from_value(entry.clone())).collect();
            return list.map_err(|error| {
                refuse(400, format!("Invalid input for field/attribute networks. {error}"))
            });
        }
        _ => {}
    }
    let mut own = world
        .neutron
        .networks
        .iter()
        .filter(|network| network.base.project_id == project_id || (network.shared && !network.external));
    let first = own.next();
    if own.next().is_some() {
        return Err(refuse(409, "Multiple possible networks found, use a Network ID to be more specific."));
    }
    let network = |id: &String| Network { uuid: Some(id.clone()), ..Network::default() };
    Ok(first.map(|found| network(&found.base.id)).into_iter().collect())
}

/// Gives a server its ports: those named, and new ones. Answers the new ones.
pub(super) fn connect(
    world: &mut World,
    server: &Server,
    wanted: &[Network],
    groups: &[String],
) -> Result<Vec<String>, Refusal> {
    for network in wanted {
        check(world, server, network)?;
    }
    let mut made = Vec::new();
    for network in wanted {
        match connect_one(world, server, network, groups) {
            Ok(new) => made.extend(new),
            Err(refusal) => {
                disconnect(world, &server.id, &made);
                return Err(passed_on(&refusal));
            }
        }
    }
    Ok(made)
}

fn check(world: &World, server: &Server, wanted: &Network) -> Result<(), Refusal> {
    if let Some(id) = &wanted.port {
        let port = world.neutron.ports.get(id).filter(|port| port.base.project_id == server.project_id);
        let port = port.ok_or_else(|| refuse(400, format!("Port id {id} could not be found.")))?;
        if !port.device_id.is_empty() {
            return Err(refuse(409, format!("Port {id} is still in use.")));
        }
        if port.fixed_ips.is_empty() {
            return Err(refuse(400, format!("Port {id} requires a FixedIP in order to be used.")));
        }
        return Ok(());
    }
    let id = wanted.uuid.as_deref().unwrap_or_default();
    let network = world.neutron.networks.get(id);
    let network =
        network.filter(|row| row.base.project_id == server.project_id || row.shared || row.external);
    let network = network.ok_or_else(|| refuse(400, format!("Network {id} could not be found.")))?;
    if network.external && !network.shared {
        let message = format!("It is not allowed to create an interface on external network {id}");
        return Err(refuse(403, message));
    }
    if world.neutron.subnets_of(id).next().is_none() {
        return Err(refuse(400, format!("Network {id} requires a subnet in order to boot instances on.")));
    }
    if let Some(address) = wanted.fixed_ip {
        let here = world.neutron.ports.iter().filter(|port| port.network_id == id);
        if here.flat_map(|port| &port.fixed_ips).any(|fixed| fixed.address == address) {
            return Err(refuse(
                400,
                format!("Fixed IP address {address} is already in use on another instance."),
            ));
        }
    }
    Ok(())
}

/// One port; its id when it is new.
pub(super) fn connect_one(
    world: &mut World,
    server: &Server,
    wanted: &Network,
    groups: &[String],
) -> Result<Option<String>, Refusal> {
    let owner = format!("compute:{}", server.zone);
    if let Some(port) = wanted.port.as_ref().and_then(|id| world.neutron.ports.get_mut(id)) {
        port.device_id = server.id.clone();
        port.device_owner = owner;
        port.base.touch();
        return Ok(None);
    }
    let network_id = wanted.uuid.clone().unwrap_or_default();
    let secure = world.neutron.networks.get(&network_id).is_some_and(|network| network.port_security);
    let address = |ip| vec![AddressSpec { subnet_id: None, ip_address: Some(ip) }];
    let spec = PortSpec {
        network_id: Some(network_id),
        fixed_ips: wanted.fixed_ip.map(address),
        device_id: Some(server.id.clone()),
        device_owner: Some(owner),
        security_groups: Some(if secure { groups.to_vec() } else { Vec::new() }),
        ..PortSpec::default()
    };
    let id = make_port(world, &server.project_id, spec)?;
    if let Some(port) = world.neutron.ports.get_mut(&id) {
        port.made_by_nova = true;
    }
    Ok(Some(id))
}

impl Network {
    pub(super) fn of(uuid: Option<String>, port: Option<String>, fixed_ip: Option<IpAddr>) -> Self {
        Self { uuid, port, fixed_ip, tag: None }
    }
}

/// Takes a server off its ports; those in `made`, and all Nova made, go away.
pub(super) fn disconnect(world: &mut World, server_id: &str, made: &[String]) {
    let ports: Vec<(String, bool)> = world
        .neutron
        .ports_of(server_id)
        .map(|port| (port.base.id.clone(), port.made_by_nova || made.contains(&port.base.id)))
        .collect();
    for (id, gone) in ports {
        if gone {
            release_port(world, &id);
        } else if let Some(port) = world.neutron.ports.get_mut(&id) {
            port.device_id.clear();
            port.device_owner.clear();
            port.active = false;
            port.base.touch();
        }
    }
}
