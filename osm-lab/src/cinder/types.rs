//! Volume types, availability zones.

use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

use super::listing::answer;
use super::state::VolumeType;
use super::{missing, own_url};
use crate::api::{Answer, Call, json};

fn view(kind: &VolumeType) -> Value {
    json!({
        "id": kind.id, "name": kind.name, "is_public": true, "description": null, "extra_specs": {},
        "qos_specs_id": null, "os-volume-type-access:is_public": true,
    })
}

pub(super) async fn list(call: Call) -> Answer {
    own_url(&call)?;
    let world = call.cloud.world();
    answer(&call, "volume_types", world.cinder.types.iter().collect(), view)
}

pub(super) async fn show(call: Call, Path((_, id)): Path<(String, String)>) -> Answer {
    own_url(&call)?;
    let world = call.cloud.world();
    let mut types = world.cinder.types.iter();
    let found = if id == "default" { types.next() } else { types.find(|kind| kind.id == id) };
    Ok(json(200, &json!({"volume_type": view(found.ok_or_else(|| missing("Volume type", &id))?)})))
}

pub(super) async fn zones(_call: Call) -> Response {
    let zone = json!({"zoneName": "nova", "zoneState": {"available": true}});
    json(200, &json!({"availabilityZoneInfo": [zone]}))
}

pub(super) async fn extensions(_call: Call) -> Response {
    json(200, &json!({"extensions": []}))
}
