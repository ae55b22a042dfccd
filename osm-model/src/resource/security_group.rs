//! Neutron security groups.

use super::{Entry, Params};
use crate::record::record;

/// A security group; its rules are resources of their own.
pub type SecurityGroup = Entry<SecurityGroupParams, SecurityGroupInfo>;

record! {
    /// What of a security group is imported.
    #[derive(Default)]
    pub struct SecurityGroupParams: Params {
        /// Free text.
        description: Option<String>,
        /// Name, by which it is found again.
        name: Option<String>,
    }
}

record! {
    /// What the source said of a security group.
    #[derive(Default)]
    pub struct SecurityGroupInfo: Info {
        /// Time of creation.
        created_at: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Project that owns it.
        project_id: Option<String>,
        /// Revision.
        revision_number: Option<i64>,
        /// Time of the last change.
        updated_at: Option<String>,
    }
}

impl Params for SecurityGroupParams {
    const TYPE: &'static str = "openstack.network.SecurityGroup";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
