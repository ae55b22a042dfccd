//! Images, once they are made.

use axum::extract::Path;
use serde_json::{Value, json};

use super::state::Image;
use super::{missing, refuse};
use crate::api::{Answer, Call, Query, Refusal, empty, json, page};
use crate::clock::seconds;
use crate::world::World;

/// Whether a project may use an image.
pub(crate) fn sees(image: &Image, project_id: &str) -> bool {
    image.owner == project_id
        || matches!(image.visibility.as_str(), "public" | "community")
        || (image.visibility == "shared" && image.members.iter().any(|member| member == project_id))
}

pub(super) fn view(image: &Image) -> Value {
    let mut body = json!(image.properties);
    let path = format!("/v2/images/{}", image.id);
    let own = json!({
        "name": image.name,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "visibility": image.visibility,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "status": image.status,
        "checksum": image.checksum,
        "protected": image.protected,
        "min_ram": image.min_ram,
        "min_disk": image.min_disk,
        "owner": image.owner,
        "os_hidden": image.hidden,
        "os_hash_algo": image.hash.as_ref().map(|_| "sha512"),
        "os_hash_value": image.hash,
        "id": image.id,
        "created_at": seconds(image.created),
        "updated_at": seconds(image.updated),
        "tags": image.tags,
        "self": path,
        "file": format!("{path}/file"),
        "schema": "/v2/schemas/image",
    });
    if let (Value::Object(body), Value::Object(own)) = (&mut body, own) {
        body.extend(own);
    }
    if image.status == "active" {
        body["stores"] = json!("file");
    }
    body
}

fn matches(query: &Query, image: &Image) -> bool {
    let controls = ["limit", "marker", "sort", "sort_key", "sort_dir", "member_status"];
    let body = view(image);
    let hidden = query.get("os_hidden").map_or(!image.hidden, |_| image.hidden == query.flag("os_hidden"));
    let by_visibility = match query.get("visibility") {
        None => image.visibility != "community",
        Some("all") => true,
        Some(wanted) => image.visibility == wanted,
    };
    let filters = query.0.iter().filter(|(key, _)| !controls.contains(&key.as_str()));
    let mut rest = filters.filter(|(key, _)| !matches!(key.as_str(), "os_hidden" | "visibility"));
    let by_rest = rest.all(|(key, wanted)| match (key.as_str(), wanted.strip_prefix("in:")) {
        ("tag", _) => image.tags.contains(wanted),
        (_, Some(list)) => list.split(',').any(|wanted| body[key] == *wanted.trim_matches('"')),
        _ => match &body[key] {
            Value::String(text) => text == wanted,
            Value::Null => false,
            other => other.to_string().eq_ignore_ascii_case(wanted),
        },
    });
    hidden && by_visibility && by_rest
}

pub(super) async fn list(call: Call) -> Answer {
    let world = call.cloud.world();
    let seen = |image: &&Image| call.caller.admin || sees(image, &call.caller.project_id);
    let newest_first = world.glance.images.iter().rev();
    let rows = newest_first.filter(|image| seen(image) && matches(&call.query, image)).collect();
    let page = page(&call, rows)?;
    let images: Vec<Value> = page.rows.into_iter().map(view).collect();
    let query = if call.raw_query.is_empty() { String::new() } else { format!("?{}", call.raw_query) };
    let mut body = json!({
        "images": images,
        "first": format!("/v2/images{query}"),
        "schema": "/v2/schemas/images",
    });
    if let Some(next) = page.next {
        body["next"] = json!(next);
    }
    Ok(json(200, &body))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    let image = world.glance.images.get(&id);
    let image = image.filter(|image| call.caller.admin || sees(image, &call.caller.project_id));
    Ok(json(200, &view(image.ok_or_else(|| missing(&id))?)))
}

/// The image, if the caller may change it.
pub(super) fn own<'a>(call: &Call, world: &'a mut World, id: &str) -> Result<&'a mut Image, Refusal> {
    let image = world.glance.images.get_mut(id);
    let image = image.filter(|image| call.caller.admin || sees(image, &call.caller.project_id));
    let image = image.ok_or_else(|| missing(id))?;
    if call.caller.sees(&image.owner) {
        return Ok(image);
    }
    Err(refuse(403, "You are not authorized to complete modify_image action."))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    let mut world = call.cloud.world();
    if own(&call, &mut world, &id)?.protected {
        return Err(refuse(403, format!("Image {id} is protected and cannot be deleted.")));
    }
    world.glance.images.remove(&id);
    // An image without data has no file.
    let _ = std::fs::remove_file(call.cloud.image_file(&id));
    Ok(empty(204))
}
