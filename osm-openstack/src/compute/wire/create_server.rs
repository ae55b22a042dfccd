//! The body that makes a server.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::GroupName;

/// What a new server shall be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateServer {
    /// Its name.
    pub name: String,
    /// Its flavor's id.
    #[serde(rename = "flavorRef")]
    pub flavor_id: String,
    /// The image to boot from.
    #[serde(rename = "imageRef", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Its networks and ports.
    pub networks: Networks,
    /// Its disks, when they are not just the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub block_device_mapping_v2: Vec<BlockDeviceMapping>,
    /// Its keypair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Its security groups; ignored by Nova for ports made beforehand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<GroupName>,
    /// Its metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Its user data in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// Whether it gets a config drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_drive: Option<bool>,
    /// Its availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `AUTO` or `MANUAL`.
    #[serde(rename = "OS-DCF:diskConfig", skip_serializing_if = "Option::is_none")]
    pub disk_config: Option<String>,
    /// Hints for the scheduler; they stand beside the server in the body.
    #[serde(skip)]
    pub scheduler_hints: Option<serde_json::Value>,
}

/// What a new server is connected to.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Networks {
    /// Nova finds or makes a network.
    Auto,
    /// Nothing.
    #[default]
    Unconnected,
    /// These, in this order.
    List(Vec<ServerNetwork>),
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::List(networks) if !networks.is_empty() => networks.serialize(serializer),
            Self::Unconnected | Self::List(_) => serializer.serialize_str("none"),
        }
    }
}

/// One connection of a new server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNetwork {
    /// A port that exists.
    Port(String),
    /// A port that Nova makes on this network, with this address if given.
    Network {
        /// The network's id.
        id: String,
        /// The address.
        fixed_ip: Option<String>,
    },
}

impl Serialize for ServerNetwork {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Port(id) => map.serialize_entry("port", id)?,
            Self::Network { id, fixed_ip } => {
                map.serialize_entry("uuid", id)?;
                if let Some(fixed_ip) = fixed_ip {
                    map.serialize_entry("fixed_ip", fixed_ip)?;
                }
            }
        }
        map.end()
    }
}

/// One disk of a new server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockDeviceMapping {
    /// 0 for the disk it boots from, -1 for the others.
    pub boot_index: i32,
    /// Whether it dies with the server.
    pub delete_on_termination: bool,
    /// `volume` or `local`.
    pub destination_type: &'static str,
    /// `volume`, `image`, `snapshot` or `blank`.
    pub source_type: &'static str,
    /// The volume's or the image's id.
    pub uuid: String,
    /// The device name wished for; many hypervisors ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// The disk's bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bus: Option<String>,
    /// How many GiB a volume gets that is made of something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<u64>,
}

impl BlockDeviceMapping {
    /// A volume that the server boots from; it stays when the server is deleted.
    pub fn boot_volume(volume: impl Into<String>) -> Self {
        Self { boot_index: 0, ..Self::data_volume(volume) }
    }

    /// A volume besides; it stays when the server is deleted.
    pub fn data_volume(volume: impl Into<String>) -> Self {
        Self {
            boot_index: -1,
            delete_on_termination: false,
            destination_type: "volume",
            source_type: "volume",
            uuid: volume.into(),
            device_name: None,
            disk_bus: None,
            volume_size: None,
        }
    }

    /// The image as the local disk that the server boots from.
    pub fn local_image(image: impl Into<String>) -> Self {
        Self {
            delete_on_termination: true,
            destination_type: "local",
            source_type: "image",
            ..Self::boot_volume(image)
        }
    }
}
