//! Changing images by JSON patch.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;

use super::create::{READ_ONLY, set};
use super::images::{own, view};
use super::refuse;
use crate::api::{Answer, Call, json};
use crate::clock::now;

#[derive(Deserialize)]
struct Change {
    op: String,
    path: String,
    #[serde(default)]
    value: Value,
}

/// Attributes every image has; they can be replaced, but not removed.
const OWN: [&str; 10] = [
    "name",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
    "visibility",
    "owner",
    "tags",
];

pub(super) async fn patch(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    let kind = call.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/openstack-images-v2") {
        return Err(refuse(415, "The server does not support the media type of this request."));
    }
    let changes: Vec<Change> = call.read(&body, "")?;
    let mut world = call.cloud.world();
    let image = own(&call, &mut world, &id)?;
    let mut changed = image.clone();
    for Change { op, path, value } in changes {
        let key = path.trim_start_matches('/').replace("~1", "/").replace("~0", "~");
        if READ_ONLY.contains(&key.as_str())
            || matches!(key.as_str(), "id" | "os_hash_algo" | "os_hash_value")
        {
            return Err(refuse(403, format!("Attribute '{key}' is read-only.")));
        }
        let exists = OWN.contains(&key.as_str()) || changed.properties.contains_key(&key);
        match op.as_str() {
            "add" => {}
            "replace" | "remove" if !exists => {
                return Err(refuse(409, format!("Property {key} does not exist.")));
            }
            "remove" if OWN.contains(&key.as_str()) => {
                return Err(refuse(403, format!("Property {key} may not be removed.")));
            }
            "replace" | "remove" => {}
            _ => return Err(refuse(400, format!("Unable to find operation '{op}' in JSON Schema change."))),
        }
        if op == "remove" {
            changed.properties.remove(&key);
        } else {
            set(&call, &mut changed, &key, &value)?;
        }
    }
    changed.updated = now();
    *image = changed;
    Ok(json(200, &view(image)))
}
