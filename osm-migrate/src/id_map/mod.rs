//! Which object of the destination each object of the source became, so that what refers to them by id
//! can be pointed at the new ones.
//!
//! It is a file of the data directory, written by imports and moves, and the same bytes as long as
//! nothing else is there. Nothing of ours reads it to decide anything: it can be deleted, and the next
//! run writes it again.

mod terraform;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use osm_model::yaml::{self, Map, Node};
use osm_model::{Kind, Resource};
use serde::Serialize;

use crate::data_dir::replace;
use crate::label::label;
use crate::{DataDir, Error, ErrorKind, Event, EventSink, Result};

/// What a server brings along that is no kind of its own.
const PARTS: [&str; 3] = [Moved::VOLUMES, Moved::PORTS, Moved::FLOATING_IPS];

/// An object of the source and what it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The plural word of its kind, `networks`, or `volumes`, `ports`, `floating_ips` of workloads.
    pub kind: String,
    /// Its name, or what tells it apart when it has none.
    pub name: Option<String>,
    /// Its id in the source; none when its file says none.
    pub source_id: Option<String>,
    /// Its id in the destination.
    pub destination_id: String,
}

impl Moved {
    /// The volumes of workloads.
    pub const VOLUMES: &str = "volumes";
    /// The ports of workloads.
    pub const PORTS: &str = "ports";
    /// The floating IPs of workloads.
    pub const FLOATING_IPS: &str = "floating_ips";

    /// A resource of a file.
    pub(crate) fn of(kind: Kind, resource: &Resource, destination_id: &str) -> Self {
        let source_id = resource.id().map(str::to_owned);
        Self {
            kind: kind.word().to_owned(),
            name: label(resource),
            source_id,
            destination_id: destination_id.to_owned(),
        }
    }

    /// Kinds in the order of their files, then what is told apart by names, then by ids.
    fn key(&self) -> Key {
        let kinds = Kind::IN_ORDER.iter().map(|kind| kind.word()).chain(PARTS);
        let rank = kinds.into_iter().position(|word| word == self.kind).unwrap_or(usize::MAX);
        // The keypairs of two users may have one id, which is their name.
        let is_named = self.source_id.is_none() || self.kind == Kind::UserKeypair.word();
        let name = self.name.clone().filter(|_| is_named);
        (rank, self.kind.clone(), self.source_id.clone(), name)
    }
}

type Key = (usize, String, Option<String>, Option<String>);

/// The map: one entry an object of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMap {
    entries: BTreeMap<Key, Moved>,
}

impl IdMap {
    /// Its name in the data directory.
    pub const FILE_NAME: &str = "id_map.yaml";

    /// The entries, by kind in the order of an import, and by name.
    pub fn entries(&self) -> Vec<&Moved> {
        let mut entries: Vec<&Moved> = self.entries.values().collect();
        entries.sort_by_key(|moved| (moved.key().0, &moved.name, &moved.source_id));
        entries
    }

    /// Whether nothing has moved.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes what an object became. Returns whether that is new.
    pub fn note(&mut self, moved: Moved) -> bool {
        self.entries.insert(moved.key(), moved.clone()).as_ref() != Some(&moved)
    }

    /// Reads a map.
    ///
    /// # Errors
    /// `Data` when the text is no such map.
    pub fn parse(text: &str) -> Result<Self> {
        let broken = |what: &str| {
            Error::new(ErrorKind::Data, format!("{what}: delete the file, and the next import writes it"))
        };
        let node = yaml::load(text).map_err(|error| broken("it is no YAML").with_source(error))?;
        let list = node.as_map().and_then(|map| map.get("moved"));
        let Some(Node::List(items)) = list else { return Err(broken("it has no list `moved`")) };
        let mut map = Self::default();
        for item in items {
            let text = |key: &str| {
                let value = item.as_map()?.get(key).filter(|value| !value.is_null())?;
                value.scalar().map(str::to_owned)
            };
            let (Some(kind), Some(destination_id)) = (text("kind"), text("destination_id")) else {
                return Err(broken("an entry lacks `kind` or `destination_id`"));
            };
            map.note(Moved { kind, name: text("name"), source_id: text("source_id"), destination_id });
        }
        Ok(map)
    }

    /// The text of its file.
    pub fn to_yaml(&self) -> String {
        let text = |value: &Option<String>| value.as_deref().map_or_else(Node::null, Node::text);
        let entries = self.entries().into_iter().map(|moved| {
            let mut map = Map::default();
            map.insert(Node::text("kind"), Node::text(&moved.kind));
            map.insert(Node::text("name"), text(&moved.name));
            map.insert(Node::text("source_id"), text(&moved.source_id));
            map.insert(Node::text("destination_id"), Node::text(&moved.destination_id));
            Node::Map(map)
        });
        let mut map = Map::default();
        map.insert(Node::text("moved"), Node::List(entries.collect()));
        yaml::dump(&Node::Map(map))
    }

