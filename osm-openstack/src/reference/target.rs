//! The types of things that references point at.

use std::fmt;

/// A type of thing that references point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Neutron.
    Network,
    /// Neutron.
    Subnet,
    /// Neutron.
    Router,
    /// Neutron.
    SecurityGroup,
    /// Neutron.
    QosPolicy,
    /// Neutron; flavors of routers.
    NetworkFlavor,
    /// Neutron.
    Segment,
    /// Neutron.
    SubnetPool,
    /// Glance.
    Image,
    /// Nova.
    Flavor,
    /// Keystone.
    Project,
    /// Keystone.
    Domain,
    /// Keystone.
    User,
    /// Keystone.
    Role,
}

impl Target {
    /// Whether a project owns such things, and a reference names it.
    ///
    /// Segments and flavors of routers belong to the cloud.
    pub(super) fn is_owned_by_project(self) -> bool {
        matches!(
            self,
            Self::Network
                | Self::Subnet
                | Self::Router
                | Self::SecurityGroup
                | Self::QosPolicy
                | Self::SubnetPool
                | Self::Image
        )
    }

    /// Whether such things are in a domain, and a reference names it.
    pub(super) fn is_in_domain(self) -> bool {
        matches!(self, Self::Project | Self::User | Self::Role)
    }

    /// Whether all of the project are listed at once, because one seldom comes alone.
    pub(super) fn is_listed_at_once(self) -> bool {
        matches!(
            self,
            Self::Network | Self::Subnet | Self::Router | Self::SecurityGroup | Self::Image | Self::Flavor
        )
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::Router => "router",
            Self::SecurityGroup => "security group",
            Self::QosPolicy => "QoS policy",
            Self::NetworkFlavor => "router flavor",
            Self::Segment => "segment",
            Self::SubnetPool => "subnet pool",
            Self::Image => "image",
            Self::Flavor => "flavor",
            Self::Project => "project",
            Self::Domain => "domain",
            Self::User => "user",
            Self::Role => "role",
        })
    }
}
