//! Neutron subnets.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A subnet.
pub type Subnet = Entry<SubnetParams, SubnetInfo>;

record! {
    /// What of a subnet is imported.
    #[derive(Default)]
    pub struct SubnetParams: Params {
        /// Ranges for DHCP and ports, sorted by start and end.
        allocation_pools: Vec<AllocationPool>,
        /// Address range.
        cidr: Option<String>,
        /// Free text.
        description: Option<String>,
        /// DNS servers.
        dns_nameservers: Vec<String>,
        /// Gateway; `None` means none, and is sent so.
        gateway_ip: Option<String>,
        /// Routes for the hosts, sorted.
        host_routes: Vec<HostRoute>,
        /// 4 or 6.
        ip_version: Option<u64>,
        /// How IPv6 addresses are given.
        ipv6_address_mode: Option<String>,
        /// Who sends IPv6 router advertisements.
        ipv6_ra_mode: Option<String>,
        /// `enable_dhcp`
        is_dhcp_enabled: Option<bool>,
        /// Name, by which it is found again.
        name: Option<String>,
        /// Its network.
        network_ref: Option<Reference>,
        /// Segment of the network.
        segment_ref: Option<Reference>,
        /// Kinds of ports it serves; not sent when empty.
        service_types: Vec<String>,
        /// Pool its range came from.
        subnet_pool_ref: Option<Reference>,
        /// Tags, sorted.
        tags: Vec<String>,
        /// `use_default_subnetpool`
        use_default_subnet_pool: Option<bool>,
    }
}

record! {
    /// A range of addresses.
    #[derive(Default)]
    pub struct AllocationPool: Params {
        /// Last address.
        end: Option<String>,
        /// First address.
        start: Option<String>,
    }
}

record! {
    /// A route told to the hosts of a subnet.
    #[derive(Default)]
    pub struct HostRoute: Params {
        /// Address range.
        destination: Option<String>,
        /// Where to send it.
        nexthop: Option<String>,
    }
}

record! {
    /// What the source said of a subnet.
    #[derive(Default)]
    pub struct SubnetInfo: Info {
        /// Time of creation.
        created_at: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Network by id.
        network_id: Option<String>,
        /// Length of the prefix asked for.
        prefix_length: Option<u64>,
        /// Project that owns it.
        project_id: Option<String>,
        /// Revision.
        revision_number: Option<i64>,
        /// Segment by id.
        segment_id: Option<String>,
        /// Pool by id.
        subnet_pool_id: Option<String>,
        /// Time of the last change.
        updated_at: Option<String>,
    }
}

impl Params for SubnetParams {
    const TYPE: &'static str = "openstack.subnet.Subnet";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
