//! The ports of servers.

use serde_json::Value as Json;

use super::{Entry, FixedIp, Params};
use crate::record::record;
use crate::reference::Reference;

/// A port of a server.
pub type Port = Entry<PortParams, PortInfo>;

record! {
    /// What of a port is imported.
    #[derive(Default)]
    pub struct PortParams: Params {
        /// `binding:profile`
        binding_profile: Option<Json>,
        /// `binding:vnic_type`
        binding_vnic_type: Option<String>,
        /// Its addresses.
        fixed_ips_refs: Vec<FixedIp>,
        /// MAC address.
        mac_address: Option<String>,
        /// Its network.
        network_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a port.
    #[derive(Default)]
    pub struct PortInfo: Info {
        /// Server it belongs to.
        device_id: Option<String>,
        /// `compute:` and an availability zone.
        device_owner: Option<String>,
        /// Source id.
        id: Option<String>,
    }
}

impl Params for PortParams {
    const TYPE: &'static str = "openstack.network.ServerPort";
    const NAME_REQUIRED: bool = false;
}
