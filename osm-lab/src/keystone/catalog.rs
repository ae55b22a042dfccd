//! The service catalog.

use axum::response::Response;
use serde_json::{Value, json};

use crate::api::{Call, json};
use crate::cloud::{Cloud, Service};

pub(super) async fn show(call: Call) -> Response {
    let catalog = catalog(&call.cloud, &call.caller.project_id);
    json(200, &json!({"catalog": catalog, "links": {"self": format!("{}/v3/auth/catalog", call.url())}}))
}

/// The catalog a token scoped to `project_id` carries.
pub(super) fn catalog(cloud: &Cloud, project_id: &str) -> Value {
    let root = |service| cloud.url(service);
    let cinder = format!("{}/v3/{project_id}", root(Service::Cinder));
    let rows = [
        ("identity", "keystone", format!("{}/v3", root(Service::Keystone))),
        ("block-storage", "cinder", cinder.clone()),
        ("volumev3", "cinderv3", cinder),
        ("image", "glance", root(Service::Glance)),
        ("network", "neutron", root(Service::Neutron)),
        ("compute", "nova", format!("{}/v2.1", root(Service::Nova))),
    ];
    let entries = rows.iter().map(|(kind, name, url)| {
        let endpoints = ["internal", "admin", "public"].map(|interface| {
            json!({
                "id": stable_id(&[cloud.name(), kind, interface]),
                "interface": interface,
                "region_id": "RegionOne",
                "url": url,
                "region": "RegionOne",
            })
        });
        let id = stable_id(&[cloud.name(), kind]);
        json!({"endpoints": endpoints, "id": id, "type": kind, "name": name})
    });
    entries.collect()
}

/// An id that is the same at each call.
fn stable_id(parts: &[&str]) -> String {
    crate::digest::md5(parts.join("/").as_bytes())
}
