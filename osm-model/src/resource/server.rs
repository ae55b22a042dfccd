//! Nova servers, the workloads, with what hangs on them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::{Entry, FloatingIp, Params, Port, Volume};
use crate::record::{Field, Form, ProblemKind, Reader, record};
use crate::reference::Reference;
use crate::yaml::Node;

/// A workload.
pub type Server = Entry<ServerParams, ServerInfo, ServerMigrationParams>;

record! {
    /// What of a server is imported.
    #[derive(Default)]
    pub struct ServerParams: Params {
        /// `OS-EXT-AZ:availability_zone`
        availability_zone: Option<String>,
        /// `True` when it has a config drive.
        config_drive: Option<String>,
        /// Free text.
        description: Option<String>,
        /// `OS-DCF:diskConfig`
        disk_config: Option<String>,
        /// Its flavor.
        flavor_ref: Option<Reference>,
        /// Floating IPs on its ports.
        floating_ips: Vec<FloatingIp>,
        /// Its image; `None` when it boots from a volume.
        image_ref: Option<Reference>,
        /// Name of its keypair.
        key_name: Option<String>,
        /// Metadata.
        metadata: BTreeMap<String, String>,
        /// Name, by which it is found again.
        name: Option<String>,
        /// Its ports, in the order of its network devices.
        ports: Vec<Port>,
        /// Hints for the scheduler; the API never tells them, a user may.
        scheduler_hints: Option<Json>,
        /// Its security groups.
        security_group_refs: Vec<Reference>,
        /// Tags.
        tags: Vec<String>,
        /// User data in base64; only administrators see it.
        user_data: Option<String>,
        /// Its volumes.
        volumes: Vec<Volume>,
    }
}

record! {
    /// What the source said of a server.
    #[derive(Default)]
    pub struct ServerInfo: Info {
        /// Time of creation.
        created_at: Option<String>,
        /// Flavor by id; by name where Nova embeds the flavor.
        flavor_id: Option<String>,
        /// Host it runs on; only administrators see it.
        hypervisor_hostname: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Time of the first start.
        launched_at: Option<String>,
        /// Project that owns it.
        project_id: Option<String>,
        /// Security groups by id.
        security_group_ids: Vec<String>,
        /// Status.
        status: Option<String>,
        /// Time of the last change.
        updated_at: Option<String>,
        /// User that created it.
        user_id: Option<String>,
    }
    optional {
        /// Machine type found on the source.
        hw_machine_type: Option<String>,
        /// Where it was found: `volume`, `image` or `none`.
        hw_machine_type_source: Option<String>,
    }
}

record! {
    /// How a server is migrated.
    pub struct ServerMigrationParams: Migration {
        /// Volumes of the destination to attach when no data is copied.
        additional_volumes: Vec<VolumeUuid>,
        /// Whether the boot disk is copied; otherwise the destination boots from the image.
        boot_disk_copy: bool,
        /// Volume of the destination to boot from when no data is copied.
        boot_volume: VolumeUuid,
        /// What a new boot volume has that the source's has not.
        boot_volume_params: BootVolumeParams,
        /// Whether data is copied at all.
        data_copy: bool,
        /// What to do about floating IPs.
        floating_ip_mode: FloatingIpMode,
        /// Export name of a single disk served by the hypervisor.
        nbdkit_export_name: Option<String>,
        /// Address of a single disk served by the hypervisor.
        nbdkit_socket_uri: Option<String>,
        /// Who creates the ports.
        port_creation_mode: PortCreationMode,
        /// Whether disks are read from the hypervisor.
        use_nbdkit_direct: bool,
    }
    optional {
        /// Machine type of the guest on the destination; empty means deliberately none.
        hw_machine_type: Option<String>,
        /// What its disks are called where the number of disks at once is limited; osm's own.
        labels: Option<Vec<String>>,
        /// Disks served by the hypervisor.
        nbdkit_disks: Option<Vec<NbdkitDisk>>,
        /// First port at which the hypervisor serves them.
        nbdkit_port: Option<u16>,
    }
}

impl Default for ServerMigrationParams {
    fn default() -> Self {
        Self {
            additional_volumes: vec![VolumeUuid::default()],
            boot_disk_copy: false,
            boot_volume: VolumeUuid::default(),
            boot_volume_params: BootVolumeParams::default(),
            data_copy: true,
            floating_ip_mode: FloatingIpMode::default(),
            nbdkit_export_name: None,
            nbdkit_socket_uri: None,
            port_creation_mode: PortCreationMode::default(),
            use_nbdkit_direct: false,
            hw_machine_type: None,
            labels: None,
            nbdkit_disks: None,
            nbdkit_port: None,
            extra: crate::record::Extra::default(),
        }
    }
}

record! {
    /// A volume of the destination.
    #[derive(Default)]
    pub struct VolumeUuid: Info {
        /// Its id; `None` means no volume.
        uuid: Option<String>,
    }
}

record! {
    /// Overrides for a new boot volume; `None` does not override.
    #[derive(Default)]
    pub struct BootVolumeParams: Info {
        /// Availability zone.
        availability_zone: Option<String>,
        /// Free text.
        description: Option<String>,
        /// Name.
        name: Option<String>,
        /// Volume type.
        volume_type: Option<String>,
    }
    optional {
        /// Image metadata, all of it.
        volume_image_metadata: Option<BTreeMap<String, Json>>,
    }
}

record! {
    /// A disk served by the hypervisor over NBD.
    #[derive(Default)]
    pub struct NbdkitDisk: Info {
        /// Whether it boots.
        bootable: Option<bool>,
        /// Device in the guest.
        device: Option<String>,
        /// File name on the hypervisor.
        disk_name: Option<String>,
        /// Path on the hypervisor.
        disk_path: Option<String>,
        /// Port it is served at.
        port: Option<u16>,
        /// Size, in GiB.
        size: Option<u64>,
        /// Address it is served at.
        uri: Option<String>,
    }
}

macro_rules! keyword {
    ($(#[$meta:meta])* pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),* ];

            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Field for $name {
            const EXPECTED: &'static str = "a keyword";

            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let word = node.scalar().unwrap_or_default();
                let found = Self::ALL.iter().find(|value| value.as_str() == word);
                if found.is_none() {
                    let known = [ $( $word ),* ].join(", ");
                    let message = format!("expected one of {known}, found {}", node.describe());
                    reader.problem(ProblemKind::Value, message);
                }
                found.copied()
            }

            fn write(&self, _form: Form) -> Node {
                Node::text(self.as_str())
            }
        }
    };
}

keyword! {
    /// What to do about the floating IPs of a server.
    pub enum FloatingIpMode {
        /// Take an existing one of the same address, otherwise create one.
        #[default]
        Auto = "auto",
        /// Nothing.
        Skip = "skip",
        /// Create new ones.
        New = "new",
        /// Take existing ones of the same address.
        Existing = "existing",
    }
}

keyword! {
    /// Who creates the ports of a server.
    pub enum PortCreationMode {
        /// Nova, from network and fixed address.
        #[default]
        Nova = "nova",
        /// We, in Neutron, before the server.
        Neutron = "neutron",
    }
}

impl Params for ServerParams {
    const TYPE: &'static str = "openstack.compute.Server";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
