//! A check: what an import would do, learnt from the first write that a read-only session refuses.
//!
//! Whatever way an import takes, it cannot write, for the session does not let it. What would be made
//! gets an id of its own shape, so that resources that refer to it are checked as well.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use osm_model::{Kind, Resource};

use super::rule::Meaning;
use super::{Imported, Importer, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::network::CreateSecurityGroupRule;
use crate::reference::{Referent, Target};

/// What a check foresees.
#[derive(Default)]
pub(super) struct Planned {
    /// The ids that stand for what would be made.
    ids: Mutex<HashSet<String>>,
    /// Whether new groups would keep those of their own rules that come afterwards.
    keeps_rules: AtomicBool,
}

impl Planned {
    /// One more: a UUID, for services refuse filters by anything else, that no object can have.
    fn next(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let id = format!("00000000-0000-0000-0000-{:012x}", ids.len() + 1);
        ids.insert(id.clone());
        id
    }

    fn contains(&self, id: &str) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// What [`Importer::prepare`] would have done that matters later.
    pub(super) fn prepare(&self, kind: Kind, rules: &[&Resource]) {
        if kind == Kind::SecurityGroup {
            self.keeps_rules.store(!rules.is_empty(), Ordering::Relaxed);
        }
    }
}

impl Importer {
    /// What the refused write would have done; later references find what would be there.
    ///
    /// # Errors
    /// When the domain of a project or user cannot be found.
    pub(super) async fn plan(&self, resource: &Resource, refused: &Error) -> Result<Imported> {
        let outcome = would(refused.context().operation.unwrap_or_default());
        if outcome == Outcome::Created
            && let Some(name) = resource.name()
            && let Some((target, owner)) = self.referred_to(resource).await?
        {
            let referent = Referent { id: self.planned.next(), name: name.to_owned(), owner: Some(owner) };
            self.resolver.remember(target, referent);
        }
        Ok(Imported { outcome, id: String::new() })
    }

    /// How later resources refer to this one, and the project or domain that would own it; none when
    /// no file refers to its kind.
    async fn referred_to(&self, resource: &Resource) -> Result<Option<(Target, String)>> {
        let target = match resource {
            Resource::Network(_) => Target::Network,
            Resource::Subnet(_) => Target::Subnet,
            Resource::Router(_) => Target::Router,
            Resource::SecurityGroup(_) => Target::SecurityGroup,
            Resource::Project(project) => {
                let domain = self.domain("project", project.params.domain_ref.as_ref()).await?;
                return Ok(Some((Target::Project, domain)));
            }
            Resource::User(user) => {
                let domain = self.domain("user", user.params.domain_ref.as_ref()).await?;
                return Ok(Some((Target::User, domain)));
            }
            _ => return Ok(None),
        };
        Ok(Some((target, self.session.project_id())))
    }

    /// Whether the rule would come with its group: Neutron lets everything out of new groups.
    pub(super) fn comes_with_planned_group(&self, rule: &CreateSecurityGroupRule) -> bool {
        self.planned.contains(&rule.security_group_id)
            && self.planned.keeps_rules.load(Ordering::Relaxed)
            && Meaning::of_body(rule).is_everything_out()
    }

    /// The refusal of an object that cannot be looked for, because one of these is not there yet.
    pub(super) fn refuse_if_planned(&self, operation: &'static str, ids: &[&str]) -> Result<()> {
        match ids.iter().any(|id| self.planned.contains(id)) {
            true => Err(Error::new(ErrorKind::ReadOnly, "what it belongs to is not there yet")
                .with_operation(operation)),
            false => Ok(()),
        }
    }
}

/// What a part of an import did, or would do to what is there.
pub(super) fn or_updated(done: Result<Option<Imported>>) -> Result<Option<Imported>> {
    match done {
        Err(error) if error.kind() == ErrorKind::ReadOnly => {
            Ok(Some(Imported { outcome: Outcome::Updated, id: String::new() }))
        }
        done => done,
    }
}

/// Imports begin with the object itself when it is not there, and with its parts when it is.
fn would(operation: &str) -> Outcome {
    let makes = ["add router interface", "assign role", "upload image"].contains(&operation);
    if makes || operation.starts_with("create ") { Outcome::Created } else { Outcome::Updated }
}
