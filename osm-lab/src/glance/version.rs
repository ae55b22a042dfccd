//! Version discovery, without a token.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::api::{Call, Context, json};
use crate::cloud::Service;

fn versions(context: &Context) -> Value {
    let links = json!([{"rel": "self", "href": format!("{}/v2/", context.cloud.url(Service::Glance))}]);
    let rows: Vec<Value> = (0..=16)
        .rev()
        .map(|minor| {
            let status = if minor == 16 { "CURRENT" } else { "SUPPORTED" };
            json!({"id": format!("v2.{minor}"), "status": status, "links": links})
        })
        .collect();
    json!({"versions": rows})
}

pub(super) async fn choices(State(context): State<Context>) -> Response {
    json(300, &versions(&context))
}

pub(super) async fn all(State(context): State<Context>) -> Response {
    json(200, &versions(&context))
}

pub(super) async fn schema(_call: Call) -> Response {
    let properties = json!({"id": {"type": "string"}, "name": {"type": ["null", "string"]}});
    json(200, &json!({"name": "image", "properties": properties, "additionalProperties": {"type": "string"}}))
}
