//! The resource file: a version and a list of resources.

use serde::ser::{Serialize, Serializer};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::record::{Extra, Problem, ProblemKind, Reader};
use crate::resource::Resource;
use crate::yaml::{self, Map, Node};

/// The version of OS Migrate whose files are read and written.
pub const OS_MIGRATE_VERSION: &str = "1.0.5";

const VERSION_KEY: &str = "os_migrate_version";
const RESOURCES_KEY: &str = "resources";

/// A resource file.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceFile {
    /// Version of OS Migrate the file belongs to.
    pub version: String,
    /// Resources in the order of the file.
    pub resources: Vec<Resource>,
    /// Keys beside the two, kept on rewrite.
    pub extra: Extra,
}

/// What [`ResourceFile::upsert`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsert {
    /// The same resource was there already, in every detail.
    Unchanged,
    /// The resource was there and differed.
    Replaced,
    /// The resource was not there.
    Appended,
}

impl Default for ResourceFile {
    fn default() -> Self {
        Self { version: OS_MIGRATE_VERSION.to_owned(), resources: Vec::new(), extra: Extra::default() }
    }
}

impl ResourceFile {
    /// A file of this version without resources.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file of the version expected.
    ///
    /// Members that are absent, unknown or empty are let through and kept as they are:
    /// [`crate::validate`] reports them. What cannot be understood is an error.
    ///
    /// # Errors
    ///
    /// The first fault of the file, without its name: add it with [`Error::with_file`].
    pub fn parse(text: &str, expected_version: &str) -> Result<Self> {
        let reading = read(text, expected_version, Strictness::Import);
        match reading.errors.into_iter().next() {
            Some(error) => Err(error),
            None => reading.file.ok_or_else(empty_document),
        }
    }

    /// The file as OS Migrate would write it.
    pub fn to_yaml(&self) -> String {
        yaml::dump(&self.to_node())
    }

    fn to_node(&self) -> Node {
        let resources = self.resources.iter().map(Resource::to_node).collect();
        let mut map = Map::default();
        map.insert(Node::text(VERSION_KEY), Node::text(&self.version));
        map.insert(Node::text(RESOURCES_KEY), Node::List(resources));
        for (key, value) in self.extra.unknown() {
            map.insert(key.clone(), value.clone());
        }
        Node::Map(map)
    }

    /// Writes a resource over the one that stands for the same thing of the source, or appends it.
    pub fn upsert(&mut self, resource: Resource) -> Upsert {
        match self.resources.iter_mut().find(|known| known.is_same(&resource)) {
            Some(known) if *known == resource => Upsert::Unchanged,
            Some(known) => {
                *known = resource;
                Upsert::Replaced
            }
            None => {
                self.resources.push(resource);
                Upsert::Appended
            }
        }
    }
}

impl Serialize for ResourceFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.to_node().serialize(serializer)
    }
}

/// Which problems count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Only what cannot be understood.
    Import,
    /// Everything.
    Validation,
}

/// What a file held.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The file without the resources that could not be understood.
    pub(crate) file: Option<ResourceFile>,
    /// Where each resource of `file` stands in the text.
    pub(crate) positions: Vec<usize>,
    /// Every error in the order of the text.
    pub(crate) errors: Vec<Error>,
}

impl From<Error> for Reading {
    fn from(error: Error) -> Self {
        Self { errors: vec![error], ..Self::default() }
    }
}

