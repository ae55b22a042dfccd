//! Ports.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::listing::{answer, made, one, wanted, with_base};
use super::state::{AddressPair, Base, FixedIp, Port};
use super::{default_group, disallowed, missing, over_quota, owner};
use crate::api::{Answer, Call, Refusal, empty};
use crate::quota::Quotas;
use crate::world::World;

/// An address asked for: on a subnet, this one, or both.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct AddressSpec {
    pub(crate) subnet_id: Option<String>,
    pub(crate) ip_address: Option<IpAddr>,
}

/// What a port may be created or changed with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PortSpec {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) network_id: Option<String>,
    pub(crate) mac_address: Option<String>,
    pub(crate) fixed_ips: Option<Vec<AddressSpec>>,
    pub(crate) device_id: Option<String>,
    pub(crate) device_owner: Option<String>,
    pub(crate) admin_state_up: Option<bool>,
    pub(crate) security_groups: Option<Vec<String>>,
    pub(crate) port_security_enabled: Option<bool>,
    pub(crate) allowed_address_pairs: Option<Vec<AddressPair>>,
    pub(crate) extra_dhcp_opts: Option<Vec<Value>>,
    #[serde(rename = "binding:vnic_type")]
    pub(crate) vnic_type: Option<String>,
    #[serde(rename = "binding:profile")]
    pub(crate) profile: Option<Map<String, Value>>,
    #[serde(rename = "binding:host_id")]
    pub(crate) host_id: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

impl PortSpec {
    /// Attributes only administrators may give.
    fn policy(&self, call: &Call, action: &str) -> Result<(), Refusal> {
        let reserved = [
            ("binding:profile", self.profile.as_ref().is_some_and(|profile| !profile.is_empty())),
            ("binding:host_id", self.host_id.is_some()),
            ("device_owner", self.device_owner.as_ref().is_some_and(|owner| owner.starts_with("network:"))),
        ];
        let hit = reserved.into_iter().find(|(_, given)| *given && !call.caller.admin);
        hit.map_or(Ok(()), |(attribute, _)| Err(disallowed(&format!("{action}:{attribute}"))))
    }
}

fn fixed_ip_view(fixed: &FixedIp) -> Value {
    json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.address})
}

pub(super) fn fixed_ips_view(port: &Port) -> Vec<Value> {
    port.fixed_ips.iter().map(fixed_ip_view).collect()
}

pub(super) fn view(call: &Call, port: &Port) -> Value {
    let pairs: Vec<Value> = port.pairs.iter().map(|pair| {
        json!({"ip_address": pair.ip_address, "mac_address": pair.mac_address.as_ref().unwrap_or(&port.mac)})
    }).collect();
    let mut body = json!({
        "name": port.base.name,
        "network_id": port.network_id,
        "mac_address": port.mac,
        "admin_state_up": port.up,
        "status": if port.active { "ACTIVE" } else { "DOWN" },
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": fixed_ips_view(port),
        "allowed_address_pairs": pairs,
        "extra_dhcp_opts": [],
        "security_groups": port.groups,
        "binding:vnic_type": port.vnic_type,
        "port_security_enabled": port.port_security,
    });
    if call.caller.admin {
        let bound = !port.device_id.is_empty();
        body["binding:profile"] = json!(port.profile);
        body["binding:host_id"] = json!(if bound { "lab-node" } else { "" });
        body["binding:vif_type"] = json!(if bound { "ovs" } else { "unbound" });
        body["binding:vif_details"] = json!({});
    }
    with_base(&port.base, body)
}

