//! Follows a list over its pages.
//!
//! Only the *query* of a link to the next page is used, on the address the
//! first page came from. Links name whatever host and path the service
//! believes to have; behind a proxy that is wrong, and a token must not follow.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use url::Url;

use crate::error::Result;
use crate::http::response::Response;

/// Far more pages than any list has.
const MOST_PAGES: usize = 100_000;

/// Remembers which pages of one list were asked for.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    seen: HashSet<String>,
}

impl Pages {
    /// The items of `response`, and the address of the next page.
    pub(crate) fn read<T: DeserializeOwned>(
        &mut self,
        response: &Response,
        url: &Url,
        key: &str,
    ) -> Result<(Vec<T>, Option<Url>)> {
        self.seen.insert(url.query().unwrap_or_default().to_owned());
        let mut json = serde_json::Deserializer::from_slice(response.bytes());
        let page: Page<Vec<T>> =
            PageSeed::new(key).deserialize(&mut json).map_err(|error| response.misunderstood(error))?;
        let Some(items) = page.value else {
            return Err(response.bad(format!("the answer has no `{key}`")));
        };
        let Some(link) = page.next else {
            // Keystone cuts long lists without offering the rest.
            if page.truncated {
                return Err(
                    response.bad("the service cut the list short and offers no next page; ask for less")
                );
            }
            return Ok((items, None));
        };
        let next = on_endpoint(url, &link);
        match next.query() {
            Some(query) if !self.seen.contains(query) && self.seen.len() < MOST_PAGES => {
                Ok((items, Some(next)))
            }
            _ => {
                Err(response
                    .bad(format!("the pages of the list go in a circle: the next one is {link} again")))
            }
        }
    }
}

/// The address `url`, with the query of `link`.
fn on_endpoint(url: &Url, link: &str) -> Url {
    let query = link.split_once('?').map(|(_, query)| query);
    let query = query.map(|query| query.split_once('#').map_or(query, |(query, _)| query));
    let mut next = url.clone();
    next.set_query(query);
    next
}

/// The value under `key` of the object in `body`.
pub(super) fn read_keyed<T: DeserializeOwned>(body: &[u8], key: &str) -> serde_json::Result<Option<T>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let page: Page<T> = PageSeed::new(key).deserialize(&mut json)?;
    Ok(page.value)
}

/// An answer that holds a `T` under a key known only when asking.
struct Page<T> {
    value: Option<T>,
    next: Option<String>,
    truncated: bool,
}

struct PageSeed<'a, T> {
    key: &'a str,
    links: String,
    of: PhantomData<T>,
}

impl<'a, T> PageSeed<'a, T> {
    fn new(key: &'a str) -> Self {
        Self { key, links: format!("{key}_links"), of: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for PageSeed<'_, T> {
    type Value = Page<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Page<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for PageSeed<'_, T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Page<T>, A::Error> {
        let mut page = Page { value: None, next: None, truncated: false };
        while let Some(name) = map.next_key::<String>()? {
            if name == self.key {
                page.value = Some(map.next_value()?);
            } else if name == self.links || name == "links" {
                page.next = map.next_value::<Links>()?.next().or(page.next);
            } else if name == "next" {
                page.next = map.next_value::<Next>()?.text().or(page.next);
            } else if name == "truncated" {
                page.truncated = matches!(map.next_value::<Flag>()?, Flag::Bool(true));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(page)
    }
}

/// Links as Nova, Cinder and Neutron write them, or as Keystone does.
#[derive(Deserialize)]
#[serde(untagged)]
enum Links {
    List(Vec<Link>),
    Named {
        #[serde(default)]
        next: Option<String>,
    },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

impl Links {
    fn next(self) -> Option<String> {
        match self {
            Self::List(links) => links.into_iter().find(|link| link.rel == "next").map(|link| link.href),
            Self::Named { next } => next,
            Self::Other(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Next {
    Text(String),
    Other(IgnoredAny),
}

impl Next {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Other(IgnoredAny),
}
