//! Servers, their addresses and their volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flavor::Swap;
use crate::lenient;

/// A server, as far as its answer tells: what a microversion or a policy leaves out is empty.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `ACTIVE`, `SHUTOFF`, `BUILD`, `ERROR`, ...
    #[serde(default)]
    pub status: String,
    /// The project that owns it.
    pub tenant_id: Option<String>,
    /// The user who made it.
    pub user_id: Option<String>,
    /// Its metadata.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub metadata: BTreeMap<String, String>,
    /// The image it was booted from; none when booted from a volume.
    #[serde(default, deserialize_with = "lenient::object_or_text")]
    pub image: Option<ImageLink>,
    /// Its flavor, by id before microversion 2.47, embedded since.
    pub flavor: Option<ServerFlavor>,
    /// When it was made.
    pub created: Option<String>,
    /// When it last changed.
    pub updated: Option<String>,
    /// Its addresses by network name, in Nova's order.
    #[serde(default, deserialize_with = "lenient::ordered")]
    pub addresses: Vec<(String, Vec<Address>)>,
    /// `AUTO` or `MANUAL`.
    #[serde(rename = "OS-DCF:diskConfig")]
    pub disk_config: Option<String>,
    /// Its availability zone.
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    pub availability_zone: Option<String>,
    /// `True` when it has a config drive, else empty.
    pub config_drive: Option<String>,
    /// Its keypair.
    pub key_name: Option<String>,
    /// When it was first started.
    #[serde(rename = "OS-SRV-USG:launched_at")]
    pub launched_at: Option<String>,
    /// What is being done with it.
    #[serde(rename = "OS-EXT-STS:task_state")]
    pub task_state: Option<String>,
    /// Its state as Nova keeps it: `active`, `stopped`.
    #[serde(rename = "OS-EXT-STS:vm_state")]
    pub vm_state: Option<String>,
    /// Its state as the hypervisor sees it.
    #[serde(rename = "OS-EXT-STS:power_state")]
    pub power_state: Option<i64>,
    /// Its volumes.
    #[serde(
        rename = "os-extended-volumes:volumes_attached",
        default,
        deserialize_with = "lenient::or_default"
    )]
    pub volumes_attached: Vec<AttachedVolume>,
    /// Its description, from microversion 2.19.
    pub description: Option<String>,
    /// Its tags, from microversion 2.26.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub tags: Vec<String>,
    /// Its user data in base64; admins only, by default.
    #[serde(rename = "OS-EXT-SRV-ATTR:user_data")]
    pub user_data: Option<String>,
    /// The hypervisor it runs on; admins only.
    #[serde(rename = "OS-EXT-SRV-ATTR:hypervisor_hostname")]
    pub hypervisor_hostname: Option<String>,
    /// The device it boots from; admins only, by default.
    #[serde(rename = "OS-EXT-SRV-ATTR:root_device_name")]
    pub root_device_name: Option<String>,
    /// Its security groups, by name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub security_groups: Vec<GroupName>,
    /// The IPv4 address to reach it at, when its owner set one.
    #[serde(rename = "accessIPv4")]
    pub access_ipv4: Option<String>,
    /// Why it is in `ERROR`.
    pub fault: Option<Fault>,
}

impl Server {
    /// The name of its flavor, where the answer embeds it.
    pub fn flavor_name(&self) -> Option<&str> {
        self.flavor.as_ref()?.original_name.as_deref()
    }

    /// Its addresses of one type (`fixed`, `floating`), in Nova's order.
    pub fn addresses_of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Address> {
        self.addresses.iter().flat_map(|(_, list)| list).filter(move |address| address.is_type(kind))
    }
}

/// A link to an image.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ImageLink {
    /// Its id.
    pub id: String,
}

/// The flavor in a server's answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ServerFlavor {
    /// Its id, before microversion 2.47.
    pub id: Option<String>,
    /// Its name at the time the server was made, from microversion 2.47.
    pub original_name: Option<String>,
    /// CPUs.
    pub vcpus: Option<u64>,
    /// Memory in MiB.
    pub ram: Option<u64>,
    /// Root disk in GiB.
    pub disk: Option<u64>,
    /// Ephemeral disk in GiB.
    pub ephemeral: Option<u64>,
    /// Swap in MiB.
    pub swap: Option<Swap>,
    /// Its extra specs at the time the server was made, if the policy allows.
    pub extra_specs: Option<BTreeMap<String, String>>,
}

/// An address of a server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Address {
    /// The address.
    pub addr: String,
    /// 4 or 6.
    pub version: u8,
    /// `fixed` or `floating`.
    #[serde(rename = "OS-EXT-IPS:type")]
    pub kind: Option<String>,
    /// The MAC address of its port.
    #[serde(rename = "OS-EXT-IPS-MAC:mac_addr")]
    pub mac: Option<String>,
}

impl Address {
    fn is_type(&self, kind: &str) -> bool {
        self.kind.as_deref().unwrap_or("fixed") == kind
    }
}

/// A volume in a server's answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AttachedVolume {
    /// Its id.
    pub id: String,
    /// Whether it dies with the server.
    pub delete_on_termination: Option<bool>,
}

/// A security group by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupName {
    /// The name; on creation an id is taken too.
    pub name: String,
}

/// A security group of a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerSecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Fault {
    /// An HTTP status.
    pub code: Option<i64>,
    /// What happened.
    pub message: Option<String>,
}

/// A volume attached to a server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct VolumeAttachment {
    /// The volume's id once more; gone from microversion 2.89.
    pub id: Option<String>,
    /// Cinder's attachment, from microversion 2.89.
    pub attachment_id: Option<String>,
    /// Nova's block device mapping, from microversion 2.89.
    pub bdm_uuid: Option<String>,
    /// The device name Nova chose, once it did.
    pub device: Option<String>,
    /// The server.
    #[serde(rename = "serverId", default)]
    pub server_id: String,
    /// The volume.
    #[serde(rename = "volumeId", default)]
    pub volume_id: String,
    /// Whether it dies with the server, from microversion 2.79.
    pub delete_on_termination: Option<bool>,
}

/// Which servers to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFilter {
    /// Those of exactly this name.
    pub name: Option<String>,
    /// Those in this status.
    pub status: Option<String>,
    /// Those with all of these metadata.
    pub metadata: BTreeMap<String, String>,
}

impl ServerFilter {
    /// Those of exactly this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    pub(in crate::compute) fn matches(&self, server: &Server) -> bool {
        self.name.as_ref().is_none_or(|name| *name == server.name)
            && self.status.as_ref().is_none_or(|status| *status == server.status)
            && self.metadata.iter().all(|(key, value)| server.metadata.get(key) == Some(value))
    }
}
