//! Version discovery, without a token.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::api::{Context, json};
use crate::cloud::Service;

fn version(context: &Context) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", context.cloud.url(Service::Keystone))}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

pub(super) async fn all(State(context): State<Context>) -> Response {
    json(300, &json!({"versions": {"values": [version(&context)]}}))
}

pub(super) async fn one(State(context): State<Context>) -> Response {
    json(200, &json!({"version": version(&context)}))
}
