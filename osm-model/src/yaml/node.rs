//! The tree of a YAML document.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::resolve::{self, Resolved};

/// A value of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A plain scalar that is not a string: null, a boolean or a number, as typed.
    Plain(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

/// A mapping that keeps the order of its keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Vec<(Node, Node)>);

impl Node {
    /// Null.
    pub fn null() -> Self {
        Self::Plain("null".to_owned())
    }

    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Plain(text) if resolve::resolve(text) == Resolved::Null)
    }

    /// Whether this is null or the empty string.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_null() || self.as_str() == Some("")
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar, whatever its type.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The whole number that a scalar stands for, typed with or without quotes.
    pub(crate) fn as_integer(&self) -> Option<i128> {
        let text = self.scalar()?;
        match self {
            Self::Plain(text) => resolve::integer(text),
            _ => text.trim().parse().ok().or_else(|| resolve::integer(text)),
        }
    }

    /// The number that a scalar stands for, typed with or without quotes.
    pub(crate) fn as_float(&self) -> Option<f64> {
        let text = self.scalar()?;
        match self {
            Self::Plain(text) => resolve::number(text),
            _ => text
                .trim()
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .or_else(|| resolve::number(text)),
        }
    }

    /// The node in a message: its text, or what kind of collection it is.
    pub(crate) fn describe(&self) -> Cow<'static, str> {
        match self {
            Self::Plain(text) => Cow::Owned(text.clone()),
            Self::Text(text) if text.chars().count() > 40 => {
                Cow::Owned(format!("{:?}...", text.chars().take(40).collect::<String>()))
            }
            Self::Text(text) => Cow::Owned(format!("{text:?}")),
            Self::List(_) => Cow::Borrowed("a list"),
            Self::Map(_) => Cow::Borrowed("a mapping"),
        }
    }

    /// The text of a scalar; of anything else, what it is.
    pub(crate) fn to_plain_string(&self) -> String {
        self.scalar().map_or_else(|| self.describe().into_owned(), str::to_owned)
    }

    /// The same value in JSON; what JSON cannot say becomes its text.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => Json::String(text.clone()),
            Self::Plain(text) => match resolve::resolve(text) {
                Resolved::Null => Json::Null,
                Resolved::Bool(value) => Json::Bool(value),
                Resolved::Int | Resolved::Float => {
                    json_number(text).unwrap_or_else(|| Json::String(text.clone()))
                }
                Resolved::Text => Json::String(text.clone()),
            },
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => Json::Object(
                map.iter().map(|(key, value)| (key.to_plain_string(), value.to_json())).collect(),
            ),
        }
    }
}

fn json_number(text: &str) -> Option<Json> {
    match resolve::integer(text) {
        Some(value) => match i64::try_from(value) {
            Ok(value) => Some(Json::from(value)),
            Err(_) => u64::try_from(value).ok().map(Json::from),
        },
        None => serde_json::Number::from_f64(resolve::number(text)?).map(Json::Number),
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Plain(value.to_string())
    }
}

impl From<f64> for Node {
    fn from(value: f64) -> Self {
        Self::Plain(resolve::float_text(value))
    }
}

impl From<&Json> for Node {
    fn from(value: &Json) -> Self {
        match value {
            Json::Null => Self::null(),
            Json::Bool(value) => Self::from(*value),
            Json::Number(number) if number.is_f64() => Self::from(number.as_f64().unwrap_or(f64::NAN)),
            Json::Number(number) => Self::Plain(number.to_string()),
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Json::Object(map) => {
                Self::Map(map.iter().map(|(key, value)| (Self::text(key), Self::from(value))).collect())
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Plain(_) => self.to_json().serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map.iter() {
                    out.serialize_entry(&key.to_plain_string(), value)?;
                }
                out.end()
            }
        }
    }
}

impl Map {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a string key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Node, Node)> {
        self.0.iter()
    }

    /// Sets the value of a key, in its place if it is there already.
    pub fn insert(&mut self, key: Node, value: Node) {
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Takes a string key out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let position = self.0.iter().position(|(name, _)| name.as_str() == Some(key))?;
        Some(self.0.remove(position).1)
    }
}

impl FromIterator<(Node, Node)> for Map {
    fn from_iter<I: IntoIterator<Item = (Node, Node)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}
