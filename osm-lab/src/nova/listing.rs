//! Listings of Nova, in linked pages.

use serde_json::{Value, json};

use crate::api::{Answer, Call, json, page};
use crate::table::Row;

/// Answers a listing under `key`.
pub(super) fn answer<T: Row>(call: &Call, key: &str, rows: Vec<&T>, view: impl Fn(&T) -> Value) -> Answer {
    let page = page(call, rows)?;
    let rows: Vec<Value> = page.rows.into_iter().map(view).collect();
    let mut body = json!({key: rows});
    if let Some(next) = page.next {
        body[format!("{key}_links")] = json!([{"rel": "next", "href": format!("{}{next}", call.url())}]);
    }
    Ok(json(200, &body))
}

/// The links of a resource.
pub(super) fn links(call: &Call, kind: &str, id: &str) -> Value {
    let url = call.url();
    json!([
        {"rel": "self", "href": format!("{url}/v2.1/{kind}/{id}")},
        {"rel": "bookmark", "href": format!("{url}/{kind}/{id}")},
    ])
}
