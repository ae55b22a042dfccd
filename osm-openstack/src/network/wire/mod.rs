//! The bodies of the Network API.

mod group;
mod network;
mod port;
mod router;
mod subnet;

pub use group::{CreateSecurityGroupRule, SecurityGroup, SecurityGroupBody, SecurityGroupRule};
pub use network::{NetworkBody, NetworkFlavor, NetworkObject, QosPolicy, Segment, SubnetPool};
pub use port::{
    AddressPair, CreatePort, FixedIp, FloatingIp, FloatingIpBody, Interface, InterfaceInfo, Port, PortBody,
    Quota,
};
pub use router::{ExternalGateway, GatewayBody, Router, RouterBody};
pub use subnet::{AllocationPool, HostRoute, Subnet, SubnetBody};
