//! Validation: every error of every file, at once.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::{Context, Error, ErrorKind};
use crate::file::{OS_MIGRATE_VERSION, Strictness, read};
use crate::kind::Kind;
use crate::resource::Resource;

/// Checks resource files, given as names and texts, together: duplicates count across files.
///
/// Errors come in the order of the files, those of duplicates at the later one.
pub fn validate(files: &[(PathBuf, String)]) -> Vec<Error> {
    if files.is_empty() {
        let message = "there is no resource file (*.yml) to check: export something first";
        return vec![Error::new(ErrorKind::Syntax, message)];
    }
    let mut seen = HashMap::new();
    let mut errors = Vec::new();
    for (path, text) in files {
        let name = path.display().to_string();
        let reading = read(text, OS_MIGRATE_VERSION, Strictness::Validation);
        errors.extend(reading.errors.into_iter().map(|error| error.with_file(&name)));
        let resources = reading.file.map(|file| file.resources).unwrap_or_default();
        for (index, resource) in reading.positions.into_iter().zip(&resources) {
            let Some((identity, what)) = identity(resource) else { continue };
            let here = Place { file: name.clone(), index };
            if let Some(first) = seen.get(&identity) {
                errors.push(duplicate(resource, &what, first, here));
            } else {
                seen.insert(identity, here);
            }
        }
    }
    errors
}

struct Place {
    file: String,
    index: usize,
}

/// What must be unique, and how to call it.
fn identity(resource: &Resource) -> Option<(String, String)> {
    if let Some(identity) = resource.import_identity() {
        let what = format!("import identity {identity}");
        return Some((identity, what));
    }
    // Without a name, the same params make the same resource.
    let params = match resource {
        Resource::SecurityGroupRule(rule) => {
            let mut rule = rule.clone();
            // Neutron takes rules that differ in their description for the same.
            rule.params.description = None;
            Resource::SecurityGroupRule(rule).compared()
        }
        Resource::RouterInterface(_) | Resource::RoleAssignment(_) => resource.compared(),
        _ => return None,
    };
    Some((crate::yaml::dump(&params), "the same params".to_owned()))
}

fn duplicate(resource: &Resource, what: &str, first: &Place, here: Place) -> Error {
    let fix = match resource.kind() {
        Some(Kind::SecurityGroupRule | Kind::RouterInterface | Kind::RoleAssignment) | None => {
            "remove one of them"
        }
        Some(_) => "remove or rename one of them, or both would be imported as one",
    };
    let message =
        format!("duplicate resource: resource {} in {} has {what} too; {fix}", first.index, first.file);
    Error::new(ErrorKind::Duplicate, message).with_context(Context {
        file: Some(here.file),
        resource: Some(here.index),
        type_name: Some(resource.type_name().to_owned()),
        name: resource.name().map(str::to_owned),
        id: resource.id().map(str::to_owned),
        ..Context::default()
    })
}
