//! Subnets.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::listing::{answer, made, make_each, one, present, wanted, with_base};
use super::ports::{AddressSpec, PortSpec};
use super::state::{Base, Route, Subnet};
use super::{bad_request, disallowed, in_use, make_port, missing, over_quota, owner};
use crate::api::{Answer, Call, Refusal, empty};
use crate::ip::{Cidr, Pool, address};
use crate::quota::Quotas;
use crate::world::World;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PoolSpec {
    pub(crate) start: IpAddr,
    pub(crate) end: IpAddr,
}

/// What a subnet may be created or changed with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SubnetSpec {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) network_id: Option<String>,
    pub(crate) cidr: Option<String>,
    pub(crate) ip_version: Option<u8>,
    #[serde(deserialize_with = "present")]
    pub(crate) gateway_ip: Option<Option<IpAddr>>,
    pub(crate) allocation_pools: Option<Vec<PoolSpec>>,
    pub(crate) dns_nameservers: Option<Vec<String>>,
    pub(crate) host_routes: Option<Vec<Route>>,
    pub(crate) enable_dhcp: Option<bool>,
    pub(crate) ipv6_address_mode: Option<String>,
    pub(crate) ipv6_ra_mode: Option<String>,
    pub(crate) service_types: Option<Vec<String>>,
    pub(crate) subnetpool_id: Option<String>,
    pub(crate) use_default_subnetpool: Option<bool>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

pub(super) fn view(subnet: &Subnet) -> Value {
    let pools: Vec<PoolSpec> =
        subnet.pools.iter().map(|pool| PoolSpec { start: pool.start, end: pool.end }).collect();
    let body = json!({
        "name": subnet.base.name,
        "network_id": subnet.network_id,
        "ip_version": if subnet.cidr.is_ipv4() { 4 } else { 6 },
        "subnetpool_id": null,
        "enable_dhcp": subnet.dhcp,
        "ipv6_ra_mode": subnet.ra_mode,
        "ipv6_address_mode": subnet.address_mode,
        "gateway_ip": subnet.gateway,
        "cidr": subnet.cidr.to_string(),
        "allocation_pools": pools,
        "host_routes": subnet.routes,
        "dns_nameservers": subnet.dns,
        "service_types": subnet.service_types,
    });
    with_base(&subnet.base, body)
}

fn pools(cidr: Cidr, gateway: Option<IpAddr>, wanted: Option<Vec<PoolSpec>>) -> Result<Vec<Pool>, Refusal> {
    if let Some(wanted) = wanted {
        for PoolSpec { start, end } in &wanted {
            if !cidr.contains(*start) || !cidr.contains(*end) {
                let message =
                    format!("The allocation pool {start}-{end} spans beyond the subnet cidr {cidr}.");
                return Err(Refusal::neutron(400, "OutOfBoundsAllocationPool", message));
            }
            if gateway.is_some_and(|gateway| (*start..=*end).contains(&gateway)) {
                let message = format!(
                    "Gateway ip {} conflicts with allocation pool {start}-{end}.",
                    gateway.map(|gateway| gateway.to_string()).unwrap_or_default()
                );
                return Err(Refusal::neutron(409, "GatewayConflictWithAllocationPools", message));
            }
        }
        return Ok(wanted.into_iter().map(|pool| Pool { start: pool.start, end: pool.end }).collect());
    }
    // All hosts but the gateway, which splits them in two.
    let v4 = cidr.is_ipv4();
    let (first, last) = (cidr.first() + 1, if v4 { cidr.last().saturating_sub(1) } else { cidr.last() });
    let pool = |start, end| Pool { start: address(v4, start), end: address(v4, end) };
    let parts = match gateway.map(crate::ip::number) {
        Some(gateway) if (first..=last).contains(&gateway) => {
            vec![(first, gateway.saturating_sub(1)), (gateway + 1, last)]
        }
        _ => vec![(first, last)],
    };
    Ok(parts.into_iter().filter(|(start, end)| start <= end).map(|(start, end)| pool(start, end)).collect())
}

