//! Version discovery, without a token.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::api::{Context, Microversion, json};
use crate::cloud::Service;

fn version(context: &Context) -> Value {
    let (oldest, newest) = Microversion::range(Service::Nova, context.cloud.newer());
    json!({
        "id": "v2.1",
        "status": "CURRENT",
        "version": newest.to_string(),
        "min_version": oldest.to_string(),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/v2.1/", context.cloud.url(Service::Nova))}],
    })
}

pub(super) async fn all(State(context): State<Context>) -> Response {
    json(200, &json!({"versions": [version(&context)]}))
}

pub(super) async fn one(State(context): State<Context>) -> Response {
    let mut body = version(&context);
    body["links"].as_array_mut().into_iter().for_each(|links| {
        links.push(json!({"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}));
    });
    body["media-types"] =
        json!([{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]);
    json(200, &json!({"version": body}))
}
