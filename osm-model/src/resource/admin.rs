//! The types only administrators export: checked here, carried along as they are.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

pub(crate) type Project = Entry<ProjectParams, AdminInfo>;
pub(crate) type User = Entry<UserParams, AdminInfo>;
pub(crate) type UserProjectRoleAssignment = Entry<RoleAssignmentParams, AdminInfo>;

record! {
    /// What of a project is imported.
    #[derive(Default)]
    pub(crate) struct ProjectParams: Params {
        description: Option<String>,
        domain_ref: Option<Reference>,
        is_domain: Option<bool>,
        is_enabled: Option<bool>,
        name: Option<String>,
        parent_ref: Option<Reference>,
    }
}

record! {
    /// What of a user is imported.
    #[derive(Default)]
    pub(crate) struct UserParams: Params {
        default_project_ref: Option<Reference>,
        description: Option<String>,
        domain_ref: Option<Reference>,
        email: Option<String>,
        is_enabled: Option<bool>,
        name: Option<String>,
    }
}

record! {
    /// What of a role assignment is imported.
    #[derive(Default)]
    pub(crate) struct RoleAssignmentParams: Params {
        project_ref: Option<Reference>,
        role_ref: Option<Reference>,
        user_ref: Option<Reference>,
    }
}

record! {
    /// What the source said.
    #[derive(Default)]
    pub(crate) struct AdminInfo: Info {}
}

impl Params for ProjectParams {
    const TYPE: &'static str = "openstack.identity.Project";
}

impl Params for UserParams {
    const TYPE: &'static str = "openstack.user.User";
}

impl Params for RoleAssignmentParams {
    const TYPE: &'static str = "openstack.identity.UserProjectRoleAssignment";
    const NAME_REQUIRED: bool = false;
    const HAS_ID: bool = false;
}
