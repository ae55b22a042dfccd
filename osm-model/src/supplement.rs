//! What the files of OS Migrate have no place for, in a file beside them.
//!
//! The resource files stay byte for byte what OS Migrate writes. What it loses (the order of name
//! servers, the tags of images, address pairs of ports) stands in `supplement.yaml`, by the id that the resource has on the
//! source. Neither program takes a `.yaml` file for a resource file.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::record::{Field, Form, ProblemKind, Reader, record};
use crate::yaml::{self, Map, Node};

const RESOURCES_KEY: &str = "resources";

/// What is known of resources beyond their files, by source id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Supplement {
    additions: BTreeMap<String, Addition>,
}

record! {
    /// What is known of one resource beyond its file.
    #[derive(Default)]
    pub struct Addition: Info {}
    optional {
        /// The further addresses from which a server's port may send.
        allowed_address_pairs: Option<Vec<AddressPair>>,
        /// The name servers of a subnet in their order, where that is not the alphabet's.
        dns_nameservers: Option<Vec<String>>,
        /// Its name, for the reader.
        name: Option<String>,
        /// Whether a server's port has port security, where it has none.
        port_security_enabled: Option<bool>,
        /// The tags of an image.
        tags: Option<Vec<String>>,
        /// Its type, for the reader.
        r#type: Option<String>,
    }
}

record! {
    /// An address, or a network, from which a port may send beside its own.
    #[derive(Default)]
    pub struct AddressPair: Info {
        /// The address or network.
        ip_address: Option<String>,
    }
    optional {
        /// The MAC address, where it is another than the port's.
        mac_address: Option<String>,
    }
}

impl Addition {
    /// Whether it says nothing.
    pub fn is_blank(&self) -> bool {
        let Self {
            allowed_address_pairs,
            dns_nameservers,
            name: _,
            port_security_enabled,
            tags,
            r#type: _,
            extra,
        } = self;
        allowed_address_pairs.is_none()
            && dns_nameservers.is_none()
            && port_security_enabled.is_none()
            && tags.is_none()
            && extra.is_empty()
    }
}

impl Supplement {
    /// Its name in the data directory.
    pub const FILE_NAME: &str = "supplement.yaml";

    /// Reads a supplement.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Syntax`] or [`ErrorKind::Field`] with the first fault.
    pub fn parse(text: &str) -> Result<Self> {
        let node = yaml::load(text)?;
        let found = node.as_map().and_then(|map| map.get(RESOURCES_KEY));
        let Some(resources) = found.and_then(Node::as_map) else {
            let message = format!(
                "a supplement is a mapping with the mapping `{RESOURCES_KEY}` in it; found {}: export again, or remove it",
                node.describe()
            );
            return Err(Error::new(ErrorKind::Syntax, message));
        };
        let mut reader = Reader::default();
        let mut additions = BTreeMap::new();
        for (id, node) in resources.iter() {
            let id = id.to_plain_string();
            if let Some(addition) = reader.at_key(&id, |reader| Addition::read(node, reader)) {
                additions.insert(id, addition);
            }
        }
        match reader.into_problems().into_iter().find(|problem| problem.kind == ProblemKind::Value) {
            None => Ok(Self { additions }),
            Some(problem) => {
                let context = Context { field: Some(problem.path), ..Context::default() };
                Err(Error::new(ErrorKind::Field, problem.message).with_context(context))
            }
        }
    }

    /// The text of its file.
    pub fn to_yaml(&self) -> String {
        let said = self.additions.iter().filter(|(_, addition)| !addition.is_blank());
        let entries = said.map(|(id, addition)| (Node::text(id), addition.write(Form::File)));
        let mut map = Map::default();
        map.insert(Node::text(RESOURCES_KEY), Node::Map(entries.collect()));
        yaml::dump(&Node::Map(map))
    }

    /// What is known of the resource of an id.
    pub fn get(&self, id: &str) -> Option<&Addition> {
        self.additions.get(id)
    }

    /// Notes what is known of the resource of an id; that it is nothing is known too.
    pub fn set(&mut self, id: impl Into<String>, addition: Addition) {
        self.additions.insert(id.into(), addition);
    }

    /// Takes over what is known newly. Returns the ids of which something else is said now.
    pub fn merge(&mut self, newer: &Self) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        for (id, addition) in &newer.additions {
            let differs = match addition.is_blank() {
                true => self.additions.remove(id).is_some(),
                false => self.additions.insert(id.clone(), addition.clone()).as_ref() != Some(addition),
            };
            if differs {
                changed.insert(id.clone());
            }
        }
        changed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn tagged(tags: &[&str]) -> Addition {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Addition { tags: Some(tags), name: Some("yes".to_owned()), ..Addition::default() }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let mut supplement = Supplement::default();
        supplement.set("a", tagged(&["1e3", "b"]));
        supplement.set("b", Addition::default());
        let text = supplement.to_yaml();
        assert_eq!(text, "resources:\n  a:\n    name: 'yes'\n    tags:\n    - 1e3\n    - b\n");
        assert_eq!(Supplement::parse(&text).unwrap().get("a"), supplement.get("a"));
        assert_eq!(Supplement::parse("resources: {}\n").unwrap(), Supplement::default());
    }

    #[test]
    fn a_merge_replaces_forgets_and_keeps() {
        let mut supplement = Supplement::default();
        supplement.set("kept", tagged(&["x"]));
        supplement.set("gone", tagged(&["y"]));
        let mut newer = Supplement::default();
        newer.set("gone", Addition::default());
        newer.set("new", tagged(&["z"]));
        assert_eq!(supplement.merge(&newer), ["gone".to_owned(), "new".to_owned()].into());
        assert_eq!(supplement.merge(&newer), BTreeSet::new());
        assert_eq!(supplement.get("kept"), Some(&tagged(&["x"])));
        assert_eq!((supplement.get("gone"), supplement.get("new")), (None, Some(&tagged(&["z"]))));
    }

    #[test]
    fn a_fault_names_its_place() {
        let error = Supplement::parse("resources:\n  a:\n    tags: x\n").unwrap_err();
        assert_eq!(error.context().field.as_deref(), Some("a.tags"));
        assert!(error.message().contains("expected a list"), "{error}");
        for text in ["", "- a\n", "resources: []\n"] {
            assert_eq!(Supplement::parse(text).unwrap_err().kind(), ErrorKind::Syntax, "{text:?}");
        }
    }
}
