//! Reading YAML text.
//!
//! The parser below resolves plain scalars by other rules than PyYAML and does not keep their
//! text. So a document is read twice: once for its shape, once for the text of each scalar that
//! the first pass took for something else than a string; that text is resolved anew.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

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
    let shape: Shape = serde_yaml::from_str(text).map_err(syntax_error)?;
    // Quotes do not show in a parsed key; a document that quotes this one means the string.
    let merge = !text.contains("'<<':") && !text.contains("\"<<\":");
    let reading = Reading { shape: &shape, merge };
    match reading.deserialize(serde_yaml::Deserializer::from_str(text)) {
        // There was no scalar at all.
        Err(_) if matches!(shape, Shape::Plain) => Ok(Node::null()),
        outcome => outcome.map_err(syntax_error),
    }
}

fn syntax_error(source: serde_yaml::Error) -> Error {
    let mut error = Error::new(ErrorKind::Syntax, format!("not valid YAML: {source}"));
    if let Some(location) = source.location() {
        error = error.with_position(location.line(), location.column());
    }
    error.with_source(source)
}

/// What the first reading found.
enum Shape {
    /// A scalar that is not a string to the parser.
    Plain,
    Text,
    List(Vec<Shape>),
    Map(Vec<(Shape, Shape)>),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

/// Any scalar but a string.
macro_rules! plain_shapes {
    ($($visit:ident($ty:ty)),*) => {$(
        fn $visit<E>(self, _: $ty) -> std::result::Result<Shape, E> {
            Ok(Shape::Plain)
        }
    )*};
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    plain_shapes!(
        visit_bool(bool),
        visit_i64(i64),
        visit_u64(u64),
        visit_i128(i128),
        visit_u128(u128),
        visit_f64(f64)
    );

    fn visit_unit<E>(self) -> std::result::Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_none<E>(self) -> std::result::Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> std::result::Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Shape::Map(entries))
    }
}

/// The second reading, led by the shape that the first one found.
#[derive(Clone, Copy)]
struct Reading<'s> {
    shape: &'s Shape,
    merge: bool,
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Node, D::Error> {
        match self.shape {
            Shape::Plain | Shape::Text => deserializer.deserialize_str(self),
            Shape::List(_) => deserializer.deserialize_seq(self),
            Shape::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value that the first reading found")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Node, E> {
        Ok(match self.shape {
            Shape::Text => Node::text(text),
            _ => plain(text),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<Node, A::Error> {
        let Shape::List(shapes) = self.shape else { return Err(A::Error::custom("not a list")) };
        let mut items = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let Some(item) = access.next_element_seed(Reading { shape, ..self })? else { break };
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> std::result::Result<Node, A::Error> {
        let Shape::Map(shapes) = self.shape else { return Err(A::Error::custom("not a mapping")) };
        let mut seen = BTreeSet::new();
        let mut entries = Vec::with_capacity(shapes.len());
        for (key, value) in shapes {
            let Some(key) = access.next_key_seed(Reading { shape: key, ..self })? else { break };
            let value = access.next_value_seed(Reading { shape: value, ..self })?;
            let Some(name) = key.scalar() else {
                return Err(A::Error::custom("a key must be a string or a number"));
            };
            if !seen.insert((key.as_str().is_some(), name.to_owned())) {
                return Err(A::Error::custom(format!("duplicate key `{name}`: remove one of them")));
            }
            entries.push((key, value));
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
