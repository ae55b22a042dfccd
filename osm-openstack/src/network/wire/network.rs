//! Networks and what only references need.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NetworkObject {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// Whether it is switched on.
    pub admin_state_up: Option<bool>,
    /// `ACTIVE`, `DOWN`, `BUILD`, `ERROR`.
    pub status: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: Option<u64>,
    /// Its subnets.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subnets: Vec<String>,
    /// Whether all projects may use it.
    pub shared: Option<bool>,
    /// Whether routers may have their gateway on it.
    #[serde(rename = "router:external")]
    pub router_external: Option<bool>,
    /// Whether it is the default external network.
    pub is_default: Option<bool>,
    /// Whether its ports have port security by default.
    pub port_security_enabled: Option<bool>,
    /// Whether it carries VLAN tags through.
    pub vlan_transparent: Option<bool>,
    /// Its DNS domain.
    pub dns_domain: Option<String>,
    /// Its QoS policy.
    pub qos_policy_id: Option<String>,
    /// `vlan`, `vxlan`, `flat`; admins only.
    #[serde(rename = "provider:network_type")]
    pub provider_network_type: Option<String>,
    /// The physical network below; admins only.
    #[serde(rename = "provider:physical_network")]
    pub provider_physical_network: Option<String>,
    /// The VLAN or tunnel; admins only.
    #[serde(rename = "provider:segmentation_id")]
    pub provider_segmentation_id: Option<i64>,
    /// Its segments, when there are several; admins only.
    pub segments: Option<Vec<serde_json::Value>>,
    /// Where it should be available.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub availability_zone_hints: Vec<String>,
    /// Where it is available.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub availability_zones: Vec<String>,
    /// Its tags.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// How often it changed.
    pub revision_number: Option<i64>,
}

/// A network to be made, or what of one to change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NetworkBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// The largest packet, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u64>,
    /// Whether all projects may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Whether routers may have their gateway on it.
    #[serde(rename = "router:external", skip_serializing_if = "Option::is_none")]
    pub router_external: Option<bool>,
    /// Whether it is the default external network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Whether its ports have port security by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// Whether it carries VLAN tags through; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan_transparent: Option<bool>,
    /// Its DNS domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_domain: Option<String>,
    /// Its QoS policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<String>,
    /// On creation only, and for admins only.
    #[serde(rename = "provider:network_type", skip_serializing_if = "Option::is_none")]
    pub provider_network_type: Option<String>,
    /// On creation only, and for admins only.
    #[serde(rename = "provider:physical_network", skip_serializing_if = "Option::is_none")]
    pub provider_physical_network: Option<String>,
    /// On creation only, and for admins only.
    #[serde(rename = "provider:segmentation_id", skip_serializing_if = "Option::is_none")]
    pub provider_segmentation_id: Option<i64>,
    /// On creation only, and for admins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<serde_json::Value>>,
    /// Where it should be available; on creation only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub availability_zone_hints: Vec<String>,
}

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        pub struct $name {
            /// Its id.
            pub id: String,
            /// Its name.
            pub name: Option<String>,
            /// The project that owns it.
            pub project_id: Option<String>,
        }
    )*};
}

named! {
    /// A QoS policy, as far as references need it.
    QosPolicy
    /// A pool of addresses for subnets, as far as references need it.
    SubnetPool
    /// A segment of a network, as far as references need it.
    Segment
    /// A flavor of routers, as far as references need it.
    NetworkFlavor
}
