//! What connects routers to subnets.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ports::{AddressSpec, PortSpec};
use super::routers::own;
use super::state::Port;
use super::{bad_request, make_port, missing, release_port};
use crate::api::{Answer, Call, Refusal, json};
use crate::world::World;

const OWNER: &str = "network:router_interface";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interface {
    subnet_id: Option<String>,
    port_id: Option<String>,
}

fn view(router_id: &str, port: &Port) -> Value {
    let subnets: Vec<&str> = port.fixed_ips.iter().map(|fixed| fixed.subnet_id.as_str()).collect();
    json!({
        "id": router_id,
        "tenant_id": port.base.project_id,
        "port_id": port.base.id,
        "network_id": port.network_id,
        "subnet_id": subnets.first(),
        "subnet_ids": subnets,
    })
}

/// Connects a router to a subnet, at the subnet's gateway address.
pub(crate) fn attach_subnet(world: &mut World, router_id: &str, subnet_id: &str) -> Result<String, Refusal> {
    let subnet = world.neutron.subnets.get(subnet_id).ok_or_else(|| missing("Subnet", subnet_id))?;
    let Some(gateway) = subnet.gateway else {
        return Err(bad_request("Bad router request: Subnet for router interface must have a gateway IP."));
    };
    no_overlap(world, router_id, subnet_id)?;
    let spec = PortSpec {
        network_id: Some(subnet.network_id.clone()),
        fixed_ips: Some(vec![AddressSpec {
            subnet_id: Some(subnet_id.to_owned()),
            ip_address: Some(gateway),
        }]),
        device_id: Some(router_id.to_owned()),
        device_owner: Some(OWNER.to_owned()),
        ..PortSpec::default()
    };
    let project_id = subnet.base.project_id.clone();
    make_port(world, &project_id, spec)
}

/// A router cannot reach one address in two ways.
fn no_overlap(world: &World, router_id: &str, subnet_id: &str) -> Result<(), Refusal> {
    let neutron = &world.neutron;
    let subnet = neutron.subnets.get(subnet_id).ok_or_else(|| missing("Subnet", subnet_id))?;
    for fixed in neutron.ports_of(router_id).flat_map(|port| &port.fixed_ips) {
        if fixed.subnet_id == subnet_id {
            let message = format!("Bad router request: Router already has a port on subnet {subnet_id}.");
            return Err(bad_request(message));
        }
        let other = neutron.subnets.get(&fixed.subnet_id);
        if let Some(other) = other.filter(|other| other.cidr.overlaps(subnet.cidr)) {
            let message = format!(
                "Bad router request: Cidr {} of subnet {subnet_id} overlaps with cidr {} of subnet {}.",
                subnet.cidr, other.cidr, other.base.id
            );
            return Err(bad_request(message));
        }
    }
    Ok(())
}

fn attach_port(call: &Call, world: &mut World, router_id: &str, port_id: &str) -> Result<String, Refusal> {
    let port = world.neutron.ports.get(port_id).filter(|port| call.caller.sees(&port.base.project_id));
    let port = port.ok_or_else(|| missing("Port", port_id))?;
    if !port.device_id.is_empty() {
        let message = format!(
            "Unable to complete operation on port {port_id} for network {}. Port already has an attached device {}.",
            port.network_id, port.device_id
        );
        return Err(Refusal::neutron(409, "PortInUse", message));
    }
    if port.fixed_ips.is_empty() {
        return Err(bad_request("Bad router request: Router port must have at least one fixed IP."));
    }
    let subnets: Vec<String> = port.fixed_ips.iter().map(|fixed| fixed.subnet_id.clone()).collect();
    for subnet_id in &subnets {
        no_overlap(world, router_id, subnet_id)?;
    }
    if let Some(port) = world.neutron.ports.get_mut(port_id) {
        port.device_id = router_id.to_owned();
        port.device_owner = OWNER.to_owned();
        port.active = true;
        port.base.touch();
    }
    Ok(port_id.to_owned())
}

pub(super) async fn add(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let interface: Interface = call.read(&body, "")?;
    let mut world = call.cloud.world();
    own(&call, &world, &id)?;
    let port_id = match (&interface.subnet_id, &interface.port_id) {
        (Some(_), Some(_)) => {
            return Err(bad_request("Bad router request: Cannot specify both subnet-id and port-id."));
        }
        (Some(subnet_id), None) => {
            let subnet = world.neutron.subnets.get(subnet_id);
            if !subnet.is_some_and(|subnet| call.caller.sees(&subnet.base.project_id)) {
                return Err(missing("Subnet", subnet_id));
            }
            attach_subnet(&mut world, &id, subnet_id)?
        }
        (None, Some(port_id)) => attach_port(&call, &mut world, &id, port_id)?,
        (None, None) => {
            return Err(bad_request("Bad router request: Either subnet_id or port_id must be specified."));
        }
    };
    if let Some(router) = world.neutron.routers.get_mut(&id) {
        router.base.touch();
    }
    let port = world.neutron.ports.get(&port_id).ok_or_else(|| missing("Port", &port_id))?;
    Ok(json(200, &view(&id, port)))
}

pub(super) async fn remove(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let interface: Interface = call.read(&body, "")?;
    let mut world = call.cloud.world();
    own(&call, &world, &id)?;
    let meant = |port: &&Port| {
        let by_port = interface.port_id.as_ref().is_none_or(|wanted| *wanted == port.base.id);
        let mut subnets = port.fixed_ips.iter().map(|fixed| &fixed.subnet_id);
        let by_subnet =
            interface.subnet_id.as_ref().is_none_or(|wanted| subnets.any(|subnet| subnet == wanted));
        port.device_owner == OWNER && by_port && by_subnet
    };
    let Some(port) = world.neutron.ports_of(&id).find(meant) else {
        let subnet = interface.subnet_id.or(interface.port_id).unwrap_or_default();
        let message = format!("Router {id} has no interface on subnet {subnet}");
        return Err(Refusal::neutron(404, "RouterInterfaceNotFoundForSubnet", message));
    };
    let (port_id, body, network_id) = (port.base.id.clone(), view(&id, port), port.network_id.clone());
    let needed = world.neutron.floating_ips.iter().any(|floating| {
        let inside = floating.port_id.as_ref().and_then(|port| world.neutron.ports.get(port));
        floating.router_id.as_ref() == Some(&id) && inside.is_some_and(|port| port.network_id == network_id)
    });
    if needed {
        let message = format!(
            "Router interface for subnet {} on router {id} cannot be deleted, as it is required by one or more \
             floating IPs.",
            body["subnet_id"].as_str().unwrap_or_default()
        );
        return Err(Refusal::neutron(409, "RouterInterfaceInUseByFloatingIP", message));
    }
    release_port(&mut world, &port_id);
    Ok(json(200, &body))
}
