//! The floating IPs of servers.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A floating IP on a port of a server.
pub type FloatingIp = Entry<FloatingIpParams, FloatingIpInfo>;

record! {
    /// What of a floating IP is imported.
    #[derive(Default)]
    pub struct FloatingIpParams: Params {
        /// Free text.
        description: Option<String>,
        /// DNS domain.
        dns_domain: Option<String>,
        /// DNS name.
        dns_name: Option<String>,
        /// Address of the server behind it.
        fixed_ip_address: Option<String>,
        /// The floating address itself.
        floating_ip_address: Option<String>,
        /// External network it comes from.
        floating_network_ref: Option<Reference>,
        /// QoS policy.
        qos_policy_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a floating IP.
    #[derive(Default)]
    pub struct FloatingIpInfo: Info {
        /// Time of creation.
        created_at: Option<String>,
        /// External network by id.
        floating_network_id: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Port by id.
        port_id: Option<String>,
        /// QoS policy by id.
        qos_policy_id: Option<String>,
        /// Router by id.
        router_id: Option<String>,
        /// Tags.
        tags: Vec<String>,
        /// Time of the last change.
        updated_at: Option<String>,
    }
}

impl Params for FloatingIpParams {
    const TYPE: &'static str = "openstack.network.ServerFloatingIP";
    const NAME_REQUIRED: bool = false;
}
