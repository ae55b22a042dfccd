//! Versions, extensions, and the resources nobody has.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::api::{Answer, Call, Context, Refusal, json};
use crate::cloud::Service;

/// The extensions a lab speaks.
const ALIASES: [&str; 31] = [
    "address-scope",
    "agent",
    "allowed-address-pairs",
    "availability_zone",
    "binding",
    "external-net",
    "extra_dhcp_opt",
    "extraroute",
    "ext-gw-mode",
    "filter-validation",
    "fip-port-details",
    "net-mtu",
    "net-mtu-writable",
    "network_availability_zone",
    "pagination",
    "port-security",
    "project-id",
    "provider",
    "quotas",
    "quota_details",
    "rbac-policies",
    "router",
    "router_availability_zone",
    "security-group",
    "security-groups-normalized-cidr",
    "sorting",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
    "stateful-security-group",
];

fn extension(alias: &str) -> Value {
    json!({
        "alias": alias, "name": alias, "description": "", "links": [], "updated": "2017-01-01T00:00:00-00:00",
    })
}

pub(super) async fn list(_call: Call) -> Response {
    let rows: Vec<Value> = ALIASES.iter().map(|alias| extension(alias)).collect();
    json(200, &json!({"extensions": rows}))
}

pub(super) async fn show(_call: Call, Path(alias): Path<String>) -> Answer {
    if ALIASES.contains(&alias.as_str()) {
        return Ok(json(200, &json!({"extension": extension(&alias)})));
    }
    let message = format!("Extension with alias {alias} does not exist");
    Err(Refusal::neutron(404, "HTTPNotFound", message))
}

pub(super) async fn zones(_call: Call) -> Response {
    let zone = |resource| json!({"name": "nova", "resource": resource, "state": "available"});
    json(200, &json!({"availability_zones": [zone("network"), zone("router")]}))
}

/// An empty listing, named after the path.
pub(super) async fn none(call: Call) -> Response {
    let key = call.path.rsplit('/').next().unwrap_or_default().replace('-', "_");
    json(200, &json!({key: []}))
}

fn link(context: &Context) -> String {
    format!("{}/v2.0/", context.cloud.url(Service::Neutron))
}

pub(super) async fn versions(State(context): State<Context>) -> Response {
    let links = json!([{"rel": "self", "href": link(&context)}]);
    json(200, &json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}))
}

/// What stands below the version, for those who ask with a token.
pub(super) async fn version(call: Call) -> Response {
    let names = ["network", "subnet", "port", "router", "security-group", "floatingip"];
    let resources: Vec<Value> = names
        .iter()
        .map(|name| {
            let href = format!("{}/v2.0/{name}s", call.url());
            json!({"name": name, "collection": format!("{name}s"), "links": [{"rel": "self", "href": href}]})
        })
        .collect();
    json(200, &json!({"resources": resources}))
}
