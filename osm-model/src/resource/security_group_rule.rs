//! The rules of security groups.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A rule of a security group.
pub type SecurityGroupRule = Entry<SecurityGroupRuleParams, SecurityGroupRuleInfo>;

record! {
    /// What of a rule is imported.
    #[derive(Default)]
    pub struct SecurityGroupRuleParams: Params {
        /// Free text.
        description: Option<String>,
        /// `ingress` or `egress`.
        direction: Option<String>,
        /// `IPv4` or `IPv6`.
        ether_type: Option<String>,
        /// Last port; the code of an ICMP message.
        port_range_max: Option<i64>,
        /// First port; the type of an ICMP message.
        port_range_min: Option<i64>,
        /// Protocol by name or number.
        protocol: Option<String>,
        /// Group on the other side.
        remote_group_ref: Option<Reference>,
        /// Address range on the other side.
        remote_ip_prefix: Option<String>,
        /// Its group.
        security_group_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a rule.
    #[derive(Default)]
    pub struct SecurityGroupRuleInfo: Info {
        /// Time of creation.
        created_at: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Project that owns it.
        project_id: Option<String>,
        /// Group on the other side by id.
        remote_group_id: Option<String>,
        /// Revision.
        revision_number: Option<i64>,
        /// Group by id.
        security_group_id: Option<String>,
        /// Time of the last change.
        updated_at: Option<String>,
    }
}

impl Params for SecurityGroupRuleParams {
    const TYPE: &'static str = "openstack.network.SecurityGroupRule";
    const NAME_REQUIRED: bool = false;
}