/// Reads as much of a file as can be understood.
pub(crate) fn read(text: &str, expected: &str, strictness: Strictness) -> Reading {
    let mut errors = Vec::new();
    let node = match yaml::load(text) {
        Ok(node) => node,
        Err(error) => return error.into(),
    };
    if node.is_null() {
        return empty_document().into();
    }
    let Some(map) = node.as_map() else {
        let message = format!(
            "a resource file is a mapping with `{VERSION_KEY}` and `{RESOURCES_KEY}`; found {}: export it again",
            node.describe()
        );
        return Error::new(ErrorKind::Syntax, message).into();
    };
    let version = map.get(VERSION_KEY).filter(|node| !node.is_null()).and_then(Node::scalar);
    match version {
        Some(version) if version == expected => {}
        // A file of another version has another shape: nothing more can be said of it.
        Some(version) => return wrong_version(Some(version), expected).into(),
        None => errors.push(wrong_version(None, expected)),
    }
    let (positions, resources) = match map.get(RESOURCES_KEY) {
        Some(Node::List(items)) => read_resources(items, strictness, &mut errors),
        found => {
            errors.push(no_list(found));
            Default::default()
        }
    };
    let known = |(key, _): &&(Node, Node)| matches!(key.as_str(), Some(VERSION_KEY | RESOURCES_KEY));
    let unknown = map.iter().filter(|entry| !known(entry)).cloned().collect();
    let version = version.unwrap_or_default().to_owned();
    let file = ResourceFile { version, resources, extra: Extra::new(unknown, Vec::new()) };
    Reading { file: Some(file), positions, errors }
}

fn read_resources(
    items: &[Node],
    strictness: Strictness,
    errors: &mut Vec<Error>,
) -> (Vec<usize>, Vec<Resource>) {
    let mut resources = Vec::new();
    for (index, node) in items.iter().enumerate() {
        let mut reader = Reader::default();
        let resource = Resource::read(node, &mut reader);
        let context = context(index, node);
        for problem in reader.into_problems() {
            if strictness == Strictness::Validation || problem.kind == ProblemKind::Value {
                errors.push(problem_error(problem, context.clone()));
            }
        }
        match resource {
            Ok(resource) => resources.extend(resource.map(|resource| (index, resource))),
            Err(error) => errors.push(error.with_context(context)),
        }
    }
    resources.into_iter().unzip()
}

/// Says which resource is meant, from whatever of it can be read.
fn context(index: usize, node: &Node) -> Context {
    let part = |section: &str, key: &str| {
        let value = node.as_map()?.get(section)?.as_map()?.get(key)?;
        value.scalar().filter(|_| !value.is_null()).map(str::to_owned)
    };
    let type_name = node.as_map().and_then(|map| map.get("type")).and_then(Node::scalar).map(str::to_owned);
    Context {
        resource: Some(index),
        name: part("params", "name"),
        id: part("_info", "id"),
        type_name: type_name.or_else(|| node.as_map().map(|_| String::new())),
        ..Context::default()
    }
}

fn problem_error(problem: Problem, context: Context) -> Error {
    let kind = if problem.reference { ErrorKind::Reference } else { ErrorKind::Field };
    Error::new(kind, problem.message).with_context(Context { field: Some(problem.path), ..context })
}

fn empty_document() -> Error {
    Error::new(ErrorKind::Syntax, "the resource file is empty: export it again or remove it")
}

fn wrong_version(found: Option<&str>, expected: &str) -> Error {
    let (found, why) = match found {
        None => ("no os_migrate_version".to_owned(), "files of other versions need not fit"),
        Some(found) if found.starts_with("0.") => (
            format!("os_migrate_version {found}"),
            "files of OS Migrate 0.x have another shape and cannot be read",
        ),
        Some(found) => (format!("os_migrate_version {found}"), "files of other versions need not fit"),
    };
    Error::new(
        ErrorKind::Version,
        format!("the file says {found}, expected {expected}: {why}; remove the old file and export again"),
    )
}

fn no_list(found: Option<&Node>) -> Error {
    let found = match found {
        None => "it is missing".to_owned(),
        Some(node) => format!("found {}", node.describe()),
    };
    let message = format!("`{RESOURCES_KEY}` must be a list, {found}: write `{RESOURCES_KEY}: []` for none");
    Error::new(ErrorKind::Field, message).with_field(RESOURCES_KEY)
}
