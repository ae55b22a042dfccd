//! Listings of Cinder: newest first, filtered, in linked pages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::{Answer, Call, json, page};
use crate::table::Row;

/// Answers a listing under `key`.
pub(super) fn answer<T: Row>(call: &Call, key: &str, rows: Vec<&T>, view: impl Fn(&T) -> Value) -> Answer {
    let total = rows.len();
    let page = page(call, rows)?;
    let rows: Vec<Value> = page.rows.into_iter().map(view).collect();
    let mut body = json!({key: rows});
    if let Some(next) = page.next {
        body[format!("{key}_links")] = json!([{"rel": "next", "href": format!("{}{next}", call.url())}]);
    }
    if call.at_least(3, 45) && call.query.flag("with_count") {
        body["count"] = json!(total);
    }
    Ok(json(200, &body))
}

/// Whether the filters of the request let these attributes pass.
pub(super) fn passes(call: &Call, attributes: &[(&str, &str)], metadata: &BTreeMap<String, String>) -> bool {
    let attributes = attributes.iter().all(|(name, value)| {
        let exact = call.query.get(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value));
        // Since 3.34 a name with a tilde asks for a part of the value.
        let part = call.query.get(&format!("{name}~")).filter(|_| call.at_least(3, 34));
        exact && part.is_none_or(|part| value.contains(part))
    });
    attributes && call.query.get("metadata").is_none_or(|wanted| has_all(metadata, wanted))
}

/// The metadata filter is a dictionary as Python or as JSON writes it.
fn has_all(metadata: &BTreeMap<String, String>, wanted: &str) -> bool {
    let parsed = serde_json::from_str::<BTreeMap<String, String>>(wanted)
        .or_else(|_| serde_json::from_str(&wanted.replace('\'', "\"")));
    parsed.is_ok_and(|wanted| wanted.iter().all(|(key, value)| metadata.get(key) == Some(value)))
}
