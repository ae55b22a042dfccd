//! Routers and their gateways.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::{answer, made, one, present, wanted, with_base};
use super::ports::{AddressSpec, PortSpec, fixed_ips_view};
use super::state::{Base, Gateway, Route, Router};
use super::{bad_request, disallowed, in_use, make_port, missing, over_quota, owner, release_port};
use crate::api::{Answer, Call, Refusal, empty};
use crate::quota::Quotas;
use crate::world::World;

/// How a router reaches the world.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GatewaySpec {
    pub(crate) network_id: Option<String>,
    pub(crate) enable_snat: Option<bool>,
    pub(crate) external_fixed_ips: Option<Vec<AddressSpec>>,
}

/// What a router may be created or changed with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RouterSpec {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) admin_state_up: Option<bool>,
    #[serde(deserialize_with = "present")]
    pub(crate) external_gateway_info: Option<Option<GatewaySpec>>,
    pub(crate) routes: Option<Vec<Route>>,
    pub(crate) availability_zone_hints: Option<Vec<String>>,
    pub(crate) distributed: Option<bool>,
    pub(crate) ha: Option<bool>,
    pub(crate) flavor_id: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) project_id: Option<String>,
}

impl RouterSpec {
    /// Attributes only administrators may give.
    fn policy(&self, call: &Call, action: &str) -> Result<(), Refusal> {
        let gateway = self.external_gateway_info.iter().flatten().next();
        let reserved = [
            ("distributed", self.distributed.is_some()),
            ("ha", self.ha.is_some()),
            (
                "external_gateway_info:enable_snat",
                gateway.is_some_and(|gateway| gateway.enable_snat.is_some()),
            ),
            (
                "external_gateway_info:external_fixed_ips",
                gateway.is_some_and(|gateway| gateway.external_fixed_ips.is_some()),
            ),
        ];
        let hit = reserved.into_iter().find(|(_, given)| *given && !call.caller.admin);
        hit.map_or(Ok(()), |(attribute, _)| Err(disallowed(&format!("{action}:{attribute}"))))
    }
}

fn view(call: &Call, world: &World, router: &Router) -> Value {
    let gateway = router.gateway.as_ref().map(|gateway| {
        let port = world.neutron.ports.get(&gateway.port_id);
        json!({
            "network_id": gateway.network_id,
            "external_fixed_ips": port.map(fixed_ips_view).unwrap_or_default(),
            "enable_snat": gateway.snat,
        })
    });
    let connected = world.neutron.ports_of(&router.base.id).next().is_some();
    let mut body = json!({
        "name": router.base.name,
        "admin_state_up": router.up,
        "status": "ACTIVE",
        "external_gateway_info": gateway,
        "availability_zones": if connected { json!(["nova"]) } else { json!([]) },
        "availability_zone_hints": router.zone_hints,
        "routes": router.routes,
        "flavor_id": null,
    });
    if call.caller.admin {
        body["distributed"] = json!(false);
        body["ha"] = json!(false);
    }
    with_base(&router.base, body)
}

/// Makes a router.
pub(crate) fn make(world: &mut World, project_id: &str, spec: RouterSpec) -> Result<String, Refusal> {
    let used = world.neutron.routers.iter().filter(|router| router.base.project_id == project_id).count();
    if !Quotas::allows(world.quotas.routers, used, 1) {
        return Err(over_quota("router"));
    }
    let base = Base::new(
        spec.name.as_deref().unwrap_or_default(),
        project_id,
        spec.description.as_deref().unwrap_or_default(),
    );
    let id = base.id.clone();
    let gateway = match spec.external_gateway_info.flatten() {
        Some(gateway) => Some(connect(world, &id, &gateway)?),
        None => None,
    };
    world.neutron.routers.insert(Router {
        base,
        up: spec.admin_state_up.unwrap_or(true),
        gateway,
        routes: spec.routes.unwrap_or_default(),
        zone_hints: spec.availability_zone_hints.unwrap_or_default(),
    });
    Ok(id)
}

