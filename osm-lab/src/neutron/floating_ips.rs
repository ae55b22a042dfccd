//! Floating IPs.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, made, one, present, wanted, with_base};
use super::state::{Base, FloatingIp, Networking, Port};
use super::{bad_request, disallowed, missing, over_quota, owner};
use crate::api::{Answer, Call, Refusal, empty};
use crate::quota::Quotas;
use crate::world::World;

/// What a floating IP is created with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FloatingIpSpec {
    pub(crate) floating_network_id: String,
    pub(crate) floating_ip_address: Option<IpAddr>,
    pub(crate) port_id: Option<String>,
    pub(crate) fixed_ip_address: Option<IpAddr>,
    pub(crate) subnet_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Update {
    #[serde(deserialize_with = "present")]
    port_id: Option<Option<String>>,
    fixed_ip_address: Option<IpAddr>,
    description: Option<String>,
}

fn view(neutron: &Networking, floating: &FloatingIp) -> Value {
    let port = floating.port_id.as_ref().and_then(|id| neutron.ports.get(id));
    let details = port.map(|port| {
        json!({
            "name": port.base.name,
            "network_id": port.network_id,
            "mac_address": port.mac,
            "admin_state_up": port.up,
            "status": if port.active { "ACTIVE" } else { "DOWN" },
            "device_id": port.device_id,
            "device_owner": port.device_owner,
        })
    });
    let body = json!({
        "floating_ip_address": floating.address,
        "floating_network_id": floating.network_id,
        "router_id": floating.router_id,
        "port_id": floating.port_id,
        "fixed_ip_address": floating.fixed_address,
        "status": if floating.port_id.is_some() { "ACTIVE" } else { "DOWN" },
        "port_details": details,
    });
    with_base(&floating.base, body)
}

/// Takes an address off an external network.
pub(crate) fn make(world: &mut World, project_id: &str, spec: &FloatingIpSpec) -> Result<String, Refusal> {
    let network_id = &spec.floating_network_id;
    let network = world.neutron.networks.get(network_id).ok_or_else(|| missing("Network", network_id))?;
    if !network.external {
        let message =
            format!("Bad floatingip request: Network {network_id} is not a valid external network.");
        return Err(bad_request(message));
    }
    let used = world.neutron.floating_ips.iter().filter(|ip| ip.base.project_id == project_id).count();
    if !Quotas::allows(world.quotas.floating_ips, used, 1) {
        return Err(over_quota("floatingip"));
    }
    let address = match spec.floating_ip_address {
        Some(address) => {
            if world.neutron.floating_ips.iter().any(|ip| ip.address == address) {
                let message = format!("IP address {address} already allocated in network {network_id}");
                return Err(Refusal::neutron(409, "IpAddressAlreadyAllocated", message));
            }
            address
        }
        None => {
            let mut subnets = world.neutron.subnets_of(network_id).filter(|subnet| subnet.cidr.is_ipv4());
            subnets.find_map(|subnet| world.neutron.free_address(subnet)).ok_or_else(|| {
                let message = format!("No more IP addresses available on network {network_id}.");
                Refusal::neutron(409, "IpAddressGenerationFailure", message)
            })?
        }
    };
    let base = Base::new("", project_id, spec.description.as_deref().unwrap_or_default());
    let id = base.id.clone();
    world.neutron.floating_ips.insert(FloatingIp {
        base: Base { revision: 0, ..base },
        network_id: network_id.clone(),
        address,
        port_id: None,
        fixed_address: None,
        router_id: None,
    });
    if let Some(port_id) = &spec.port_id
        && let Err(refusal) = associate(world, &id, port_id, spec.fixed_ip_address)
    {
        world.neutron.floating_ips.remove(&id);
        return Err(refusal);
    }
    Ok(id)
}