    /// A table with a line of headings, as RFC 4180 has it.
    pub fn to_csv(&self) -> String {
        let mut text = "kind,name,source_id,destination_id\r\n".to_owned();
        for Moved { kind, name, source_id, destination_id } in self.entries() {
            let fields = [Some(kind), name.as_ref(), source_id.as_ref(), Some(destination_id)];
            let fields = fields.map(|field| quoted(field.map(String::as_str).unwrap_or_default()));
            text.push_str(&fields.join(","));
            text.push_str("\r\n");
        }
        text
    }

    /// An `import` block for each object that Terraform's OpenStack provider knows, and a remark for each
    /// other.
    pub fn to_terraform(&self) -> String {
        terraform::text(&self.entries())
    }
}

impl DataDir {
    /// The map of ids; `None` when nothing has moved yet.
    ///
    /// # Errors
    /// It cannot be read, or is no such map.
    pub fn read_id_map(&self) -> Result<Option<IdMap>> {
        let path = self.path().join(IdMap::FILE_NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error).with_object(path.display().to_string())),
        };
        IdMap::parse(&text).map(Some).map_err(|error| error.with_object(path.display().to_string()))
    }

    /// Notes what objects became; a failure is told and stops nothing, for the next run notes the same.
    pub(crate) fn note_moved(&self, moved: Vec<Moved>, events: &dyn EventSink) {
        /// Several workloads are moved at once.
        static WRITING: Mutex<()> = Mutex::new(());
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.read_id_map().and_then(|map| {
            let mut map = map.unwrap_or_default();
            let mut changed = false;
            for moved in moved {
                changed |= map.note(moved);
            }
            if !changed {
                return Ok(());
            }
            let path = self.path().join(IdMap::FILE_NAME);
            replace(&path, map.to_yaml().as_bytes(), 0o644)
                .map_err(|error| Error::from(error).with_object(path.display().to_string()))
        });
        if let Err(error) = written {
            let message = format!("the map of ids is not up to date: {}", error.chain());
            events.emit(&Event::Warning { workload: None, message });
        }
    }
}

/// A field of a table.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) || field.trim() != field {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn moved(kind: &str, name: &str, source: &str, destination: &str) -> Moved {
        Moved {
            kind: kind.into(),
            name: Some(name.into()),
            source_id: Some(source.into()),
            destination_id: destination.into(),
        }
    }

    #[test]
    fn an_object_has_one_entry_and_keypairs_are_told_apart_by_their_user() {
        let mut map = IdMap::default();
        assert!(map.note(moved("subnets", "a", "s1", "d1")));
        assert!(!map.note(moved("subnets", "a", "s1", "d1")));
        assert!(map.note(moved("subnets", "renamed", "s1", "d2")));
        assert!(map.note(moved("users_keypairs", "alice: key", "key", "key")));
        assert!(map.note(moved("users_keypairs", "bob: key", "key", "key")));
        assert!(map.note(moved("networks", "z", "s1", "d3")));
        let shown: Vec<_> = map.entries().iter().map(|it| format!("{} {:?}", it.kind, it.name)).collect();
        let expected = [
            "users_keypairs Some(\"alice: key\")",
            "users_keypairs Some(\"bob: key\")",
            "networks Some(\"z\")",
        ];
        assert_eq!(shown[..3], expected);
        assert_eq!(map.entries()[3].destination_id, "d2");
    }

    #[test]
    fn is_read_as_it_was_written() {
        let mut map = IdMap::default();
        for (index, name) in
            ["yes", "1e3", "a: b", "\"quoted\"", "two\nlines", " end ", ""].iter().enumerate()
        {
            map.note(moved("networks", name, &format!("s{index}"), "12345678"));
        }
        map.note(Moved { name: None, source_id: None, ..moved("images", "", "", "d") });
        assert_eq!(IdMap::parse(&map.to_yaml()).unwrap(), map);
        assert_eq!(IdMap::parse("moved: []\n").unwrap(), IdMap::default());
        for broken in ["", "moved: 1", "moved: [{kind: networks}]", "moved: [1]", "{"] {
            let error = IdMap::parse(broken).unwrap_err();
            assert!(error.to_string().contains("delete the file"), "{broken:?}: {error}");
        }
    }

    #[test]
    fn a_table_quotes_what_needs_it() {
        let mut map = IdMap::default();
        map.note(moved("networks", "a \"b\", c", "s", "d"));
        map.note(moved("networks", "plain", "s2", "d2"));
        let expected = "kind,name,source_id,destination_id\r\nnetworks,\"a \"\"b\"\", c\",s,d\r\nnetworks,plain,s2,d2\r\n";
        assert_eq!(map.to_csv(), expected);
    }
}
