//! The reader: walks a mapping and writes down every problem with the path to it.

use std::fmt;

use super::{Extra, Field, Form, plain_name};
use crate::yaml::{Map, Node};

/// How strictly the members of a record are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// `params`: each member must be there, no other may be.
    Params,
    /// `_migration_params`: each member must be there, others are kept.
    Migration,
    /// `_info` and loose settings: anything goes.
    Info,
    /// A reference: exactly its three keys.
    Reference,
}

impl Policy {
    /// What to tell the user that belongs here.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Reference => "a reference with domain_name, name and project_name",
            Self::Params | Self::Migration | Self::Info => "a mapping",
        }
    }
}

/// What kind of problem was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// A member is not there: reading goes on with a default.
    Missing,
    /// A member nobody knows: it is kept.
    Unknown,
    /// A member that must hold something is empty.
    Empty,
    /// A value that cannot be understood.
    Value,
}

/// One problem and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) reference: bool,
    pub(crate) path: String,
    pub(crate) message: String,
}

/// The way from the resource to a value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path(Vec<Segment>);

#[derive(Debug, Clone)]
enum Segment {
    Key(String),
    Index(usize),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Collects problems while a resource is read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: Path,
    problems: Vec<Problem>,
    reference: bool,
}

impl Reader {
    /// Reads a value one key deeper.
    pub(crate) fn at_key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.0.push(Segment::Key(key.to_owned()));
        let value = read(self);
        self.path.0.pop();
        value
    }

    /// Reads an item of a list.
    pub(crate) fn at_index<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.0.push(Segment::Index(index));
        let value = read(self);
        self.path.0.pop();
        value
    }

    /// Writes a problem down.
    pub(crate) fn problem(&mut self, kind: ProblemKind, message: impl Into<String>) {
        let path = self.path.to_string();
        self.problems.push(Problem { kind, reference: self.reference, path, message: message.into() });
    }

    /// Writes down that a value is not what its member holds.
    pub(crate) fn wrong_type<T: Field>(&mut self, node: &Node) {
        let expected = T::EXPECTED;
        self.problem(ProblemKind::Value, format!("expected {expected}, found {}", node.describe()));
    }

    /// What was found, in the order of the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// The members of one mapping, taken out one by one.
pub(crate) struct Members<'m, 'r> {
    map: &'m Map,
    reader: &'r mut Reader,
    policy: Policy,
    known: Vec<&'static str>,
    absent: Vec<(&'static str, Node)>,
    kept: Vec<(Node, Node)>,
    outer_reference: bool,
}

impl<'m, 'r> Members<'m, 'r> {
    pub(crate) fn new(map: &'m Map, reader: &'r mut Reader, policy: Policy) -> Self {
        let outer_reference = reader.reference;
        reader.reference = policy == Policy::Reference;
        Self { map, reader, policy, known: Vec::new(), absent: Vec::new(), kept: Vec::new(), outer_reference }
    }

    /// The value of a member that belongs to the format.
    pub(crate) fn member<T: Field>(&mut self, field: &'static str, blank: T) -> T {
        let key = plain_name(field);
        self.known.push(key);
        let Some(node) = self.map.get(key) else {
            if self.policy != Policy::Info {
                self.reader.at_key(key, |reader| reader.problem(ProblemKind::Missing, missing::<T>(key)));
            }
            self.absent.push((key, blank.write(Form::File)));
            return blank;
        };
        self.reader.at_key(key, |reader| T::read(node, reader)).unwrap_or(blank)
    }

    /// The value of a member that may be left out.
    pub(crate) fn optional<T: Field>(&mut self, field: &'static str, blank: T) -> T {
        let key = plain_name(field);
        self.known.push(key);
        let Some(node) = self.map.get(key) else { return blank };
        if node.is_null() {
            // It is not written when it is nothing; this null was.
            self.kept.push((Node::text(key), Node::null()));
        }
        self.reader.at_key(key, |reader| T::read(node, reader)).unwrap_or(blank)
    }

    /// One of the parts of a resource; an absent one counts as empty.
    pub(crate) fn section<T: Field + Default>(&mut self, key: &'static str) -> T {
        self.known.push(key);
        let empty = Node::Map(Map::default());
        let node = match self.map.get(key) {
            Some(node) => node,
            None => {
                self.absent.push((key, empty.clone()));
                &empty
            }
        };
        self.reader.at_key(key, |reader| T::read(node, reader)).unwrap_or_default()
    }

    /// The same, but without it the resource makes no sense.
    pub(crate) fn required_section<T: Field + Default>(&mut self, key: &'static str) -> T {
        let mark = self.reader.problems.len();
        let value = self.section(key);
        if self.map.get(key).is_none() {
            self.reader.problems.truncate(mark);
            self.reader.at_key(key, |reader| reader.problem(ProblemKind::Missing, missing::<T>(key)));
        }
        value
    }

    /// The type a resource must name.
    pub(crate) fn type_tag(&mut self, expected: &'static str) {
        self.known.push("type");
        match self.map.get("type") {
            Some(node) if node.as_str() == Some(expected) => {}
            Some(node) => {
                let message = format!("expected the type {expected}, found {}", node.describe());
                self.reader.at_key("type", |reader| reader.problem(ProblemKind::Value, message));
            }
            None => {
                self.absent.push(("type", Node::text(expected)));
                let message = format!("member `type` is missing: add `type: {expected}`");
                self.reader.at_key("type", |reader| reader.problem(ProblemKind::Missing, message));
            }
        }
    }

    /// Ends the record: what is left over is unknown.
    pub(crate) fn finish(&mut self) -> Extra {
        for (key, value) in self.map.iter() {
            if key.as_str().is_some_and(|name| self.known.contains(&name)) {
                continue;
            }
            if matches!(self.policy, Policy::Params | Policy::Reference) {
                let name = key.to_plain_string();
                self.reader.at_key(&name, |reader| reader.problem(ProblemKind::Unknown, unknown(&name)));
            }
            self.kept.push((key.clone(), value.clone()));
        }
        if self.policy == Policy::Reference && self.map.get("name").is_some_and(Node::is_blank) {
            let message =
                "the reference has no name: name what it refers to, or write null instead of the reference";
            self.reader.at_key("name", |reader| reader.problem(ProblemKind::Empty, message));
        }
        self.reader.reference = self.outer_reference;
        Extra::new(std::mem::take(&mut self.kept), std::mem::take(&mut self.absent))
    }
}

fn missing<T: Field>(key: &str) -> String {
    format!("member `{key}` is missing: add it ({}, as the export wrote it)", T::EXPECTED)
}

fn unknown(key: &str) -> String {
    format!("unknown key `{key}`: remove it or correct its spelling")
}
