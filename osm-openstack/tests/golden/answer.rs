//! Answers out of recorded exchanges: the same one again, a shorter list, an object of a list.

use crate::json::Json;
use crate::recording::{Exchange, Query};

/// A request, in the recording's words.
pub(crate) struct Asked {
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) microversion: Option<(u32, u32)>,
}

/// What was answered to the same request, its pages put together.
pub(crate) fn literal(tier: &[Exchange], asked: &Asked) -> Option<(u16, Json)> {
    let same = |exchange: &&Exchange| {
        exchange.origin == asked.origin && exchange.path == asked.path && exchange.query == asked.query
    };
    let all: Vec<&Exchange> = tier.iter().filter(same).collect();
    // Of several microversions the one asked for, or the last before it.
    let fits = |version: &Option<(u32, u32)>| *version <= asked.microversion;
    let version = all.iter().map(|it| it.microversion).filter(fits).max();
    let version = version.or_else(|| all.iter().map(|it| it.microversion).min());
    let all: Vec<&Exchange> = all.into_iter().filter(|it| Some(it.microversion) == version).collect();
    let good: Vec<&Exchange> = all.iter().copied().filter(|it| it.status < 400).collect();
    let last = good.last().or(all.last())?;
    match last.body.as_list() {
        Some((key, _)) if last.status < 400 => {
            let items = good.iter().filter_map(|it| it.body.as_list()).flat_map(|(_, items)| items.to_vec());
            Some((last.status, list(key, items)))
        }
        _ => Some((last.status, last.body.clone())),
    }
}

/// A list out of a longer one.
pub(crate) fn shortened(tier: &[Exchange], asked: &Asked) -> Option<Json> {
    let longer = |exchange: &&Exchange| {
        exchange.origin == asked.origin
            && exchange.path == asked.path
            && exchange.status < 400
            && exchange.query.is_subset(&asked.query)
    };
    let widest = tier.iter().filter(longer).min_by_key(|exchange| exchange.query.len())?;
    let pages = tier.iter().filter(longer).filter(|exchange| exchange.query == widest.query);
    let (key, _) = widest.body.as_list()?;
    let items = pages.filter_map(|page| page.body.as_list()).flat_map(|(_, items)| items.to_vec());
    Some(list(key, items.filter(|item| fits(item, &asked.query))))
}

/// A list without anything twice and without links to further pages.
pub(crate) fn list(key: &str, items: impl Iterator<Item = Json>) -> Json {
    let mut once: Vec<Json> = Vec::new();
    for item in items {
        let same = |other: &Json| match item.text(&["id"]) {
            Some(id) => other.text(&["id"]) == Some(id),
            None => *other == item,
        };
        if !once.iter().any(same) {
            once.push(item);
        }
    }
    Json::Map(vec![(key.to_owned(), Json::List(once))])
}

/// Whether a service would let an item pass.
pub(crate) fn fits(item: &Json, query: &Query) -> bool {
    query.iter().all(|(key, wanted)| {
        let path: Vec<&str> = key.split('.').collect();
        let value = item.at(&[key]).or_else(|| item.at(&path)).or_else(|| match key.as_str() {
            "project_id" => item.at(&["tenant_id"]),
            "tenant_id" => item.at(&["project_id"]),
            _ => None,
        });
        match value {
            Some(Json::Text(text)) => text == wanted,
            Some(Json::Bool(flag)) => wanted.eq_ignore_ascii_case(&flag.to_string()),
            Some(Json::Number(number)) => *wanted == number.to_string(),
            Some(Json::List(items)) => items.contains(&Json::Text(wanted.clone())),
            // What an older Glance does not say.
            None if key == "os_hidden" => wanted.eq_ignore_ascii_case("false"),
            _ => false,
        }
    })
}

pub(crate) fn is_at(exchange: &Exchange, (origin, path): &(String, String)) -> bool {
    exchange.origin == *origin && exchange.path.starts_with(path.as_str())
}

pub(crate) fn singular(plural: &str) -> String {
    match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    }
}
