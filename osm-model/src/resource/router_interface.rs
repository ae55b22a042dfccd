//! The ports of routers.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A port that a router owns.
pub type RouterInterface = Entry<RouterInterfaceParams, RouterInterfaceInfo>;

record! {
    /// What of a router interface is imported.
    #[derive(Default)]
    pub struct RouterInterfaceParams: Params {
        /// Which kind of router interface it is.
        device_owner: Option<String>,
        /// Its router.
        device_ref: Option<Reference>,
        /// Its addresses.
        fixed_ips_refs: Vec<FixedIp>,
        /// Its network.
        network_ref: Option<Reference>,
    }
}

record! {
    /// An address of a port.
    #[derive(Default)]
    pub struct FixedIp: Params {
        /// Address.
        ip_address: Option<String>,
        /// Subnet it belongs to.
        subnet_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a router interface.
    #[derive(Default)]
    pub struct RouterInterfaceInfo: Info {
        /// Source id of the port.
        id: Option<String>,
    }
}

impl Params for RouterInterfaceParams {
    const TYPE: &'static str = "openstack.network.RouterInterface";
    const NAME_REQUIRED: bool = false;
}
