//! Registering images; their data comes afterwards.

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::LOCATION;
use serde_json::{Map, Value};

use super::images::view;
use super::refuse;
use super::state::Image;
use crate::api::{Answer, Call, Refusal, json};

/// Attributes nobody may write.
pub(super) const READ_ONLY: [&str; 12] = [
    "checksum",
    "created_at",
    "updated_at",
    "size",
    "virtual_size",
    "status",
    "self",
    "file",
    "schema",
    "stores",
    "direct_url",
    "locations",
];

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let given: Map<String, Value> = call.read(&body, "")?;
    let mut image = Image::new(&call.caller.project_id, None);
    for (key, value) in &given {
        if READ_ONLY.contains(&key.as_str()) {
            return Err(refuse(403, format!("Attribute '{key}' is read-only.")));
        }
        // An image gets its digests with its data, whatever was asked for.
        if !matches!(key.as_str(), "os_hash_algo" | "os_hash_value") {
            set(&call, &mut image, key, value)?;
        }
    }
    let mut world = call.cloud.world();
    if world.glance.images.get(&image.id).is_some() {
        return Err(refuse(409, format!("Image ID {} already exists!", image.id)));
    }
    let mut response = json(201, &view(&image));
    let location = format!("{}/v2/images/{}", call.url(), image.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    world.glance.images.insert(image);
    Ok(response)
}

/// Writes one attribute.
pub(super) fn set(call: &Call, image: &mut Image, key: &str, value: &Value) -> Result<(), Refusal> {
    let text = || match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(mismatch(key, value, "string")),
    };
    let number = || value.as_u64().ok_or_else(|| mismatch(key, value, "integer"));
    let flag = || value.as_bool().ok_or_else(|| mismatch(key, value, "boolean"));
    match key {
        "id" => image.id = text()?.unwrap_or_else(|| image.id.clone()),
        "name" => image.name = text()?,
        "disk_format" => image.disk_format = known(key, text()?, &DISK_FORMATS)?,
        "container_format" => image.container_format = known(key, text()?, &CONTAINER_FORMATS)?,
        "min_disk" => image.min_disk = number()?,
        "min_ram" => image.min_ram = number()?,
        "protected" => image.protected = flag()?,
        "os_hidden" => image.hidden = flag()?,
        "visibility" => {
            let visibility = known(key, text()?, &VISIBILITIES)?.unwrap_or_default();
            if visibility == "public" && !call.caller.admin {
                return Err(refuse(403, "You are not authorized to complete publicize_image action."));
            }
            image.visibility = visibility;
        }
        "owner" => {
            let owner = text()?.unwrap_or_default();
            if !call.caller.sees(&owner) {
                return Err(refuse(403, "You are not permitted to create images owned by another project."));
            }
            image.owner = owner;
        }
        "tags" => {
            let tags = value.as_array().ok_or_else(|| mismatch(key, value, "array"))?;
            image.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        _ => match text()? {
            Some(text) => drop(image.properties.insert(key.to_owned(), text)),
            None => drop(image.properties.remove(key)),
        },
    }
    Ok(())
}

const DISK_FORMATS: [&str; 11] =
    ["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"];
const CONTAINER_FORMATS: [&str; 8] = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];
const VISIBILITIES: [&str; 4] = ["public", "private", "shared", "community"];

fn known(key: &str, value: Option<String>, allowed: &[&str]) -> Result<Option<String>, Refusal> {
    match value {
        Some(value) if !allowed.contains(&value.as_str()) => {
            let message = format!("Invalid value '{value}' for parameter '{key}'");
            Err(refuse(400, message))
        }
        value => Ok(value),
    }
}

/// What the schema says about a value of the wrong type.
fn mismatch(key: &str, value: &Value, wanted: &str) -> Refusal {
    refuse(
        400,
        format!(
            "Provided object does not match schema 'image': {value} is not of type '{wanted}'\n\nFailed validating \
             'type' in schema['additionalProperties']:\n    {{'type': '{wanted}'}}\n\nOn instance['{key}']:\n    \
             {value}"
        ),
    )
}
