//! Security groups and their rules.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A security group.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// Its rules.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub security_group_rules: Vec<SecurityGroupRule>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// How often it changed.
    pub revision_number: Option<i64>,
}

/// A security group to be made, or what of one to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SecurityGroupBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A rule of a security group.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: String,
    /// Its group.
    #[serde(default)]
    pub security_group_id: String,
    /// `ingress` or `egress`.
    #[serde(default)]
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: Option<String>,
    /// By name or number; all when there is none.
    pub protocol: Option<String>,
    /// The first port, or the ICMP type.
    pub port_range_min: Option<i64>,
    /// The last port, or the ICMP code.
    pub port_range_max: Option<i64>,
    /// The addresses on the other side.
    pub remote_ip_prefix: Option<String>,
    /// The same as a network address, from Xena on.
    pub normalized_cidr: Option<String>,
    /// The group on the other side.
    pub remote_group_id: Option<String>,
    /// The address group on the other side.
    pub remote_address_group_id: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// How often it changed.
    pub revision_number: Option<i64>,
}

/// A rule to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CreateSecurityGroupRule {
    /// Its group.
    pub security_group_id: String,
    /// `ingress` or `egress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// `IPv4` or `IPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethertype: Option<String>,
    /// By name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The first port, or the ICMP type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range_min: Option<i64>,
    /// The last port, or the ICMP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range_max: Option<i64>,
    /// The addresses on the other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_ip_prefix: Option<String>,
    /// The group on the other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_group_id: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