/// Makes a subnet, and the DHCP port it needs.
pub(crate) fn make(world: &mut World, project_id: &str, spec: SubnetSpec) -> Result<String, Refusal> {
    let network_id = spec.network_id.unwrap_or_default();
    world.neutron.networks.get(&network_id).ok_or_else(|| missing("Network", &network_id))?;
    let used = world.neutron.subnets.iter().filter(|subnet| subnet.base.project_id == project_id).count();
    if !Quotas::allows(world.quotas.subnets, used, 1) {
        return Err(over_quota("subnet"));
    }
    let text = spec.cidr.unwrap_or_default();
    let invalid =
        || bad_request(format!("Invalid input for cidr. Reason: '{text}' is not a valid IP subnet."));
    let cidr: Cidr = text.parse().map_err(|()| invalid())?;
    if spec.ip_version.is_some_and(|version| (version == 4) != cidr.is_ipv4()) {
        return Err(bad_request(format!("Invalid input for operation: cidr {cidr} has another IP version.")));
    }
    if let Some(other) = world.neutron.subnets_of(&network_id).find(|other| other.cidr.overlaps(cidr)) {
        let message = format!(
            "Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network_id} overlaps \
             with another subnet. Cidrs of overlapping subnets: {}.",
            other.cidr
        );
        return Err(Refusal::neutron(400, "InvalidInput", message));
    }
    let automatic = matches!(spec.ipv6_address_mode.as_deref(), Some("slaac" | "dhcpv6-stateless"));
    let first = if automatic { 0 } else { 1 };
    let gateway = spec.gateway_ip.unwrap_or_else(|| Some(cidr.nth(first)));
    let base = Base::new(
        spec.name.as_deref().unwrap_or_default(),
        project_id,
        spec.description.as_deref().unwrap_or_default(),
    );
    let base = Base { revision: 0, ..base };
    let id = base.id.clone();
    let dhcp = spec.enable_dhcp.unwrap_or(true);
    world.neutron.subnets.insert(Subnet {
        base,
        network_id: network_id.clone(),
        cidr,
        gateway,
        pools: pools(cidr, gateway, spec.allocation_pools)?,
        dns: spec.dns_nameservers.unwrap_or_default(),
        routes: spec.host_routes.unwrap_or_default(),
        dhcp,
        address_mode: spec.ipv6_address_mode,
        ra_mode: spec.ipv6_ra_mode,
        service_types: spec.service_types.unwrap_or_default(),
    });
    let external = world.neutron.networks.get(&network_id).is_some_and(|network| network.external);
    if dhcp && cidr.is_ipv4() && !external {
        let address = AddressSpec { subnet_id: Some(id.clone()), ip_address: None };
        let spec = PortSpec {
            network_id: Some(network_id.clone()),
            fixed_ips: Some(vec![address]),
            device_id: Some(format!("dhcp-{network_id}")),
            device_owner: Some("network:dhcp".to_owned()),
            port_security_enabled: Some(false),
            ..PortSpec::default()
        };
        make_port(world, project_id, spec)?;
    }
    if let Some(network) = world.neutron.networks.get_mut(&network_id) {
        network.base.touch();
    }
    Ok(id)
}

/// Subnets of external networks belong to the operator and stay unseen.
fn visible(call: &Call, world: &World, subnet: &Subnet) -> bool {
    let shared = world.neutron.networks.get(&subnet.network_id).is_some_and(|network| network.shared);
    call.caller.sees(&subnet.base.project_id) || shared
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    let rows = world.neutron.subnets.iter().filter(|subnet| visible(&call, &world, subnet)).collect();
    answer(&call, "subnets", rows, view)
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    let subnet = world.neutron.subnets.get(&id).filter(|subnet| visible(&call, &world, subnet));
    Ok(one(&call, 200, "subnet", view(subnet.ok_or_else(|| missing("Subnet", &id))?)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (specs, bulk) = wanted::<SubnetSpec>(&call, &body, "subnet", "subnets")?;
    let mut world = call.cloud.world();
    let make = |world: &mut World, spec: SubnetSpec| {
        let project = owner(&call, spec.project_id.as_ref().or(spec.tenant_id.as_ref()), "create_subnet")?;
        let network = spec.network_id.as_ref().and_then(|id| world.neutron.networks.get(id));
        if network.is_some_and(|network| !call.caller.sees(&network.base.project_id)) {
            return Err(disallowed("create_subnet"));
        }
        let id = make(world, &project, spec)?;
        Ok(view(world.neutron.subnets.get(&id).ok_or_else(|| missing("Subnet", &id))?))
    };
    let undo = |world: &mut World, id: &str| {
        world.neutron.ports.retain(|port| !port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id));
        world.neutron.subnets.remove(id);
    };
    let bodies = make_each(&mut world, specs, make, undo)?;
    Ok(made(&call, "subnet", "subnets", bodies, bulk))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let spec: SubnetSpec = call.read(&body, "subnet")?;
    for (name, given) in [("network_id", spec.network_id.is_some()), ("cidr", spec.cidr.is_some())] {
        if given {
            let message = format!("Cannot update read-only attribute {name}");
            return Err(Refusal::neutron(400, "HTTPBadRequest", message));
        }
    }
    let mut world = call.cloud.world();
    let subnet = world.neutron.subnets.get_mut(&id).filter(|row| call.caller.sees(&row.base.project_id));
    let subnet = subnet.ok_or_else(|| missing("Subnet", &id))?;
    let base = &mut subnet.base;
    base.name = spec.name.unwrap_or_else(|| base.name.clone());
    base.description = spec.description.unwrap_or_else(|| base.description.clone());
    subnet.gateway = spec.gateway_ip.unwrap_or(subnet.gateway);
    subnet.dns = spec.dns_nameservers.unwrap_or_else(|| subnet.dns.clone());
    subnet.routes = spec.host_routes.unwrap_or_else(|| subnet.routes.clone());
    subnet.dhcp = spec.enable_dhcp.unwrap_or(subnet.dhcp);
    if spec.allocation_pools.is_some() {
        subnet.pools = pools(subnet.cidr, subnet.gateway, spec.allocation_pools)?;
    }
    subnet.base.touch();
    Ok(one(&call, 200, "subnet", view(subnet)))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let subnet = world.neutron.subnets.get(&id).filter(|row| call.caller.sees(&row.base.project_id));
    subnet.ok_or_else(|| missing("Subnet", &id))?;
    let here = |port: &super::Port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id);
    if world.neutron.ports.iter().any(|port| here(port) && port.device_owner != "network:dhcp") {
        let message = format!(
            "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
        );
        return Err(in_use("Subnet", message));
    }
    world.neutron.ports.retain(|port| !here(port));
    world.neutron.subnets.remove(&id);
    Ok(empty(204))
}
