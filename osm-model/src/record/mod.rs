//! Records: the mappings of a resource file with a known set of members.
//!
//! One declaration gives the struct, the lenient reader that reports every problem with its
//! field path, and the writer. What a record does not know is kept in [`Extra`] and written back.

mod field;
mod reader;

pub(crate) use field::Field;
pub(crate) use reader::{Members, Policy, Problem, ProblemKind, Reader};

use crate::yaml::{Map, Node};

/// What a mapping held besides its modelled members, kept when the file is rewritten.
///
/// It also remembers which members were absent, so that reading and writing a file does not
/// make up values nobody wrote.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extra {
    unknown: Vec<(Node, Node)>,
    absent: Vec<(&'static str, Node)>,
}

impl Extra {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.absent.is_empty()
    }

    /// The value of an unknown key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.unknown.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Whether a modelled member was not in the file, which is not the same as a null there.
    pub fn is_absent(&self, key: &str) -> bool {
        self.absent.iter().any(|(name, _)| *name == key)
    }

    pub(crate) fn unknown(&self) -> impl Iterator<Item = &(Node, Node)> {
        self.unknown.iter()
    }

    pub(crate) fn new(unknown: Vec<(Node, Node)>, absent: Vec<(&'static str, Node)>) -> Self {
        Self { unknown, absent }
    }
}

/// For whom a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For the file: everything.
    File,
    /// For the comparison of an import: what can be sent to a cloud, nothing else.
    Compared,
}

/// A mapping with known members.
pub(crate) trait Record: Sized + Default {
    /// How strict its members are checked.
    const POLICY: Policy;

    /// Takes the members out of a mapping.
    fn read_members(members: &mut Members<'_, '_>) -> Self;

    /// Puts the members into a mapping.
    fn write_members(&self, writer: &mut Writer);
}

/// Builds the mapping of one record.
pub(crate) struct Writer {
    form: Form,
    map: Map,
}

impl Writer {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, map: Map::default() }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn member<T: Field>(&mut self, key: &'static str, value: &T) {
        let node = value.write(self.form);
        self.map.insert(Node::text(plain_name(key)), node);
    }

    pub(crate) fn optional<T: Field>(&mut self, key: &'static str, value: &T) {
        let node = value.write(self.form);
        if !node.is_null() {
            self.map.insert(Node::text(plain_name(key)), node);
        }
    }

    pub(crate) fn node(&mut self, key: &'static str, node: Node) {
        self.map.insert(Node::text(key), node);
    }

    /// Adds what was kept and takes out what was never there.
    pub(crate) fn finish(mut self, extra: &Extra) -> Node {
        if self.form == Form::File {
            for (key, blank) in &extra.absent {
                if self.map.get(key) == Some(blank) {
                    self.map.remove(key);
                }
            }
            for (key, value) in &extra.unknown {
                if key.as_str().is_none_or(|key| self.map.get(key).is_none()) {
                    self.map.insert(key.clone(), value.clone());
                }
            }
        }
        Node::Map(self.map)
    }
}

/// The YAML key of a Rust field: raw identifiers lose their mark.
pub(crate) fn plain_name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Declares a record: its struct, reader and writer.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident : $policy:ident {
            $( $(#[$doc:meta])* $field:ident : $ty:ty, )*
        }
        $( optional { $( $(#[$odoc:meta])* $ofield:ident : $oty:ty, )* } )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name {
            $( $(#[$doc])* $vis $field: $ty, )*
            $( $( $(#[$odoc])* $vis $ofield: $oty, )* )?
            /// Keys that are not modelled, kept on rewrite.
            $vis extra: $crate::record::Extra,
        }

        impl $crate::record::Record for $name {
            const POLICY: $crate::record::Policy = $crate::record::Policy::$policy;

            #[allow(unused_variables)]
            fn read_members(members: &mut $crate::record::Members<'_, '_>) -> Self {
                let blank = Self::default();
                $( let $field = members.member(stringify!($field), blank.$field); )*
                $( $( let $ofield = members.optional(stringify!($ofield), blank.$ofield); )* )?
                Self { $( $field, )* $( $( $ofield, )* )? extra: members.finish() }
            }

            #[allow(unused_variables)]
            fn write_members(&self, writer: &mut $crate::record::Writer) {
                $( writer.member(stringify!($field), &self.$field); )*
                $( $( writer.optional(stringify!($ofield), &self.$ofield); )* )?
            }
        }

        impl $crate::record::Field for $name {
            const EXPECTED: &'static str = <Self as $crate::record::Record>::POLICY.expected();

            fn read(node: &$crate::yaml::Node, reader: &mut $crate::record::Reader) -> Option<Self> {
                $crate::record::read_record(node, reader)
            }

            fn write(&self, form: $crate::record::Form) -> $crate::yaml::Node {
                let mut writer = $crate::record::Writer::new(form);
                $crate::record::Record::write_members(self, &mut writer);
                writer.finish(&self.extra)
            }
        }
    };
}
pub(crate) use record;

/// Reads a mapping as a record; `None` when it is not a mapping.
pub(crate) fn read_record<R: Record + Field>(node: &Node, reader: &mut Reader) -> Option<R> {
    let Some(map) = node.as_map() else {
        reader.wrong_type::<R>(node);
        return None;
    };
    let mut members = Members::new(map, reader, R::POLICY);
    Some(R::read_members(&mut members))
}
