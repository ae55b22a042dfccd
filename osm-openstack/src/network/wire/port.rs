//! Ports, floating IPs and the connections of routers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lenient;

/// A port.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its name; often empty.
    pub name: Option<String>,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// What it belongs to: a server, a router; empty when free.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub device_id: String,
    /// What kind of thing that is: `compute:nova`, `network:router_interface`; empty when free.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub device_owner: String,
    /// Its MAC address.
    pub mac_address: Option<String>,
    /// Its addresses.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub fixed_ips: Vec<FixedIp>,
    /// Its security groups.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub security_groups: Vec<String>,
    /// Further addresses it may send from.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub allowed_address_pairs: Vec<AddressPair>,
    /// Whether anti-spoofing and security groups apply.
    pub port_security_enabled: Option<bool>,
    /// `normal`, `direct`, ...
    #[serde(rename = "binding:vnic_type")]
    pub vnic_type: Option<String>,
    /// Details of the binding; admins only.
    #[serde(rename = "binding:profile")]
    pub binding_profile: Option<BTreeMap<String, serde_json::Value>>,
    /// `ACTIVE`, `DOWN`, `BUILD`.
    pub status: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// Its description.
    pub description: Option<String>,
}

impl Port {
    /// Whether it is the port of a router towards one of its networks.
    pub fn is_router_interface(&self) -> bool {
        matches!(
            self.device_owner.as_str(),
            "network:router_interface"
                | "network:ha_router_replicated_interface"
                | "network:router_interface_distributed"
        )
    }

    /// Whether it is the port of a server.
    pub fn is_server_port(&self) -> bool {
        self.device_owner.starts_with("compute:")
    }

    /// Whether nothing uses it.
    pub fn is_free(&self) -> bool {
        self.device_id.is_empty() && self.device_owner.is_empty()
    }
}

/// An address of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FixedIp {
    /// The subnet it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// The address; left out, Neutron chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
}

/// A further address that a port may send from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// The address or network.
    pub ip_address: String,
    /// The MAC address, if another than the port's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
}

/// A port to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreatePort {
    /// Its network.
    pub network_id: String,
    /// What of the port is chosen here.
    #[serde(flatten)]
    pub body: PortBody,
}

/// What of a port to set or to change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PortBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it belongs to; empty frees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// What kind of thing that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_owner: Option<String>,
    /// Its MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Its addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_ips: Option<Vec<FixedIp>>,
    /// Its security groups; an empty list is none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<String>>,
    /// Further addresses it may send from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_address_pairs: Option<Vec<AddressPair>>,
    /// Whether anti-spoofing and security groups apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_security_enabled: Option<bool>,
    /// `normal`, `direct`, ...
    #[serde(rename = "binding:vnic_type", skip_serializing_if = "Option::is_none")]
    pub vnic_type: Option<String>,
    /// Details of the binding; admins only.
    #[serde(rename = "binding:profile", skip_serializing_if = "Option::is_none")]
    pub binding_profile: Option<BTreeMap<String, serde_json::Value>>,
}

/// A floating IP.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// The address.
    pub floating_ip_address: Option<String>,
    /// The external network it is from.
    #[serde(default)]
    pub floating_network_id: String,
    /// The address it leads to.
    pub fixed_ip_address: Option<String>,
    /// The port it leads to.
    pub port_id: Option<String>,
    /// The router it goes through.
    pub router_id: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its DNS domain.
    pub dns_domain: Option<String>,
    /// Its DNS name.
    pub dns_name: Option<String>,
    /// Its QoS policy.
    pub qos_policy_id: Option<String>,
    /// `ACTIVE`, `DOWN`.
    pub status: Option<String>,
    /// The project that owns it.
    pub project_id: Option<String>,
    /// Its tags.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it last changed.
    pub updated_at: Option<String>,
}

/// A floating IP to be made, or what of one to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FloatingIpBody {
    /// The external network; on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating_network_id: Option<String>,
    /// The address; on creation only, and by default for admins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating_ip_address: Option<String>,
    /// The port to lead to; `Some(None)` takes it off its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_id: Option<Option<String>>,
    /// The address of the port to lead to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_ip_address: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its DNS domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_domain: Option<String>,
    /// Its DNS name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// Its QoS policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<String>,
}

/// What a router is connected with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Interface {
    /// A port that exists.
    #[serde(rename = "port_id")]
    Port(String),
    /// A subnet: the router takes its gateway address.
    #[serde(rename = "subnet_id")]
    Subnet(String),
}

/// What became of connecting a router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct InterfaceInfo {
    /// The port.
    #[serde(default)]
    pub port_id: String,
    /// The port's first subnet.
    pub subnet_id: Option<String>,
}

/// What a project may have of a kind of object, and has; -1 is "without limit".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// How many are allowed.
    pub limit: i64,
    /// How many there are.
    pub used: i64,
    /// How many are being made.
    pub reserved: i64,
}
