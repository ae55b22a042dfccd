//! Name filters: which resources of a kind are exported or imported.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::kind::Kind;
use crate::resource::Resource;

/// A list of exact names and regular expressions; a name passes when one of them fits.
///
/// An empty list lets nothing pass. Regular expressions are not anchored and may look around.
#[derive(Debug, Clone)]
pub struct NameFilter {
    queries: Vec<Query>,
}

#[derive(Debug, Clone)]
enum Query {
    Exact(String),
    Regex(Box<Regex>),
}

impl Default for NameFilter {
    fn default() -> Self {
        Self::all()
    }
}

impl NameFilter {
    /// Lets every name pass, the missing one too.
    pub fn all() -> Self {
        Self::regex(".*").unwrap_or(Self::none())
    }

    /// Lets nothing pass.
    pub fn none() -> Self {
        Self { queries: Vec::new() }
    }

    /// Lets these names pass.
    pub fn exact(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { queries: names.into_iter().map(|name| Query::Exact(name.into())).collect() }
    }

    /// Lets names pass in which the pattern is found.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Filter`] when the pattern is not a regular expression.
    pub fn regex(pattern: &str) -> Result<Self> {
        Ok(Self { queries: vec![Query::Regex(compile(pattern)?)] })
    }

    /// Reads a filter as it stands in a variables file: a list of names and `{regex: PATTERN}`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Filter`] when it has another shape or a pattern is not a regular expression.
    pub fn from_value(value: &Json) -> Result<Self> {
        let Json::Array(items) = value else {
            return Err(shape(format!("a filter is a list, found {}", describe(value))));
        };
        let queries = items.iter().map(query).collect::<Result<_>>()?;
        Ok(Self { queries })
    }

    /// Reads a filter from YAML text.
    ///
    /// # Errors
    ///
    /// As [`NameFilter::from_value`], and [`ErrorKind::Syntax`] when the text is not YAML.
    pub fn from_yaml(text: &str) -> Result<Self> {
        Self::from_value(&crate::yaml::load(text)?.to_json())
    }

    /// Lets pass what passes one of both.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.queries.extend(other.queries);
        self
    }

    /// Whether a name passes; one that takes too long to match does not.
    pub fn matches(&self, name: &str) -> bool {
        self.queries.iter().any(|query| match query {
            Query::Exact(exact) => exact == name,
            Query::Regex(regex) => regex.is_match(name).unwrap_or(false),
        })
    }

    /// Whether a thing passes that may have no name: then the empty name is tried.
    pub fn matches_optional(&self, name: Option<&str>) -> bool {
        self.matches(name.unwrap_or_default())
    }

    /// Whether nothing can pass.
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }
}

fn query(item: &Json) -> Result<Query> {
    match item {
        Json::String(name) => Ok(Query::Exact(name.clone())),
        Json::Object(map) => match (map.get("regex"), map.len()) {
            (Some(Json::String(pattern)), 1) if !pattern.is_empty() => Ok(Query::Regex(compile(pattern)?)),
            (Some(Json::String(pattern)), 1) if pattern.is_empty() => {
                Err(shape("`regex` is empty: write `regex: .*` for everything".to_owned()))
            }
            (Some(value), 1) => Err(shape(format!("`regex` must be a string, found {}", describe(value)))),
            _ => {
                let keys = map.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                let keys = if keys.is_empty() { "nothing".to_owned() } else { keys };
                Err(shape(format!("a mapping in a filter has the one key `regex`, found {keys}")))
            }
        },
        other => Err(shape(format!(
            "an item of a filter is a name or `regex: PATTERN`, found {}",
            describe(other)
        ))),
    }
}

fn compile(pattern: &str) -> Result<Box<Regex>> {
    Regex::new(pattern).map(Box::new).map_err(|source| {
        let message = format!("`{pattern}` is not a regular expression");
        Error::new(ErrorKind::Filter, message).with_source(source)
    })
}

fn shape(message: String) -> Error {
    Error::new(ErrorKind::Filter, message)
}

fn describe(value: &Json) -> String {
    match value {
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// One filter a kind; a kind without one lets everything pass.
#[derive(Debug, Clone, Default)]
pub struct FilterSet {
    filters: BTreeMap<Kind, NameFilter>,
    everything: NameFilter,
}

impl FilterSet {
    /// Sets the filter of a kind.
    pub fn set(&mut self, kind: Kind, filter: NameFilter) {
        self.filters.insert(kind, filter);
    }

    /// The filter of a kind, by the name that [`Resource::filter_name`] gives; of the keypairs of
    /// other users, by the name of the user.
    ///
    /// Router interfaces are chosen by their router, rules by their group and keypairs of other
    /// users by their user, unless they have a filter of their own.
    pub fn get(&self, kind: Kind) -> &NameFilter {
        let owner = match kind {
            Kind::RouterInterface => Kind::Router,
            Kind::SecurityGroupRule => Kind::SecurityGroup,
            Kind::UserKeypair => Kind::User,
            other => other,
        };
        self.filters.get(&kind).or_else(|| self.filters.get(&owner)).unwrap_or(&self.everything)
    }

    /// Whether a resource passes that stands in the file of this kind.
    ///
    /// Keypairs of other users have two filters: that of their kind for the user, that of
    /// [`Kind::Keypair`] for the keypair.
    pub fn lets_pass(&self, kind: Kind, resource: &Resource) -> bool {
        match (kind, resource) {
            (Kind::UserKeypair, Resource::Keypair(keypair)) => {
                let user = keypair.params.user_ref.as_ref().and_then(|user| user.name.as_deref());
                self.get(kind).matches_optional(user)
                    && self.get(Kind::Keypair).matches_optional(resource.name())
            }
            _ => self.get(kind).matches_optional(resource.filter_name()),
        }
    }
}
