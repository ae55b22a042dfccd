//! Listings in pages.

use crate::api::{Call, Refusal};
use crate::table::Row;

/// One page of a listing.
pub(crate) struct Page<'a, T> {
    pub(crate) rows: Vec<&'a T>,
    /// Path and query of the next page. As with the real services a full page has one, even when nothing follows.
    pub(crate) next: Option<String>,
}

/// Cuts `rows` by the request's `limit` and `marker` and by the cloud's page size.
pub(crate) fn page<'a, T: Row>(call: &Call, rows: Vec<&'a T>) -> Result<Page<'a, T>, Refusal> {
    let largest = call.cloud.options().page_size.max(1);
    let limit = match call.query.get("limit") {
        None => largest,
        Some(text) => match text.parse::<usize>() {
            Ok(0) => largest,
            Ok(limit) => limit.min(largest),
            Err(_) => {
                return Err(
                    call.refuse(400, format!("Invalid input for query parameters limit. Value: {text}."))
                );
            }
        },
    };
    let start = match call.query.get("marker") {
        None => 0,
        Some(marker) => match rows.iter().position(|row| row.id() == marker) {
            Some(index) => index + 1,
            None => return Err(call.refuse(400, format!("marker [{marker}] not found"))),
        },
    };
    let offset: usize = call.query.get("offset").and_then(|text| text.parse().ok()).unwrap_or(0);
    let rows: Vec<&T> = rows.into_iter().skip(start + offset).take(limit).collect();
    let next = match rows.last() {
        Some(last) if rows.len() == limit => Some(next_page(call, last.id())),
        _ => None,
    };
    Ok(Page { rows, next })
}

fn next_page(call: &Call, marker: &str) -> String {
    let kept = call
        .raw_query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("marker=") && !part.starts_with("offset="));
    let mut query: Vec<String> = kept.map(str::to_owned).collect();
    query.push(format!("marker={marker}"));
    format!("{}?{}", call.path, query.join("&"))
}
