//! The values a member can hold, read leniently and written in one way.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Form, ProblemKind, Reader};
use crate::yaml::{Map, Node};

/// A value of a member.
pub(crate) trait Field: Sized {
    /// What to tell the user that belongs here.
    const EXPECTED: &'static str;

    /// Reads the value; `None` after a problem was written down.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// The value as YAML.
    fn write(&self, form: Form) -> Node;
}

impl Field for String {
    const EXPECTED: &'static str = "a string";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        // A number or a boolean where a string stands is taken as it was typed.
        match node {
            Node::Text(text) => return Some(text.clone()),
            Node::Plain(text) if !node.is_null() => return Some(text.clone()),
            _ => reader.wrong_type::<Self>(node),
        }
        None
    }

    fn write(&self, _form: Form) -> Node {
        Node::text(self)
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let value = node.scalar().and_then(|text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        });
        if value.is_none() {
            reader.wrong_type::<Self>(node);
        }
        value
    }

    fn write(&self, _form: Form) -> Node {
        Node::from(*self)
    }
}

macro_rules! integer_field {
    ($($ty:ty => $expected:literal),*) => {$(
        impl Field for $ty {
            const EXPECTED: &'static str = $expected;

            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let value = node.as_integer().and_then(|value| <$ty>::try_from(value).ok());
                if value.is_none() {
                    reader.wrong_type::<Self>(node);
                }
                value
            }

            fn write(&self, _form: Form) -> Node {
                Node::Plain(self.to_string())
            }
        }
    )*};
}
integer_field!(u64 => "a whole number, not negative", i64 => "a whole number", u16 => "a port number (0-65535)");

impl Field for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let value = node.as_float();
        if value.is_none() {
            reader.wrong_type::<Self>(node);
        }
        value
    }

    fn write(&self, _form: Form) -> Node {
        Node::from(*self)
    }
}

impl Field for Json {
    const EXPECTED: &'static str = "a value";

    fn read(node: &Node, _reader: &mut Reader) -> Option<Self> {
        Some(node.to_json())
    }

    fn write(&self, _form: Form) -> Node {
        Node::from(self)
    }
}

impl<T: Field> Field for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.is_null() {
            return Some(None);
        }
        T::read(node, reader).map(Some)
    }

    fn write(&self, form: Form) -> Node {
        self.as_ref().map_or_else(Node::null, |value| value.write(form))
    }
}

impl<T: Field> Field for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.is_null() {
            return Some(Self::new());
        }
        let Some(items) = node.as_list() else {
            reader.wrong_type::<Self>(node);
            return None;
        };
        let read = |(index, item)| reader.at_index(index, |reader| T::read(item, reader));
        let values: Vec<Option<T>> = items.iter().enumerate().map(read).collect();
        values.into_iter().collect()
    }

    fn write(&self, form: Form) -> Node {
        Node::List(self.iter().map(|item| item.write(form)).collect())
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    const EXPECTED: &'static str = "a mapping";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.is_null() {
            return Some(Self::new());
        }
        let Some(map) = node.as_map() else {
            reader.wrong_type::<Self>(node);
            return None;
        };
        let mut values = Self::new();
        let mut complete = true;
        for (key, value) in map.iter() {
            let Some(key) = key.scalar() else {
                reader.problem(ProblemKind::Value, "a key of this mapping is not a string: make it one");
                complete = false;
                continue;
            };
            match reader.at_key(key, |reader| T::read(value, reader)) {
                Some(value) => {
                    values.insert(key.to_owned(), value);
                }
                None => complete = false,
            }
        }
        complete.then_some(values)
    }

    fn write(&self, form: Form) -> Node {
        let entries = self.iter().map(|(key, value)| (Node::text(key), value.write(form)));
        Node::Map(Map::from_iter(entries))
    }
}
