//! The resources of a file.

mod entry;
mod flavor;
mod floating_ip;
mod image;
mod keypair;
mod network;
mod port;
mod project;
mod role_assignment;
mod router;
mod router_interface;
mod security_group;
mod security_group_rule;
mod server;
mod subnet;
mod user;
mod volume;

pub use entry::{Entry, NoMigrationParams};
pub use flavor::{Flavor, FlavorInfo, FlavorMigrationParams, FlavorParams};
pub use floating_ip::{FloatingIp, FloatingIpInfo, FloatingIpParams};
pub use image::{Image, ImageInfo, ImageParams};
pub use keypair::{Keypair, KeypairInfo, KeypairParams};
pub use network::{Network, NetworkInfo, NetworkParams};
pub use port::{Port, PortInfo, PortParams};
pub use project::{Project, ProjectInfo, ProjectParams};
pub use role_assignment::{RoleAssignment, RoleAssignmentInfo, RoleAssignmentParams};
pub use router::{ExternalGateway, Router, RouterInfo, RouterParams};
pub use router_interface::{FixedIp, RouterInterface, RouterInterfaceInfo, RouterInterfaceParams};
pub use security_group::{SecurityGroup, SecurityGroupInfo, SecurityGroupParams};
pub use security_group_rule::{SecurityGroupRule, SecurityGroupRuleInfo, SecurityGroupRuleParams};
pub use server::{
    BootVolumeParams, FloatingIpMode, NbdkitDisk, PortCreationMode, Server, ServerInfo,
    ServerMigrationParams, ServerParams, VolumeUuid,
};
pub use subnet::{AllocationPool, HostRoute, Subnet, SubnetInfo, SubnetParams};
pub use user::{User, UserInfo, UserParams};
pub use volume::{Volume, VolumeInfo, VolumeParams};

use serde::ser::{Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::kind::Kind;
use crate::record::{Field, Form, Reader, Record};
use crate::yaml::Node;

/// The `params` of a type of resource.
pub(crate) trait Params: Record + Field {
    /// The `type` in the file.
    const TYPE: &'static str;
    /// Whether it must have a name.
    const NAME_REQUIRED: bool = true;
    /// Whether its `_info` has an id.
    const HAS_ID: bool = true;

    /// The name, if the type has one.
    fn name(&self) -> Option<&str> {
        None
    }
}

/// A resource of a file, of any type.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "resources are few and seldom moved; boxes would show in every match"
)]
pub enum Resource {
    /// A network.
    Network(Network),
    /// A subnet.
    Subnet(Subnet),
    /// A router.
    Router(Router),
    /// A port of a router.
    RouterInterface(RouterInterface),
    /// A security group.
    SecurityGroup(SecurityGroup),
    /// A rule of a security group.
    SecurityGroupRule(SecurityGroupRule),
    /// An image.
    Image(Image),
    /// A keypair.
    Keypair(Keypair),
    /// A flavor.
    Flavor(Flavor),
    /// A workload.
    Server(Server),
    /// A detached volume.
    Volume(Volume),
    /// A project.
    Project(Project),
    /// A user.
    User(User),
    /// A role that a user has in a project.
    RoleAssignment(RoleAssignment),
}

/// Does the same to the entry of any variant; assignments, which have no id, come last.
macro_rules! each {
    ($resource:expr, $entry:ident => $body:expr) => {
        each!($resource, $entry => $body, $entry => $body)
    };
    ($resource:expr, $entry:ident => $body:expr, $assignment:pat => $otherwise:expr) => {
        match $resource {
            Resource::Network($entry) => $body,
            Resource::Subnet($entry) => $body,
            Resource::Router($entry) => $body,
            Resource::RouterInterface($entry) => $body,
            Resource::SecurityGroup($entry) => $body,
            Resource::SecurityGroupRule($entry) => $body,
            Resource::Image($entry) => $body,
            Resource::Keypair($entry) => $body,
            Resource::Flavor($entry) => $body,
            Resource::Server($entry) => $body,
            Resource::Volume($entry) => $body,
            Resource::Project($entry) => $body,
            Resource::User($entry) => $body,
            Resource::RoleAssignment($assignment) => $otherwise,
        }
    };
}