/// Leads a floating IP to a port.
pub(crate) fn associate(
    world: &mut World,
    id: &str,
    port_id: &str,
    fixed: Option<IpAddr>,
) -> Result<(), Refusal> {
    let neutron = &mut world.neutron;
    let port = neutron.ports.get(port_id).ok_or_else(|| missing("Port", port_id))?;
    let floating = neutron.floating_ips.get(id).ok_or_else(|| missing("Floating IP", id))?;
    let mut candidates = port.fixed_ips.iter().filter(|ip| ip.address.is_ipv4());
    let Some(target) = candidates.find(|ip| fixed.is_none_or(|fixed| ip.address == fixed)).cloned() else {
        let message = match fixed {
            Some(fixed) => format!("Bad floatingip request: Port {port_id} does not have fixed ip {fixed}."),
            None => format!(
                "Bad floatingip request: Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses."
            ),
        };
        return Err(bad_request(message));
    };
    let taken = |other: &&FloatingIp| {
        other.base.id != id
            && other.port_id.as_deref() == Some(port_id)
            && other.fixed_address == Some(target.address)
    };
    if neutron.floating_ips.iter().any(|other| taken(&other)) {
        let message = format!(
            "Cannot associate floating IP {} ({id}) with port {port_id} using fixed IP {}, as that fixed IP already \
             has a floating IP on external network {}.",
            floating.address, target.address, floating.network_id
        );
        return Err(Refusal::neutron(409, "FloatingIPPortAlreadyAssociated", message));
    }
    let Some(router_id) = route(neutron, &target.subnet_id, &floating.network_id) else {
        let message = format!(
            "External network {} is not reachable from subnet {}. Therefore, cannot associate Port {port_id} with a \
             Floating IP.",
            floating.network_id, target.subnet_id
        );
        return Err(Refusal::neutron(404, "ExternalGatewayForFloatingIPNotFound", message));
    };
    if let Some(floating) = neutron.floating_ips.get_mut(id) {
        floating.port_id = Some(port_id.to_owned());
        floating.fixed_address = Some(target.address);
        floating.router_id = Some(router_id);
        floating.base.touch();
    }
    Ok(())
}

/// The router between a subnet and an external network.
fn route(neutron: &Networking, subnet_id: &str, external_id: &str) -> Option<String> {
    let on_subnet = |port: &Port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet_id);
    let router = neutron.routers.iter().find(|router| {
        router.gateway.as_ref().is_some_and(|gateway| gateway.network_id == external_id)
            && neutron.ports_of(&router.base.id).any(on_subnet)
    })?;
    Some(router.base.id.clone())
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    let rows = world.neutron.floating_ips.iter().filter(|ip| call.caller.sees(&ip.base.project_id)).collect();
    answer(&call, "floatingips", rows, |floating| view(&world.neutron, floating))
}

fn own<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut FloatingIp, Refusal> {
    let floating = world.neutron.floating_ips.get_mut(id).filter(|ip| call.caller.sees(&ip.base.project_id));
    floating.ok_or_else(|| {
        Refusal::neutron(404, "FloatingIPNotFound", format!("Floating IP {id} could not be found"))
    })
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    let floating = world.neutron.floating_ips.get(&id).ok_or_else(|| missing("Floating IP", &id))?;
    Ok(one(&call, 200, "floatingip", view(&world.neutron, floating)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (specs, bulk) = wanted::<FloatingIpSpec>(&call, &body, "floatingip", "floatingips")?;
    let mut world = call.cloud.world();
    let mut bodies = Vec::new();
    for spec in specs {
        let project =
            owner(&call, spec.project_id.as_ref().or(spec.tenant_id.as_ref()), "create_floatingip")?;
        if spec.floating_ip_address.is_some() && !call.caller.admin {
            return Err(disallowed("create_floatingip:floating_ip_address"));
        }
        let port = spec.port_id.as_ref().and_then(|id| world.neutron.ports.get(id));
        if port.is_some_and(|port| !call.caller.sees(&port.base.project_id)) {
            return Err(missing("Port", &spec.port_id.unwrap_or_default()));
        }
        let id = make(&mut world, &project, &spec)?;
        let floating = world.neutron.floating_ips.get(&id).ok_or_else(|| missing("Floating IP", &id))?;
        bodies.push(view(&world.neutron, floating));
    }
    Ok(made(&call, "floatingip", "floatingips", bodies, bulk))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let update: Update = call.read(&body, "floatingip")?;
    let mut world = call.cloud.world();
    let floating = own(&call, &mut world, &id)?;
    floating.base.description = update.description.unwrap_or_else(|| floating.base.description.clone());
    match update.port_id {
        Some(Some(port_id)) => associate(&mut world, &id, &port_id, update.fixed_ip_address)?,
        Some(None) => {
            floating.port_id = None;
            floating.fixed_address = None;
            floating.router_id = None;
            floating.base.touch();
        }
        None => floating.base.touch(),
    }
    let floating = world.neutron.floating_ips.get(&id).ok_or_else(|| missing("Floating IP", &id))?;
    Ok(one(&call, 200, "floatingip", view(&world.neutron, floating)))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id)?;
    world.neutron.floating_ips.remove(&id);
    Ok(empty(204))
}