/// Gives a router a port on an external network.
fn connect(world: &mut World, router_id: &str, spec: &GatewaySpec) -> Result<Gateway, Refusal> {
    let network_id = spec.network_id.clone().unwrap_or_default();
    let network = world.neutron.networks.get(&network_id).ok_or_else(|| missing("Network", &network_id))?;
    if !network.external {
        return Err(bad_request(format!(
            "Bad router request: Network {network_id} is not an external network."
        )));
    }
    let port = PortSpec {
        network_id: Some(network_id.clone()),
        fixed_ips: spec.external_fixed_ips.clone(),
        device_id: Some(router_id.to_owned()),
        device_owner: Some("network:router_gateway".to_owned()),
        ..PortSpec::default()
    };
    // The port is the operator's: the router's tenant does not see it.
    let port_id = make_port(world, "", port)?;
    Ok(Gateway { network_id, port_id, snat: spec.enable_snat.unwrap_or(true) })
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    let rows =
        world.neutron.routers.iter().filter(|router| call.caller.sees(&router.base.project_id)).collect();
    answer(&call, "routers", rows, |router| view(&call, &world, router))
}

/// The router, if the caller may see it; then it may change it too.
pub(super) fn own<'a>(call: &Call, world: &'a World, id: &str) -> Result<&'a Router, Refusal> {
    let router = world.neutron.routers.get(id).filter(|router| call.caller.sees(&router.base.project_id));
    router.ok_or_else(|| missing("Router", id))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    Ok(one(&call, 200, "router", view(&call, &world, own(&call, &world, &id)?)))
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let (specs, bulk) = wanted::<RouterSpec>(&call, &body, "router", "routers")?;
    let mut world = call.cloud.world();
    let mut bodies = Vec::new();
    for spec in specs {
        spec.policy(&call, "create_router")?;
        let project = owner(&call, spec.project_id.as_ref().or(spec.tenant_id.as_ref()), "create_router")?;
        let id = make(&mut world, &project, spec)?;
        bodies.push(view(&call, &world, own(&call, &world, &id)?));
    }
    Ok(made(&call, "router", "routers", bodies, bulk))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let spec: RouterSpec = call.read(&body, "router")?;
    spec.policy(&call, "update_router")?;
    let mut world = call.cloud.world();
    let old = own(&call, &world, &id)?.gateway.clone();
    let gateway = match spec.external_gateway_info {
        None => old,
        Some(wanted) => {
            let wanted = wanted.filter(|wanted| wanted.network_id.is_some());
            replace_gateway(&mut world, &id, old, wanted)?
        }
    };
    let router = world.neutron.routers.get_mut(&id).ok_or_else(|| missing("Router", &id))?;
    router.gateway = gateway;
    let base = &mut router.base;
    base.name = spec.name.unwrap_or_else(|| base.name.clone());
    base.description = spec.description.unwrap_or_else(|| base.description.clone());
    router.up = spec.admin_state_up.unwrap_or(router.up);
    router.routes = spec.routes.unwrap_or_else(|| router.routes.clone());
    router.base.touch();
    Ok(one(&call, 200, "router", view(&call, &world, own(&call, &world, &id)?)))
}

fn replace_gateway(
    world: &mut World,
    router_id: &str,
    old: Option<Gateway>,
    wanted: Option<GatewaySpec>,
) -> Result<Option<Gateway>, Refusal> {
    match (old, wanted) {
        (Some(old), Some(wanted)) if wanted.network_id.as_ref() == Some(&old.network_id) => {
            Ok(Some(Gateway { snat: wanted.enable_snat.unwrap_or(old.snat), ..old }))
        }
        (old, wanted) => {
            if world.neutron.floating_ips.iter().any(|ip| ip.router_id.as_deref() == Some(router_id)) {
                let message = format!(
                    "Gateway cannot be updated for router {router_id}, since a gateway to external network is \
                     required by one or more floating IPs."
                );
                return Err(Refusal::neutron(409, "RouterExternalGatewayInUseByFloatingIp", message));
            }
            let gateway = match wanted {
                Some(wanted) => Some(connect(world, router_id, &wanted)?),
                None => None,
            };
            if let Some(old) = old {
                release_port(world, &old.port_id);
            }
            Ok(gateway)
        }
    }
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    let gateway = own(&call, &world, &id)?.gateway.clone();
    let inside = |port: &&super::Port| port.device_owner != "network:router_gateway";
    if world.neutron.ports_of(&id).any(|port| inside(&port)) {
        return Err(in_use("Router", format!("Router {id} still has ports")));
    }
    if let Some(gateway) = gateway {
        release_port(&mut world, &gateway.port_id);
    }
    world.neutron.routers.remove(&id);
    Ok(empty(204))
}