impl Resource {
    /// Its kind; [`Kind::Keypair`] for a keypair, whoever has it.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_type_name(self.type_name())
    }

    /// Whether it may stand in the file of this kind.
    pub fn is_of(&self, kind: Kind) -> bool {
        self.type_name() == kind.type_name()
    }

    /// Its `type`.
    pub fn type_name(&self) -> &str {
        fn of<P: Params, I, M>(_: &Entry<P, I, M>) -> &'static str {
            P::TYPE
        }
        each!(self, entry => of(entry))
    }

    /// Its name, if it has one that is not empty.
    pub fn name(&self) -> Option<&str> {
        let name = each!(self, entry => entry.params.name());
        name.filter(|name| !name.is_empty())
    }

    /// Its id on the source; a role assignment has none.
    pub fn id(&self) -> Option<&str> {
        each!(self, entry => entry.info.id.as_deref(), _ => None)
    }

    /// The name that a filter is applied to: its own, or the one of what it belongs to.
    pub fn filter_name(&self) -> Option<&str> {
        let owner = match self {
            Self::RouterInterface(interface) => &interface.params.device_ref,
            Self::SecurityGroupRule(rule) => &rule.params.security_group_ref,
            Self::RoleAssignment(assignment) => &assignment.params.user_ref,
            _ => return self.name(),
        };
        owner.as_ref()?.name.as_deref()
    }

    /// What two resources must not share, or both would be imported as one; `None` for types
    /// without a name.
    pub fn import_identity(&self) -> Option<String> {
        let name = self.name()?;
        let type_name = self.type_name();
        let user = match self {
            Self::Keypair(keypair) => keypair.params.user_ref.as_ref(),
            // Names of projects and users are unique in their domain only.
            Self::Project(Entry { params: ProjectParams { domain_ref, .. }, .. })
            | Self::User(Entry { params: UserParams { domain_ref, .. }, .. }) => {
                let domain = domain_ref.as_ref().and_then(|domain| domain.name.as_deref());
                return Some(format!("{type_name}:{name}:{}", domain.unwrap_or_default()));
            }
            _ => return Some(format!("{type_name}:{name}")),
        };
        let user_name = user.and_then(|user| user.name.as_deref()).unwrap_or_default();
        let domain = user.and_then(|user| user.domain_name.as_deref()).unwrap_or_default();
        Some(format!("{type_name}:{name}:{user_name}:{domain}"))
    }

    /// Whether both stand for the same thing of the source.
    pub fn is_same(&self, other: &Self) -> bool {
        if self.type_name() != other.type_name() {
            return false;
        }
        match (self, other) {
            (Self::Keypair(one), Self::Keypair(two)) => {
                one.info.id.is_some()
                    && one.info.id == two.info.id
                    && one.params.user_ref == two.params.user_ref
            }
            (Self::RoleAssignment(one), Self::RoleAssignment(two)) => {
                one.info.ids().is_some() && one.info.ids() == two.info.ids()
            }
            _ => self.id().is_some() && self.id() == other.id(),
        }
    }

    /// Whether an import would change nothing: `_info` and `_migration_params` do not count, here
    /// and in nested resources, nor does what cannot be sent to a cloud.
    pub fn same_params(&self, other: &Self) -> bool {
        self.compared() == other.compared()
    }

    /// Type and params, what an import compares.
    pub(crate) fn compared(&self) -> Node {
        self.write(Form::Compared)
    }

    /// The resource as it stands in a file.
    pub fn to_node(&self) -> Node {
        self.write(Form::File)
    }

    fn write(&self, form: Form) -> Node {
        each!(self, entry => entry.write(form))
    }

    /// Reads a resource; problems go to the reader.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Syntax`] when it is not a mapping, [`ErrorKind::UnknownType`] when its type
    /// is missing or unknown.
    pub(crate) fn read(node: &Node, reader: &mut Reader) -> Result<Option<Self>> {
        let Some(map) = node.as_map() else {
            let message = format!(
                "a resource is a mapping with `type`, `params`, `_info`; found {}: remove it",
                node.describe()
            );
            return Err(Error::new(ErrorKind::Syntax, message));
        };
        let type_name = match map.get("type").and_then(Node::as_str) {
            Some(type_name) if !type_name.is_empty() => type_name,
            _ => {
                let message =
                    "the resource has no `type`: add it, for example `type: openstack.network.Network`";
                return Err(Error::new(ErrorKind::UnknownType, message));
            }
        };
        let Some(kind) = Kind::from_type_name(type_name) else { return Err(unknown_type(type_name)) };
        Ok(match kind {
            Kind::Project => Field::read(node, reader).map(Self::Project),
            Kind::User => Field::read(node, reader).map(Self::User),
            Kind::RoleAssignment => Field::read(node, reader).map(Self::RoleAssignment),
            Kind::Network => Field::read(node, reader).map(Self::Network),
            Kind::Subnet => Field::read(node, reader).map(Self::Subnet),
            Kind::SecurityGroup => Field::read(node, reader).map(Self::SecurityGroup),
            Kind::SecurityGroupRule => Field::read(node, reader).map(Self::SecurityGroupRule),
            Kind::Router => Field::read(node, reader).map(Self::Router),
            Kind::RouterInterface => Field::read(node, reader).map(Self::RouterInterface),
            Kind::Image => Field::read(node, reader).map(Self::Image),
            Kind::Keypair | Kind::UserKeypair => Field::read(node, reader).map(Self::Keypair),
            Kind::Flavor => Field::read(node, reader).map(Self::Flavor),
            Kind::Workload => Field::read(node, reader).map(Self::Server),
            Kind::DetachedVolume => Field::read(node, reader).map(Self::Volume),
        })
    }
}

fn unknown_type(type_name: &str) -> Error {
    let mut known = Kind::IN_ORDER.map(Kind::type_name).to_vec();
    known.sort_unstable();
    known.dedup();
    let known = known.join(", ");
    Error::new(ErrorKind::UnknownType, format!("unknown resource type `{type_name}`: use one of {known}"))
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.to_node().serialize(serializer)
    }
}
