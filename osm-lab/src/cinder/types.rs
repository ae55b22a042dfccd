//! Volume types, availability zones.

use axum::extract::Path;
use axum::response::Response;
use serde_json::{Value, json};

use super::listing::answer;
use super::state::VolumeType;
use super::{missing, own_url};
use crate::api::{Answer, Call, json};
use crate::clock::new_id;
use crate::table::Table;
use crate::world::World;

fn view(kind: &VolumeType) -> Value {
    json!({
        "id": kind.id, "name": kind.name, "is_public": true, "description": null, "extra_specs": {},
        "qos_specs_id": null, "os-volume-type-access:is_public": true,
    })
}

/// Replaces all volume types; volumes keep the name of theirs.
pub(crate) fn set(world: &mut World, names: &[&str]) {
    world.cinder.types = Table::default();
    for name in names {
        world.cinder.types.insert(VolumeType {
            id: new_id(),
            name: (*name).to_owned(),
            multiattach: false,
            encrypted: false,
        });
    }
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

pub(super) async fn zones(call: Call) -> Response {
    let world = call.cloud.world();
    let zone = |name: &String| json!({"zoneName": name, "zoneState": {"available": true}});
    json(200, &json!({"availabilityZoneInfo": world.zones.0.iter().map(zone).collect::<Vec<_>>()}))
}

pub(super) async fn extensions(_call: Call) -> Response {
    json(200, &json!({"extensions": []}))
}
