//! Who has which role in which project.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A role that a user has in a project.
pub type RoleAssignment = Entry<RoleAssignmentParams, RoleAssignmentInfo>;

record! {
    /// What of a role assignment is imported.
    #[derive(Default)]
    pub struct RoleAssignmentParams: Params {
        /// Project the role counts in.
        project_ref: Option<Reference>,
        /// Role, which must exist on the destination.
        role_ref: Option<Reference>,
        /// User who has it; [`crate::AUTH`] for the user one is authenticated as.
        user_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a role assignment; Keystone gives it no id of its own.
    #[derive(Default)]
    pub struct RoleAssignmentInfo: Info {
        /// Project by id.
        project_id: Option<String>,
        /// Role by id.
        role_id: Option<String>,
        /// User by id.
        user_id: Option<String>,
    }
}

impl Params for RoleAssignmentParams {
    const TYPE: &'static str = "openstack.identity.UserProjectRoleAssignment";
    const NAME_REQUIRED: bool = false;
    const HAS_ID: bool = false;
}

impl RoleAssignmentInfo {
    /// The three ids that tell it apart, if all are known.
    pub(super) fn ids(&self) -> Option<[&str; 3]> {
        Some([self.project_id.as_deref()?, self.role_id.as_deref()?, self.user_id.as_deref()?])
    }
}
