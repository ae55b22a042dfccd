//! Reading YAML text.
//!
//! The parser below resolves plain scalars by other rules than PyYAML and does not keep their
//! text. So a document is read twice: once for its shape, once for the text of each scalar that
//! the first pass took for something else than a string; that text is resolved anew.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;

use super::resolve::{self, Resolved};
use super::{Map, Node};
use crate::error::{Error, ErrorKind, Result};

/// Reads one YAML document.
///
/// Anchors, aliases and merge keys are resolved. An empty document is null.
///
/// # Errors
///
/// [`ErrorKind::Syntax`] with line and column when the text is not YAML, holds more than one
/// document, a duplicate key or a tag of a foreign type.
pub fn load(text: &str) -> Result<Node> {
    let shape: Value = match serde_yaml::from_str(text) {
        Ok(shape) => shape,
        Err(error) => return Err(syntax_error(error)),
    };
    if shape.is_null() {
        return Ok(Node::null());
    }
    // Quotes do not show in a parsed key; a document that quotes this one means the string.
    let merge = !text.contains("'<<':") && !text.contains("\"<<\":");
    let scalars = Scalars { shape: &shape, merge };
    scalars.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(syntax_error)
}

fn syntax_error(source: serde_yaml::Error) -> Error {
    let mut error = Error::new(ErrorKind::Syntax, format!("not valid YAML: {source}"));
    if let Some(location) = source.location() {
        error = error.with_position(location.line(), location.column());
    }
    error.with_source(source)
}

/// The second reading, led by the shape that the first one found.
#[derive(Clone, Copy)]
struct Scalars<'v> {
    shape: &'v Value,
    merge: bool,
}

impl<'de> DeserializeSeed<'de> for Scalars<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Node, D::Error> {
        match self.shape {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                deserializer.deserialize_str(self)
            }
            Value::Sequence(_) => deserializer.deserialize_seq(self),
            Value::Mapping(_) => deserializer.deserialize_map(self),
            Value::Tagged(tagged) => {
                Err(D::Error::custom(format!("the tag {} is not supported: remove it", tagged.tag)))
            }
        }
    }
}

impl<'de> Visitor<'de> for Scalars<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value that the first reading found")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Node, E> {
        Ok(match self.shape {
            Value::String(text) => Node::text(text),
            _ => plain(text),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<Node, A::Error> {
        let shapes = self.shape.as_sequence().map_or(&[][..], Vec::as_slice);
        let mut items = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let Some(item) = access.next_element_seed(Self { shape, ..self })? else { break };
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> std::result::Result<Node, A::Error> {
        let mut entries = Vec::new();
        for (key, value) in self.shape.as_mapping().into_iter().flatten() {
            let Some(key) = access.next_key_seed(Self { shape: key, ..self })? else { break };
            entries.push((key, access.next_value_seed(Self { shape: value, ..self })?));
        }
        if !self.merge {
            return Ok(Node::Map(entries.into_iter().collect()));
        }
        merge(entries).map_err(A::Error::custom)
    }
}

/// A plain scalar that the first reading did not take for a string.
fn plain(text: &str) -> Node {
    match resolve::resolve(text) {
        Resolved::Text => Node::text(text),
        Resolved::Null => Node::null(),
        Resolved::Bool(value) => Node::from(value),
        Resolved::Int | Resolved::Float => Node::Plain(text.to_owned()),
    }
}

/// Applies the merge key: explicit keys win, then the mappings in their order.
fn merge(entries: Vec<(Node, Node)>) -> std::result::Result<Node, &'static str> {
    let is_merge = |(key, value): &(Node, Node)| key.as_str() == Some("<<") && value.scalar().is_none();
    if !entries.iter().any(is_merge) {
        return Ok(Node::Map(entries.into_iter().collect()));
    }
    let (merges, explicit): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_merge);
    let mut merged = Map::default();
    for (_, value) in merges {
        let sources = match value {
            Node::List(sources) => sources,
            one => vec![one],
        };
        for source in sources.iter().rev() {
            let map = source.as_map().ok_or("a merge key `<<` needs a mapping or a list of mappings")?;
            for (key, value) in map.iter() {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    for (key, value) in explicit {
        merged.insert(key, value);
    }
    Ok(Node::Map(merged))
}
