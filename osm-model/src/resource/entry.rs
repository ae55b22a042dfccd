//! The shape all resources share: `type`, `params`, `_info`, `_migration_params`.

use super::Params;
use crate::record::{Extra, Field, Form, Members, Policy, ProblemKind, Reader, Record, Writer, record};
use crate::yaml::Node;

/// A resource, at the top of a file or nested in a server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry<P, I, M = NoMigrationParams> {
    /// What is imported, and compared with the destination.
    pub params: P,
    /// What the source said: for the reader, never sent, never compared.
    pub info: I,
    /// How to migrate it: never compared.
    pub migration_params: M,
    /// Keys beside the four, kept on rewrite.
    pub extra: Extra,
}

record! {
    /// The `_migration_params` of a type that has none; what a user put there is kept.
    #[derive(Default)]
    pub struct NoMigrationParams: Migration {}
}

impl<P, I, M: Default> Entry<P, I, M> {
    /// A resource with the default `_migration_params`.
    pub fn new(params: P, info: I) -> Self {
        Self { params, info, migration_params: M::default(), extra: Extra::default() }
    }
}

impl<P: Params, I: Record + Field, M: Record + Field> Record for Entry<P, I, M> {
    // OS Migrate takes an absent `_info` or `_migration_params` for an empty one.
    const POLICY: Policy = Policy::Info;

    fn read_members(members: &mut Members<'_, '_>) -> Self {
        let info = members.section("_info");
        let migration_params = members.section("_migration_params");
        let params = members.required_section("params");
        members.type_tag(P::TYPE);
        Self { params, info, migration_params, extra: members.finish() }
    }

    fn write_members(&self, writer: &mut Writer) {
        if writer.form() == Form::File {
            writer.member("_info", &self.info);
            writer.member("_migration_params", &self.migration_params);
        }
        writer.member("params", &self.params);
        writer.node("type", Node::text(P::TYPE));
    }
}

impl<P: Params, I: Record + Field, M: Record + Field> Field for Entry<P, I, M> {
    const EXPECTED: &'static str = "a resource (a mapping with type, params, _info)";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let entry = crate::record::read_record(node, reader)?;
        check::<P>(node, reader);
        Some(entry)
    }

    fn write(&self, form: Form) -> Node {
        let mut writer = Writer::new(form);
        self.write_members(&mut writer);
        writer.finish(&self.extra)
    }
}

/// What must hold something, holds it.
fn check<P: Params>(entry: &Node, reader: &mut Reader) {
    let member = |section: &str, key: &str| entry.as_map()?.get(section)?.as_map()?.get(key);
    let mut report = |section: &str, key: &str, kind, message: &str| {
        reader.at_key(section, |reader| reader.at_key(key, |reader| reader.problem(kind, message)));
    };
    if P::HAS_ID && member("_info", "id").is_none_or(Node::is_blank) {
        let message = "the source id is missing: restore it from the export, it tells the resources apart";
        report("_info", "id", ProblemKind::Missing, message);
    }
    if P::NAME_REQUIRED && member("params", "name").is_some_and(Node::is_blank) {
        let message = "the name is empty: give the resource the name it shall have on the destination";
        report("params", "name", ProblemKind::Empty, message);
    }
}
