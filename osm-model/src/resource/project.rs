//! Keystone projects.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A project; only administrators see those of others.
pub type Project = Entry<ProjectParams, ProjectInfo>;

record! {
    /// What of a project is imported.
    #[derive(Default)]
    pub struct ProjectParams: Params {
        /// Free text.
        description: Option<String>,
        /// Domain it is in, which must exist on the destination.
        domain_ref: Option<Reference>,
        /// Whether it is a domain itself; domains are not imported.
        is_domain: Option<bool>,
        /// `enabled`
        is_enabled: Option<bool>,
        /// Name, by which it is found again in its domain.
        name: Option<String>,
        /// Project above it, or its domain: then the reference has no `domain_name`.
        parent_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a project.
    #[derive(Default)]
    pub struct ProjectInfo: Info {
        /// Domain by id.
        domain_id: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Project or domain above it by id.
        parent_id: Option<String>,
    }
}

impl Params for ProjectParams {
    const TYPE: &'static str = "openstack.identity.Project";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
