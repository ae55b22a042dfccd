//! The kinds of resources, and the order in which they depend on each other.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// A kind of resource: one word on the command line, one file in the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Keystone projects.
    Project,
    /// Keystone users.
    User,
    /// Which roles users have in projects.
    RoleAssignment,
    /// The Nova keypairs of other users.
    UserKeypair,
    /// Neutron networks.
    Network,
    /// Neutron subnets.
    Subnet,
    /// Neutron security groups.
    SecurityGroup,
    /// The rules of security groups.
    SecurityGroupRule,
    /// Neutron routers.
    Router,
    /// The ports of routers.
    RouterInterface,
    /// Glance images.
    Image,
    /// The Nova keypairs of the user one is authenticated as.
    Keypair,
    /// Nova flavors.
    Flavor,
    /// Nova servers with what hangs on them.
    Workload,
    /// Cinder volumes attached to nothing.
    DetachedVolume,
}

impl Kind {
    /// All kinds, each after those it refers to.
    pub const IN_ORDER: [Self; 15] = [
        Self::Project,
        Self::User,
        Self::RoleAssignment,
        Self::UserKeypair,
        Self::Network,
        Self::Subnet,
        Self::SecurityGroup,
        Self::SecurityGroupRule,
        Self::Router,
        Self::RouterInterface,
        Self::Image,
        Self::Keypair,
        Self::Flavor,
        Self::Workload,
        Self::DetachedVolume,
    ];

    /// What a tenant can export, each kind after those it refers to.
    pub const OF_TENANT: [Self; 11] = [
        Self::Network,
        Self::Subnet,
        Self::SecurityGroup,
        Self::SecurityGroupRule,
        Self::Router,
        Self::RouterInterface,
        Self::Image,
        Self::Keypair,
        Self::Flavor,
        Self::Workload,
        Self::DetachedVolume,
    ];

    /// What an administrator moves for the whole cloud before the tenants move, each kind after
    /// those it refers to.
    pub const OF_ADMINISTRATOR: [Self; 5] =
        [Self::Project, Self::User, Self::RoleAssignment, Self::UserKeypair, Self::Flavor];

    /// The `type` of its resources in a file.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Project => "openstack.identity.Project",
            Self::User => "openstack.user.User",
            Self::RoleAssignment => "openstack.identity.UserProjectRoleAssignment",
            Self::Network => "openstack.network.Network",
            Self::Subnet => "openstack.subnet.Subnet",
            Self::SecurityGroup => "openstack.network.SecurityGroup",
            Self::SecurityGroupRule => "openstack.network.SecurityGroupRule",
            Self::Router => "openstack.network.Router",
            Self::RouterInterface => "openstack.network.RouterInterface",
            Self::Image => "openstack.image.Image",
            Self::Keypair | Self::UserKeypair => "openstack.compute.Keypair",
            Self::Flavor => "openstack.compute.Flavor",
            Self::Workload => "openstack.compute.Server",
            Self::DetachedVolume => "openstack.network.ServerVolume",
        }
    }

    /// The kind of a `type`; [`Kind::Keypair`] for keypairs, whoever has them.
    pub fn from_type_name(type_name: &str) -> Option<Self> {
        Self::IN_ORDER.into_iter().rev().find(|kind| kind.type_name() == type_name)
    }

    /// Its file in the data directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Project => "projects.yml",
            Self::User => "users.yml",
            Self::RoleAssignment => "user_project_role_assignments.yml",
            Self::UserKeypair => "users_keypairs.yml",
            Self::Network => "networks.yml",
            Self::Subnet => "subnets.yml",
            Self::SecurityGroup => "security_groups.yml",
            Self::SecurityGroupRule => "security_group_rules.yml",
            Self::Router => "routers.yml",
            Self::RouterInterface => "router_interfaces.yml",
            Self::Image => "images.yml",
            Self::Keypair => "keypairs.yml",
            Self::Flavor => "flavors.yml",
            Self::Workload => "workloads.yml",
            Self::DetachedVolume => "detached_volumes.yml",
        }
    }

    /// Its word on the command line, plural.
    pub fn word(self) -> &'static str {
        self.file_name().trim_end_matches(".yml")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let plain = word.replace('-', "_");
        let found = Self::IN_ORDER.into_iter().find(|kind| {
            let plural = kind.word();
            plain == plural || Some(plain.as_str()) == plural.strip_suffix('s')
        });
        found.ok_or_else(|| {
            let known = Self::IN_ORDER.map(Self::word).join(", ");
            Error::new(ErrorKind::UnknownType, format!("`{word}` is no kind of resource: use one of {known}"))
        })
    }
}
