//! Networking v2.0.

mod addresses;
mod extensions;
mod floating_ips;
mod groups;
mod interfaces;
mod listing;
mod networks;
mod ports;
mod quotas;
mod routers;
mod rules;
mod state;
mod subnets;
mod tags;

use axum::Router;
use axum::routing::{get, put};

pub(crate) use floating_ips::{FloatingIpSpec, make as make_floating_ip};
pub(crate) use groups::{default_group, make as make_group};
pub(crate) use interfaces::attach_subnet;
pub(crate) use networks::{NetworkSpec, make as make_network};
pub(crate) use ports::{AddressSpec, PortSpec, make as make_port, release as release_port};
pub(crate) use routers::{GatewaySpec, RouterSpec, make as make_router};
pub(crate) use rules::{RuleSpec, make as make_rule};
pub(crate) use state::{Group, Networking, Port, Rule};
pub(crate) use subnets::{SubnetSpec, make as make_subnet};

use crate::api::{Call, Context, Refusal};

pub(crate) fn routes() -> Router<Context> {
    let v2 = Router::new()
        .route("/extensions", get(extensions::list))
        .route("/extensions/{alias}", get(extensions::show))
        .route("/networks", get(networks::list).post(networks::create))
        .route("/networks/{id}", get(networks::show).put(networks::update).delete(networks::delete))
        .route("/subnets", get(subnets::list).post(subnets::create))
        .route("/subnets/{id}", get(subnets::show).put(subnets::update).delete(subnets::delete))
        .route("/ports", get(ports::list).post(ports::create))
        .route("/ports/{id}", get(ports::show).put(ports::update).delete(ports::delete))
        .route("/routers", get(routers::list).post(routers::create))
        .route("/routers/{id}", get(routers::show).put(routers::update).delete(routers::delete))
        .route("/routers/{id}/add_router_interface", put(interfaces::add))
        .route("/routers/{id}/remove_router_interface", put(interfaces::remove))
        .route("/security-groups", get(groups::list).post(groups::create))
        .route("/security-groups/{id}", get(groups::show).put(groups::update).delete(groups::delete))
        .route("/security-group-rules", get(rules::list).post(rules::create))
        .route("/security-group-rules/{id}", get(rules::show).delete(rules::delete))
        .route("/floatingips", get(floating_ips::list).post(floating_ips::create))
        .route(
            "/floatingips/{id}",
            get(floating_ips::show).put(floating_ips::update).delete(floating_ips::delete),
        )
        .route("/quotas/{project}", get(quotas::show).put(quotas::update))
        .route("/quotas/{project}/default", get(quotas::default))
        .route("/quotas/{project}/details.json", get(quotas::details))
        .route("/quotas/{project}/details", get(quotas::details))
        .route("/availability_zones", get(extensions::zones))
        .route("/subnetpools", get(extensions::none))
        .route("/address-scopes", get(extensions::none))
        .route("/address-groups", get(extensions::none))
        .route("/agents", get(extensions::none))
        .route("/rbac-policies", get(extensions::none))
        .route("/flavors", get(extensions::none))
        .route("/{kind}/{id}/tags", get(tags::list).put(tags::replace).delete(tags::clear))
        .route("/{kind}/{id}/tags/{tag}", get(tags::check).put(tags::add).delete(tags::remove));
    Router::new()
        .route("/", get(extensions::versions))
        .route("/v2.0", get(extensions::version))
        .route("/v2.0/", get(extensions::version))
        .nest("/v2.0", v2)
}

/// The refusal of something only administrators may.
fn disallowed(rule: &str) -> Refusal {
    let action = rule.split(':').next().unwrap_or(rule);
    let message = if action == rule {
        format!("rule:{rule} is disallowed by policy")
    } else {
        format!("(rule:{action} and rule:{rule}) is disallowed by policy")
    };
    Refusal::neutron(403, "HTTPForbidden", message)
}

fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::neutron(
        404,
        &format!("{}NotFound", kind.replace(' ', "")),
        format!("{kind} {id} could not be found."),
    )
}

/// The refusal of something that still has users.
fn in_use(kind: &str, message: impl AsRef<str>) -> Refusal {
    Refusal::neutron(409, &format!("{kind}InUse"), message)
}

fn bad_request(message: impl AsRef<str>) -> Refusal {
    Refusal::neutron(400, "BadRequest", message)
}

fn over_quota(resource: &str) -> Refusal {
    Refusal::neutron(409, "OverQuota", format!("Quota exceeded for resources: ['{resource}']."))
}

/// The project a new thing belongs to; only administrators make things for others.
fn owner(call: &Call, wanted: Option<&String>, action: &str) -> Result<String, Refusal> {
    match wanted {
        Some(project) if !call.caller.sees(project) => Err(disallowed(action)),
        Some(project) => Ok(project.clone()),
        None => Ok(call.caller.project_id.clone()),
    }
}