fn new_mac() -> String {
    let bytes = Uuid::new_v4().into_bytes();
    format!("fa:16:3e:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2])
}

/// Makes a port.
pub(crate) fn make(world: &mut World, project_id: &str, spec: PortSpec) -> Result<String, Refusal> {
    let network_id = spec.network_id.unwrap_or_default();
    let network = world.neutron.networks.get(&network_id).ok_or_else(|| missing("Network", &network_id))?;
    let network_security = network.port_security;
    let used = world.neutron.ports.iter().filter(|port| port.base.project_id == project_id).count();
    if !Quotas::allows(world.quotas.ports, used, 1) {
        return Err(over_quota("port"));
    }
    let mac = spec.mac_address.unwrap_or_else(new_mac).to_lowercase();
    if world.neutron.ports.iter().any(|port| port.network_id == network_id && port.mac == mac) {
        let message = format!(
            "Unable to complete operation for network {network_id}. The mac address {mac} is in use."
        );
        return Err(Refusal::neutron(409, "MacAddressInUse", message));
    }
    let device_owner = spec.device_owner.unwrap_or_default();
    let router = device_owner.starts_with("network:router");
    let fixed_ips = world.neutron.allocate(&network_id, spec.fixed_ips.as_deref(), &mac, router)?;
    let internal = device_owner.starts_with("network:");
    let port_security = spec.port_security_enabled.unwrap_or(network_security && !internal);
    let groups = match spec.security_groups {
        Some(groups) => {
            if let Some(id) = groups.iter().find(|id| world.neutron.groups.get(id).is_none()) {
                return Err(no_group(id));
            }
            groups
        }
        None if port_security => vec![default_group(world, project_id)],
        None => Vec::new(),
    };
    let base = Base::new(
        spec.name.as_deref().unwrap_or_default(),
        project_id,
        spec.description.as_deref().unwrap_or_default(),
    );
    let id = base.id.clone();
    world.neutron.ports.insert(Port {
        base,
        network_id,
        mac,
        fixed_ips,
        active: internal,
        device_id: spec.device_id.unwrap_or_default(),
        device_owner,
        up: spec.admin_state_up.unwrap_or(true),
        groups,
        port_security,
        vnic_type: spec.vnic_type.unwrap_or_else(|| "normal".to_owned()),
        profile: spec.profile.unwrap_or_default(),
        pairs: spec.allowed_address_pairs.unwrap_or_default(),
        made_by_nova: false,
    });
    Ok(id)
}

fn no_group(id: &str) -> Refusal {
    Refusal::neutron(404, "SecurityGroupNotFound", format!("Security group {id} does not exist"))
}

/// Takes a port away, and its floating IPs off it.
pub(crate) fn release(world: &mut World, id: &str) {
    world.neutron.ports.remove(id);
    for floating in world.neutron.floating_ips.iter_mut() {
        if floating.port_id.as_deref() == Some(id) {
            floating.port_id = None;
            floating.fixed_address = None;
            floating.router_id = None;
            floating.base.touch();
        }
    }
}

fn visible(call: &Call, world: &World, port: &Port) -> bool {
    let network = world.neutron.networks.get(&port.network_id);
    call.caller.sees(&port.base.project_id)
        || network.is_some_and(|network| call.caller.sees(&network.base.project_id))
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    let rows = world.neutron.ports.iter().filter(|port| visible(&call, &world, port)).collect();
    answer(&call, "ports", rows, |port| view(&call, port))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    let port = world.neutron.ports.get(&id).filter(|port| visible(&call, &world, port));
    Ok(one(&call, 200, "port", view(&call, port.ok_or_else(|| missing("Port", &id))?)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (specs, bulk) = wanted::<PortSpec>(&call, &body, "port", "ports")?;
    let mut world = call.cloud.world();
    let mut bodies = Vec::new();
    for spec in specs {
        spec.policy(&call, "create_port")?;
        let project = owner(&call, spec.project_id.as_ref().or(spec.tenant_id.as_ref()), "create_port")?;
        let network_id = spec.network_id.clone().unwrap_or_default();
        let network =
            world.neutron.networks.get(&network_id).ok_or_else(|| missing("Network", &network_id))?;
        let mine = call.caller.sees(&network.base.project_id);
        if !mine && !network.shared {
            return Err(if network.external {
                disallowed("create_port")
            } else {
                missing("Network", &network_id)
            });
        }
        if !mine && spec.mac_address.is_some() {
            return Err(disallowed("create_port:mac_address"));
        }
        let id = make(&mut world, &project, spec)?;
        bodies.push(view(&call, world.neutron.ports.get(&id).ok_or_else(|| missing("Port", &id))?));
    }
    Ok(made(&call, "port", "ports", bodies, bulk))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let spec: PortSpec = call.read(&body, "port")?;
    spec.policy(&call, "update_port")?;
    if spec.network_id.is_some() {
        let message = "Cannot update read-only attribute network_id";
        return Err(Refusal::neutron(400, "HTTPBadRequest", message));
    }
    if spec.mac_address.is_some() && !call.caller.admin {
        return Err(disallowed("update_port:mac_address"));
    }
    let mut world = call.cloud.world();
    let port = world.neutron.ports.get(&id).filter(|port| call.caller.sees(&port.base.project_id));
    let port = port.ok_or_else(|| missing("Port", &id))?;
    if let Some(group) =
        spec.security_groups.iter().flatten().find(|id| world.neutron.groups.get(id).is_none())
    {
        return Err(no_group(group));
    }
    let (network_id, mac) = (port.network_id.clone(), port.mac.clone());
    let router = port.device_owner.starts_with("network:router");
    let fixed_ips = match spec.fixed_ips {
        Some(wanted) => {
            // Its own addresses are free for it to keep.
            let kept = world.neutron.ports.get_mut(&id).map(|port| std::mem::take(&mut port.fixed_ips));
            let allocated = world.neutron.allocate(&network_id, Some(&wanted), &mac, router);
            if let (Err(_), Some(port), Some(kept)) = (&allocated, world.neutron.ports.get_mut(&id), kept) {
                port.fixed_ips = kept;
            }
            Some(allocated?)
        }
        None => None,
    };
    let port = world.neutron.ports.get_mut(&id).ok_or_else(|| missing("Port", &id))?;
    let base = &mut port.base;
    base.name = spec.name.unwrap_or_else(|| base.name.clone());
    base.description = spec.description.unwrap_or_else(|| base.description.clone());
    port.fixed_ips = fixed_ips.unwrap_or_else(|| port.fixed_ips.clone());
    port.groups = spec.security_groups.unwrap_or_else(|| port.groups.clone());
    port.device_id = spec.device_id.unwrap_or_else(|| port.device_id.clone());
    port.device_owner = spec.device_owner.unwrap_or_else(|| port.device_owner.clone());
    port.up = spec.admin_state_up.unwrap_or(port.up);
    port.port_security = spec.port_security_enabled.unwrap_or(port.port_security);
    port.vnic_type = spec.vnic_type.unwrap_or_else(|| port.vnic_type.clone());
    port.profile = spec.profile.unwrap_or_else(|| port.profile.clone());
    port.pairs = spec.allowed_address_pairs.unwrap_or_else(|| port.pairs.clone());
    port.mac = spec.mac_address.unwrap_or_else(|| port.mac.clone());
    port.base.touch();
    Ok(one(&call, 200, "port", view(&call, port)))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let port = world.neutron.ports.get(&id).filter(|port| call.caller.sees(&port.base.project_id));
    let port = port.ok_or_else(|| missing("Port", &id))?;
    if port.device_owner.starts_with("network:router") {
        let message = format!(
            "Port {id} cannot be deleted directly via the port API: has device owner {}.",
            port.device_owner
        );
        return Err(Refusal::neutron(409, "ServicePortInUse", message));
    }
    release(&mut world, &id);
    Ok(empty(204))
}
