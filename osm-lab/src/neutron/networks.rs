//! Networks.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, made, make_each, one, wanted, with_base};
use super::state::{Base, Network, Networking};
use super::{default_group, disallowed, in_use, missing, over_quota, owner};
use crate::api::{Answer, Call, Refusal, empty};
use crate::quota::Quotas;
use crate::world::World;

/// What a network may be created or changed with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NetworkSpec {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) admin_state_up: Option<bool>,
    pub(crate) shared: Option<bool>,
    #[serde(rename = "router:external")]
    pub(crate) external: Option<bool>,
    pub(crate) mtu: Option<u32>,
    pub(crate) port_security_enabled: Option<bool>,
    pub(crate) availability_zone_hints: Option<Vec<String>>,
    pub(crate) is_default: Option<bool>,
    #[serde(rename = "provider:network_type")]
    pub(crate) provider_type: Option<String>,
    #[serde(rename = "provider:physical_network")]
    pub(crate) provider_network: Option<String>,
    #[serde(rename = "provider:segmentation_id")]
    pub(crate) provider_segment: Option<u32>,
    pub(crate) segments: Option<Vec<Value>>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

impl NetworkSpec {
    /// Attributes only administrators may give.
    fn policy(&self, call: &Call, action: &str) -> Result<(), Refusal> {
        let reserved = [
            ("shared", self.shared == Some(true)),
            ("router:external", self.external == Some(true)),
            ("is_default", self.is_default.is_some()),
            ("provider:network_type", self.provider_type.is_some()),
            ("provider:physical_network", self.provider_network.is_some()),
            ("provider:segmentation_id", self.provider_segment.is_some()),
            ("segments", self.segments.is_some()),
        ];
        let hit = reserved.into_iter().find(|(_, given)| *given && !call.caller.admin);
        hit.map_or(Ok(()), |(attribute, _)| Err(disallowed(&format!("{action}:{attribute}"))))
    }
}

pub(super) fn view(call: &Call, neutron: &Networking, network: &Network) -> Value {
    let mut subnets: Vec<&str> =
        neutron.subnets_of(&network.base.id).map(|subnet| subnet.base.id.as_str()).collect();
    subnets.sort_unstable();
    let zones = if subnets.is_empty() { json!([]) } else { json!(["nova"]) };
    let mut body = json!({
        "name": network.base.name,
        "admin_state_up": network.up,
        "mtu": network.mtu,
        "status": "ACTIVE",
        "subnets": subnets,
        "shared": network.shared,
        "availability_zone_hints": network.zone_hints,
        "availability_zones": zones,
        "ipv4_address_scope": null,
        "ipv6_address_scope": null,
        "router:external": network.external,
        "port_security_enabled": network.port_security,
    });
    if network.external {
        body["is_default"] = json!(false);
    }
    if call.caller.admin {
        let flat = network.external;
        body["provider:network_type"] = json!(if flat { "flat" } else { "vxlan" });
        body["provider:physical_network"] = if flat { json!("physnet1") } else { Value::Null };
        body["provider:segmentation_id"] = if flat { Value::Null } else { json!(network.segment) };
    }
    with_base(&network.base, body)
}

/// Makes a network.
pub(crate) fn make(world: &mut World, project_id: &str, spec: NetworkSpec) -> Result<String, Refusal> {
    let used = world.neutron.networks.iter().filter(|network| network.base.project_id == project_id).count();
    if !Quotas::allows(world.quotas.networks, used, 1) {
        return Err(over_quota("network"));
    }
    default_group(world, project_id);
    let segment = u32::try_from(world.neutron.networks.len()).unwrap_or_default() + 1001;
    let base = Base::new(
        spec.name.as_deref().unwrap_or_default(),
        project_id,
        spec.description.as_deref().unwrap_or_default(),
    );
    let id = base.id.clone();
    world.neutron.networks.insert(Network {
        base,
        up: spec.admin_state_up.unwrap_or(true),
        shared: spec.shared.unwrap_or(false),
        external: spec.external.unwrap_or(false),
        mtu: spec.mtu.unwrap_or(1450),
        port_security: spec.port_security_enabled.unwrap_or(true),
        zone_hints: spec.availability_zone_hints.unwrap_or_default(),
        segment,
    });
    Ok(id)
}

fn visible(call: &Call, network: &Network) -> bool {
    call.caller.sees(&network.base.project_id) || network.shared || network.external
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    let rows = world.neutron.networks.iter().filter(|network| visible(&call, network)).collect();
    answer(&call, "networks", rows, |network| view(&call, &world.neutron, network))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    let network = world.neutron.networks.get(&id).filter(|network| visible(&call, network));
    let network = network.ok_or_else(|| missing("Network", &id))?;
    Ok(one(&call, 200, "network", view(&call, &world.neutron, network)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (specs, bulk) = wanted::<NetworkSpec>(&call, &body, "network", "networks")?;
    let mut world = call.cloud.world();
    let make = |world: &mut World, spec: NetworkSpec| {
        spec.policy(&call, "create_network")?;
        let project = owner(&call, spec.project_id.as_ref().or(spec.tenant_id.as_ref()), "create_network")?;
        let id = make(world, &project, spec)?;
        let network = world.neutron.networks.get(&id).ok_or_else(|| missing("Network", &id))?;
        Ok(view(&call, &world.neutron, network))
    };
    let undo = |world: &mut World, id: &str| {
        world.neutron.networks.remove(id);
    };
    let bodies = make_each(&mut world, specs, make, undo)?;
    Ok(made(&call, "network", "networks", bodies, bulk))
}

/// The network, if the caller may change it.
fn own<'a>(call: &Call, world: &'a mut World, id: &str, action: &str) -> Result<&'a mut Network, Refusal> {
    let network = world.neutron.networks.get_mut(id).filter(|network| visible(call, network));
    let network = network.ok_or_else(|| missing("Network", id))?;
    if call.caller.sees(&network.base.project_id) { Ok(network) } else { Err(disallowed(action)) }
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let spec: NetworkSpec = call.read(&body, "network")?;
    let mut world = call.cloud.world();
    let network = own(&call, &mut world, &id, "update_network")?;
    spec.policy(&call, "update_network")?;
    let base = &mut network.base;
    base.name = spec.name.unwrap_or_else(|| base.name.clone());
    base.description = spec.description.unwrap_or_else(|| base.description.clone());
    network.up = spec.admin_state_up.unwrap_or(network.up);
    network.shared = spec.shared.unwrap_or(network.shared);
    network.external = spec.external.unwrap_or(network.external);
    network.mtu = spec.mtu.unwrap_or(network.mtu);
    network.port_security = spec.port_security_enabled.unwrap_or(network.port_security);
    network.base.touch();
    let network = world.neutron.networks.get(&id).ok_or_else(|| missing("Network", &id))?;
    Ok(one(&call, 200, "network", view(&call, &world.neutron, network)))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    own(&call, &mut world, &id, "delete_network")?;
    let neutron = &mut world.neutron;
    let mut users =
        neutron.ports.iter().filter(|port| port.network_id == id && port.device_owner != "network:dhcp");
    if let Some(port) = users.next() {
        let message = format!(
            "Unable to complete operation on network {id}. There are one or more ports still in use on the network, \
             id for these ports is {}.",
            port.base.id
        );
        return Err(in_use("Network", message));
    }
    neutron.ports.retain(|port| port.network_id != id);
    neutron.subnets.retain(|subnet| subnet.network_id != id);
    neutron.networks.remove(&id);
    Ok(empty(204))
}
