//! Subnets.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// 4 or 6.
    pub ip_version: Option<u64>,
    /// Its addresses.
    pub cidr: Option<String>,
    /// Its gateway.
    pub gateway_ip: Option<String>,
    /// Whether DHCP serves it.
    pub enable_dhcp: Option<bool>,
    /// How IPv6 addresses come about: `slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`.
    pub ipv6_address_mode: Option<String>,
    /// Who advertises the IPv6 router.
    pub ipv6_ra_mode: Option<String>,
    /// The addresses that Neutron gives out.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub allocation_pools: Vec<AllocationPool>,
    /// Routes told to servers.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_routes: Vec<HostRoute>,
    /// Name servers told to servers; their order counts.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub dns_nameservers: Vec<String>,
    /// Which ports may have its addresses; all when empty.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub service_types: Vec<String>,
    /// The pool its addresses are from.
    pub subnetpool_id: Option<String>,
    /// Whether they are from the default pool.
    pub use_default_subnetpool: Option<bool>,
    /// The length of its prefix, where it was asked for.
    pub prefixlen: Option<u64>,
    /// The segment it belongs to.
    pub segment_id: Option<String>,
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

impl Subnet {
    /// Whether its ports' addresses follow from their MAC addresses and cannot be chosen.
    pub fn is_auto_addressed(&self) -> bool {
        matches!(self.ipv6_address_mode.as_deref(), Some("slaac" | "dhcpv6-stateless"))
    }
}

/// Addresses that Neutron gives out.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AllocationPool {
    /// The first.
    pub start: String,
    /// The last.
    pub end: String,
}

/// A route told to servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostRoute {
    /// Where to.
    pub destination: String,
    /// By which address.
    pub nexthop: String,
}

/// A subnet to be made, or what of one to change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SubnetBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its network; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    /// 4 or 6; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_version: Option<u64>,
    /// Its addresses; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Its gateway; `Some(None)` is none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_ip: Option<Option<String>>,
    /// Whether DHCP serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_dhcp: Option<bool>,
    /// On creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address_mode: Option<String>,
    /// On creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_ra_mode: Option<String>,
    /// The addresses that Neutron gives out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_pools: Option<Vec<AllocationPool>>,
    /// Routes told to servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_routes: Option<Vec<HostRoute>>,
    /// Name servers told to servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_nameservers: Option<Vec<String>>,
    /// Which ports may have its addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_types: Option<Vec<String>>,
    /// The pool its addresses are from; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnetpool_id: Option<String>,
    /// On creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_default_subnetpool: Option<bool>,
    /// The segment it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_id: Option<String>,
}
