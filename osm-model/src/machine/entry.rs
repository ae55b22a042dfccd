//! One machine of a plan.

use std::collections::BTreeMap;

use crate::record::{Field, Form, Members, Policy, Reader, Record, Writer, read_record, record};
use crate::yaml::Node;

/// A machine of a vSphere, and what is to become of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machine {
    /// What vSphere told of it; for the reader, and to find it again.
    pub info: MachineInfo,
    /// How it is migrated.
    pub migration_params: MachineMigration,
    /// What the destination is asked for.
    pub params: MachineParams,
    /// Keys that are not modelled, kept on rewrite.
    pub extra: crate::record::Extra,
}

impl Record for Machine {
    const POLICY: Policy = Policy::Info;

    fn read_members(members: &mut Members<'_, '_>) -> Self {
        Self {
            info: members.member("_info", MachineInfo::default()),
            migration_params: members.member("_migration_params", MachineMigration::default()),
            params: members.member("params", MachineParams::default()),
            extra: members.finish(),
        }
    }

    fn write_members(&self, writer: &mut Writer) {
        writer.member("_info", &self.info);
        writer.member("_migration_params", &self.migration_params);
        writer.member("params", &self.params);
    }
}

impl Field for Machine {
    const EXPECTED: &'static str = "a machine with _info, _migration_params and params";

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        read_record(node, reader)
    }

    fn write(&self, form: Form) -> Node {
        let mut writer = Writer::new(form);
        self.write_members(&mut writer);
        writer.finish(&self.extra)
    }
}

record! {
    /// What vSphere told of a machine.
    #[derive(Default)]
    pub struct MachineInfo: Info {
        /// What should be known before it is migrated: `severity: message`.
        concerns: Vec<String>,
        /// Virtual processors.
        cpus: u64,
        /// Its disks, as its guest sees them.
        disks: Vec<MachineDisk>,
        /// `bios` or `efi`.
        firmware: Option<String>,
        /// Its guest system, for people.
        guest: Option<String>,
        /// The id that its vCenter keeps unique: by this it is found again.
        instance_uuid: Option<String>,
        /// MiB of memory.
        memory_mib: u64,
        /// Its reference: `vm-42`.
        moref: String,
        /// Its name.
        name: String,
        /// Its network cards.
        nics: Vec<MachineNic>,
        /// `poweredOn`, `poweredOff` or `suspended`.
        power: Option<String>,
        /// Whether it starts only what is signed.
        secure_boot: bool,
        /// How many snapshots it has.
        snapshots: u64,
        /// `guestToolsRunning`, ...
        tools: Option<String>,
        /// Whether its changes are recorded.
        change_tracking: bool,
    }
}

record! {
    /// A disk, as vSphere told.
    #[derive(Default)]
    pub struct MachineDisk: Info {
        /// Bytes.
        capacity: u64,
        /// `[datastore] folder/disk.vmdk`.
        file: Option<String>,
        /// Its key within the machine.
        key: i64,
        /// `Hard disk 1`.
        label: String,
    }
}

record! {
    /// A network card, as vSphere told.
    #[derive(Default)]
    pub struct MachineNic: Info {
        /// The addresses that its guest has there, as far as VMware Tools tell.
        addresses: Vec<String>,
        /// Its MAC address.
        mac: String,
        /// `VirtualVmxnet3`.
        model: String,
        /// Its network in vSphere.
        network: Option<String>,
    }
}

record! {
    /// How a machine is migrated.
    #[derive(Default)]
    pub struct MachineMigration: Migration {
        /// The key of the disk that it boots from; none: the first.
        boot_disk: Option<i64>,
        /// `virt-v2v`, or `none` for a guest that has virtio drivers; none: what the command says.
        conversion: Option<String>,
    }
}

record! {
    /// What the destination is asked for.
    #[derive(Default)]
    pub struct MachineParams: Params {
        /// The availability zone of the server; none: the cloud chooses.
        availability_zone: Option<String>,
        /// Its disks.
        disks: Vec<DiskParams>,
        /// The name or id of its flavor; none: the smallest that is large enough.
        flavor: Option<String>,
        /// The name or id of the external network that its first port gets a floating IP of; none: it gets none.
        floating_ip_pool: Option<String>,
        /// Properties of its boot volume, such as `hw_machine_type`; stronger than what is derived of the machine.
        image_metadata: BTreeMap<String, String>,
        /// The name of a keypair.
        key_name: Option<String>,
        /// The name of the server.
        name: String,
        /// Its ports.
        nics: Vec<NicParams>,
        /// Names or ids of its security groups.
        security_groups: Vec<String>,
    }
}

record! {
    /// What a disk becomes.
    #[derive(Default)]
    pub struct DiskParams: Params {
        /// The key of the disk.
        key: i64,
        /// The type of its volume; none: the default.
        volume_type: Option<String>,
    }
}

record! {
    /// What a network card becomes.
    #[derive(Default)]
    pub struct NicParams: Params {
        /// An address of its own, or `keep` for the one that the guest has; none: the network gives one.
        ip_address: Option<String>,
        /// Whether its port has the same MAC address.
        keep_mac: bool,
        /// The MAC address of the card.
        mac: String,
        /// The name or id of the network in the destination; it must be filled in.
        network: Option<String>,
        /// The name or id of the subnet, where the network has several.
        subnet: Option<String>,
    }
}
