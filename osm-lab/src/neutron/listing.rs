//! Listings of Neutron: any attribute filters, `fields` choose what is shown, pages are linked.

use axum::response::Response;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value, json};

use super::state::Base;
use crate::api::{Answer, Call, Refusal, json, page};
use crate::clock::seconds;
use crate::table::Row;
use crate::world::World;

/// Query names that do not filter.
const CONTROLS: [&str; 6] = ["limit", "marker", "page_reverse", "fields", "sort_key", "sort_dir"];

/// Answers a listing under `key`.
pub(super) fn answer<T: Row>(call: &Call, key: &str, rows: Vec<&T>, view: impl Fn(&T) -> Value) -> Answer {
    let mut found = Vec::new();
    for row in rows {
        if matches(call, &view(row))? {
            found.push(row);
        }
    }
    found.sort_by(|left, right| left.id().cmp(right.id()));
    let page = page(call, found)?;
    let rows: Vec<Value> = page.rows.into_iter().map(|row| choose(call, view(row))).collect();
    let mut body = json!({key: rows});
    if let Some(next) = page.next {
        body[format!("{key}_links")] = json!([{"rel": "next", "href": format!("{}{next}", call.url())}]);
    }
    Ok(json(200, &body))
}

/// Answers one resource under `key`.
pub(super) fn one(call: &Call, status: u16, key: &str, body: Value) -> Response {
    json(status, &json!({key: choose(call, body)}))
}

fn choose(call: &Call, mut body: Value) -> Value {
    let fields: Vec<&str> =
        call.query.0.iter().filter(|(key, _)| key == "fields").map(|(_, value)| value.as_str()).collect();
    if let (Value::Object(map), false) = (&mut body, fields.is_empty()) {
        map.retain(|key, _| fields.contains(&key.as_str()));
    }
    body
}

/// Whether a resource passes every filter; values of one name are alternatives.
fn matches(call: &Call, body: &Value) -> Result<bool, Refusal> {
    let filters = call.query.0.iter().filter(|(key, _)| !CONTROLS.contains(&key.as_str()));
    for (key, _) in filters.clone() {
        let mut wanted = filters.clone().filter(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let hit = match key.as_str() {
            "tags" => wanted.all(|list| list.split(',').all(|tag| contains(&body["tags"], tag))),
            "tags-any" | "not-tags" | "not-tags-any" => {
                let any = wanted.any(|list| list.split(',').any(|tag| contains(&body["tags"], tag)));
                any != key.starts_with("not")
            }
            "fixed_ips" => {
                let pairs = wanted.filter_map(|value| value.split_once('='));
                pairs.into_iter().all(|(part, value)| fixed_ip_is(&body["fixed_ips"], part, value))
            }
            _ => match body.get(key) {
                None => {
                    let message = format!("['{key}'] is invalid attribute for filtering");
                    return Err(Refusal::neutron(400, "HTTPBadRequest", message));
                }
                Some(value) => wanted.any(|wanted| equals(value, wanted)),
            },
        };
        if !hit {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|value| value == wanted))
}

fn fixed_ip_is(list: &Value, part: &str, wanted: &str) -> bool {
    let part = part.trim_end_matches("_substr");
    list.as_array().is_some_and(|list| list.iter().any(|fixed| equals(&fixed[part], wanted)))
}

fn equals(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Bool(flag) => {
            wanted.eq_ignore_ascii_case(if *flag { "true" } else { "false" }) || wanted == "1" && *flag
        }
        Value::Null => wanted.is_empty() || wanted == "None",
        Value::String(text) => text == wanted,
        Value::Array(list) => list.iter().any(|value| equals(value, wanted)),
        Value::Number(number) => number.to_string() == wanted,
        Value::Object(_) => false,
    }
}

/// The attributes all resources have, added to their own.
pub(super) fn with_base(base: &Base, mut body: Value) -> Value {
    let common = json!({
        "id": base.id,
        "tenant_id": base.project_id,
        "project_id": base.project_id,
        "description": base.description,
        "tags": base.tags,
        "created_at": seconds(base.created),
        "updated_at": seconds(base.updated),
        "revision_number": base.revision,
    });
    if let (Value::Object(body), Value::Object(common)) = (&mut body, common) {
        body.extend(common);
    }
    body
}

/// What is to be created: one under `key`, or several under its plural.
pub(super) fn wanted<T: DeserializeOwned>(
    call: &Call,
    body: &[u8],
    key: &str,
    plural: &str,
) -> Result<(Vec<T>, bool), Refusal> {
    let map: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    if map.contains_key(plural) {
        let list: Vec<Value> = call.read(body, plural)?;
        let items = list.into_iter().map(|item| call.read(json!({key: item}).to_string().as_bytes(), key));
        return Ok((items.collect::<Result<_, _>>()?, true));
    }
    Ok((vec![call.read(body, key)?], false))
}

/// Makes every one, or none: `undo` takes away one that was made, by its id.
pub(super) fn make_each<T>(
    world: &mut World,
    wanted: Vec<T>,
    mut make: impl FnMut(&mut World, T) -> Result<Value, Refusal>,
    undo: impl Fn(&mut World, &str),
) -> Result<Vec<Value>, Refusal> {
    let mut bodies: Vec<Value> = Vec::new();
    for one in wanted {
        match make(world, one) {
            Ok(body) => bodies.push(body),
            Err(refusal) => {
                bodies.iter().filter_map(|body| body["id"].as_str()).for_each(|id| undo(world, id));
                return Err(refusal);
            }
        }
    }
    Ok(bodies)
}

/// Answers what was created.
pub(super) fn made(call: &Call, key: &str, plural: &str, bodies: Vec<Value>, bulk: bool) -> Response {
    match (bulk, bodies) {
        (false, mut bodies) if bodies.len() == 1 => one(call, 201, key, bodies.remove(0)),
        (_, bodies) => json(201, &json!({plural: bodies})),
    }
}

/// Tells an absent key from one that is `null`.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}
