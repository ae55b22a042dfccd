//! What there is of networks.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{new_id, now};
use crate::ip::{Cidr, Pool};
use crate::table::{Row, Table};

/// What all resources have.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) project_id: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) revision: u64,
}

impl Base {
    pub(crate) fn new(name: &str, project_id: &str, description: &str) -> Self {
        let created = now();
        Self {
            id: new_id(),
            name: name.to_owned(),
            project_id: project_id.to_owned(),
            description: description.to_owned(),
            tags: Vec::new(),
            created,
            updated: created,
            revision: 1,
        }
    }

    /// Notes that something has changed.
    pub(crate) fn touch(&mut self) {
        self.revision += 1;
        self.updated = now();
    }
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) base: Base,
    pub(crate) up: bool,
    pub(crate) shared: bool,
    pub(crate) external: bool,
    pub(crate) mtu: u32,
    pub(crate) port_security: bool,
    pub(crate) zone_hints: Vec<String>,
    pub(crate) segment: u32,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) destination: String,
    pub(crate) nexthop: String,
}

#[derive(Debug)]
pub(crate) struct Subnet {
    pub(crate) base: Base,
    pub(crate) network_id: String,
    pub(crate) cidr: Cidr,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) dns: Vec<String>,
    pub(crate) routes: Vec<Route>,
    pub(crate) dhcp: bool,
    pub(crate) address_mode: Option<String>,
    pub(crate) ra_mode: Option<String>,
    pub(crate) service_types: Vec<String>,
}

impl Subnet {
    /// Whether ports get their address here from their MAC.
    pub(crate) fn automatic(&self) -> bool {
        matches!(self.address_mode.as_deref(), Some("slaac" | "dhcpv6-stateless"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FixedIp {
    pub(crate) subnet_id: String,
    pub(crate) address: IpAddr,
}

/// An address a port may use besides its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AddressPair {
    pub(crate) ip_address: String,
    #[serde(default)]
    pub(crate) mac_address: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) base: Base,
    pub(crate) network_id: String,
    pub(crate) mac: String,
    pub(crate) fixed_ips: Vec<FixedIp>,
    pub(crate) device_id: String,
    pub(crate) device_owner: String,
    pub(crate) up: bool,
    pub(crate) active: bool,
    pub(crate) groups: Vec<String>,
    pub(crate) port_security: bool,
    pub(crate) vnic_type: String,
    pub(crate) profile: Map<String, Value>,
    pub(crate) pairs: Vec<AddressPair>,
    /// Nova made it, and takes it away with the server.
    pub(crate) made_by_nova: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) network_id: String,
    pub(crate) port_id: String,
    pub(crate) snat: bool,
}

#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) base: Base,
    pub(crate) up: bool,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) routes: Vec<Route>,
    pub(crate) zone_hints: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) base: Base,
    pub(crate) stateful: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) group_id: String,
    pub(crate) direction: String,
    pub(crate) ethertype: String,
    pub(crate) protocol: Option<String>,
    pub(crate) port_min: Option<i32>,
    pub(crate) port_max: Option<i32>,
    pub(crate) remote_cidr: Option<String>,
    pub(crate) remote_group: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
}

#[derive(Debug)]
pub(crate) struct FloatingIp {
    pub(crate) base: Base,
    pub(crate) network_id: String,
    pub(crate) address: IpAddr,
    pub(crate) port_id: Option<String>,
    pub(crate) fixed_address: Option<IpAddr>,
    pub(crate) router_id: Option<String>,
}

macro_rules! rows {
    ($($kind:ty),*) => { $(impl Row for $kind { fn id(&self) -> &str { &self.base.id } })* };
}
rows!(Network, Subnet, Port, Router, Group, FloatingIp);

impl Row for Rule {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What Neutron knows.
#[derive(Debug, Default)]
pub(crate) struct Networking {
    pub(crate) networks: Table<Network>,
    pub(crate) subnets: Table<Subnet>,
    pub(crate) ports: Table<Port>,
    pub(crate) routers: Table<Router>,
    pub(crate) groups: Table<Group>,
    pub(crate) rules: Table<Rule>,
    pub(crate) floating_ips: Table<FloatingIp>,
}

impl Networking {
    pub(crate) fn subnets_of<'a>(&'a self, network_id: &'a str) -> impl Iterator<Item = &'a Subnet> {
        self.subnets.iter().filter(move |subnet| subnet.network_id == network_id)
    }

    pub(crate) fn ports_of<'a>(&'a self, device_id: &'a str) -> impl Iterator<Item = &'a Port> {
        self.ports.iter().filter(move |port| port.device_id == device_id)
    }

    pub(crate) fn rules_of<'a>(&'a self, group_id: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.group_id == group_id)
    }
}
