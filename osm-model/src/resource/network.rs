//! Neutron networks.

use serde_json::Value as Json;

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A network.
pub type Network = Entry<NetworkParams, NetworkInfo>;

record! {
    /// What of a network is imported.
    #[derive(Default)]
    pub struct NetworkParams: Params {
        /// Preferred availability zones, sorted.
        availability_zone_hints: Vec<String>,
        /// Free text.
        description: Option<String>,
        /// DNS domain; not sent when empty.
        dns_domain: Option<String>,
        /// `admin_state_up`
        is_admin_state_up: Option<bool>,
        /// Whether it is the default external network.
        is_default: Option<bool>,
        /// `port_security_enabled`
        is_port_security_enabled: Option<bool>,
        /// `router:external`
        is_router_external: Option<bool>,
        /// `shared`
        is_shared: Option<bool>,
        /// `vlan_transparent`
        is_vlan_transparent: Option<bool>,
        /// Largest packet, in bytes.
        mtu: Option<u64>,
        /// Name, by which it is found again.
        name: Option<String>,
        /// `provider:network_type`; only administrators see it.
        provider_network_type: Option<String>,
        /// `provider:physical_network`; only administrators see it.
        provider_physical_network: Option<String>,
        /// `provider:segmentation_id`; only administrators see it.
        provider_segmentation_id: Option<i64>,
        /// QoS policy.
        qos_policy_ref: Option<Reference>,
        /// Segments of a multi-segment network.
        segments: Option<Vec<Json>>,
        /// Tags, sorted.
        tags: Vec<String>,
    }
}

record! {
    /// What the source said of a network.
    #[derive(Default)]
    pub struct NetworkInfo: Info {
        /// Zones it is in.
        availability_zones: Vec<String>,
        /// Time of creation.
        created_at: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Project that owns it.
        project_id: Option<String>,
        /// QoS policy by id.
        qos_policy_id: Option<String>,
        /// Revision.
        revision_number: Option<i64>,
        /// Status.
        status: Option<String>,
        /// Its subnets, sorted.
        subnet_ids: Vec<String>,
        /// Time of the last change.
        updated_at: Option<String>,
    }
}

impl Params for NetworkParams {
    const TYPE: &'static str = "openstack.network.Network";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
