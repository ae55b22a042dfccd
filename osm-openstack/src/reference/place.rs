//! What is wrong with a reference, said so that it can be mended.

use osm_model::{AUTH, Reference};

use super::Target;
use crate::error::{Error, ErrorKind};

/// Where a reference stands, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The resource: "subnet `front4`".
    pub resource: &'a str,
    /// The member: `params.network_ref`.
    pub field: &'a str,
}

impl Place<'_> {
    pub(super) fn error(self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, format!("{}: {} {message}", self.resource, self.field))
    }

    pub(super) fn none(self, target: Target, reference: &Reference, cloud: &str) -> Error {
        let described = described(target, reference);
        self.error(
            ErrorKind::NotFound,
            format!(
                "names {described}, but cloud `{cloud}` has none: make it there or correct the reference"
            ),
        )
    }

    pub(super) fn several(self, target: Target, reference: &Reference, cloud: &str, ids: &[&str]) -> Error {
        let described = described(target, reference);
        let fix = if target.is_owned_by_project() && reference.project_name.is_none() {
            "set project_name and domain_name in the reference, or rename all but one"
        } else if target.is_in_domain() && reference.domain_name.is_none() {
            "set domain_name in the reference, or put the id in the place of the name"
        } else {
            "rename all but one, or put the id in the place of the name"
        };
        let (count, ids) = (ids.len(), ids.join(", "));
        self.error(
            ErrorKind::Conflict,
            format!("names {described}, but cloud `{cloud}` has {count} ({ids}): {fix}"),
        )
    }
}

fn described(target: Target, reference: &Reference) -> String {
    let part = |word: &str, name: &Option<String>| match name.as_deref() {
        None => String::new(),
        Some(AUTH) => format!(" of the own {word}"),
        Some(name) => format!(" of {word} `{name}`"),
    };
    let name = reference.name.as_deref().unwrap_or_default();
    let owner = match reference.is_auth_project() {
        true => part("project", &reference.project_name),
        false => part("project", &reference.project_name) + &part("domain", &reference.domain_name),
    };
    format!("{target} `{name}`{owner}")
}
