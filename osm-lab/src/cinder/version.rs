//! Version discovery.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::{Call, Context, Microversion, Refusal, json};
use crate::cloud::{Cloud, Service};

fn versions(cloud: &Cloud) -> Value {
    let (oldest, newest) = Microversion::range(Service::Cinder, cloud.newer());
    json!({"versions": [{
        "id": "v3.0",
        "status": "CURRENT",
        "version": newest.to_string(),
        "min_version": oldest.to_string(),
        "updated": "2022-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": format!("{}/v3/", cloud.url(Service::Cinder))},
        ],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"},
        ],
    }]})
}

pub(super) async fn all(State(context): State<Context>) -> Response {
    json(300, &versions(&context.cloud))
}

/// The versioned document takes a token, unlike that of the other services.
pub(super) async fn one(call: Call) -> Response {
    json(200, &versions(&call.cloud))
}

/// What stands at the catalog's URL: nothing.
pub(super) async fn nothing(_call: Call) -> Response {
    // Glance words its errors as HTML; so does this corner of Cinder.
    Refusal::new(Service::Glance, 404, "The resource could not be found.").into_response()
}
