//! The machines of a vSphere, as a migration needs to know them.

mod concern;
mod device;
mod find;

use serde::Serialize;

pub use self::concern::{Concern, Severity};
pub use self::device::{Nic, VirtualDisk};

pub(crate) use self::device::disks;
use self::device::{add_addresses, left_behind, nics};
use crate::property::Found;
use crate::session::Session;
use crate::soap::Element;
use crate::{Moref, Result};

/// What is asked of each machine.
const PATHS: [&str; 21] = [
    "name",
    "config.uuid",
    "config.instanceUuid",
    "config.version",
    "config.guestId",
    "config.guestFullName",
    "config.firmware",
    "config.bootOptions",
    "config.changeTrackingEnabled",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "config.template",
    "config.keyId",
    "runtime.powerState",
    "runtime.consolidationNeeded",
    "snapshot",
    "guest.toolsRunningStatus",
    "guest.net",
    "runtime.host",
    "runtime.connectionState",
];

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Its reference, unique in this vCenter: `vm-42`.
    pub moref: String,
    /// Its name, which another machine in another folder may have, too.
    pub name: String,
    /// The id that vCenter keeps unique; what a plan should name it by.
    pub instance_uuid: Option<String>,
    /// The id that its firmware tells the guest.
    pub bios_uuid: Option<String>,
    /// The version of its hardware: 19 for `vmx-19`.
    pub hardware_version: Option<u32>,
    /// What vSphere calls its guest system: `debian11_64Guest`.
    pub guest_id: Option<String>,
    /// The same for people.
    pub guest: Option<String>,
    /// `bios` or `efi`.
    pub firmware: Option<String>,
    /// Whether it starts only what is signed.
    pub secure_boot: bool,
    /// Virtual processors.
    pub cpus: u32,
    /// MiB of memory.
    pub memory_mib: u64,
    /// `poweredOn`, `poweredOff` or `suspended`.
    pub power: Option<String>,
    /// The ESXi host that it is on: `host-9`.
    pub host: Option<String>,
    /// Whether it is a template.
    pub template: bool,
    /// Whether its home is encrypted.
    pub encrypted: bool,
    /// Whether a record of changes is kept.
    pub change_tracking: bool,
    /// `guestToolsRunning`, ...
    pub tools: Option<String>,
    /// Whether its ESXi host answers its vCenter: `connected`.
    pub connection: Option<String>,
    /// Devices that cannot be carried over: `VirtualTPM`, `VirtualPCIPassthrough`.
    pub left_behind: Vec<String>,
    /// How many snapshots it has.
    pub snapshots: usize,
    /// Its disks, in the order in which its guest sees them.
    pub disks: Vec<VirtualDisk>,
    /// Its network cards.
    pub nics: Vec<Nic>,
    /// What stands in the way of a migration, or should be known before.
    pub concerns: Vec<Concern>,
}

impl Session {
    /// All machines, by name.
    ///
    /// # Errors
    /// The server refuses, or answers with what is no list of machines.
    pub async fn machines(&self) -> Result<Vec<Machine>> {
        let root: Moref = self.content().root_folder.clone();
        let found = self.all_below(&root, "VirtualMachine", &PATHS).await?;
        let mut machines: Vec<Machine> = found.iter().map(Machine::read).collect();
        machines.sort_by(|one, other| (&one.name, &one.moref).cmp(&(&other.name, &other.moref)));
        Ok(machines)
    }
}

impl Machine {
    /// Its reference.
    pub fn moref(&self) -> Moref {
        Moref::new("VirtualMachine", &self.moref)
    }

    /// Whether its guest is Windows.
    pub fn is_windows(&self) -> bool {
        let says = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default().to_lowercase();
            text.contains("windows") || text.contains("microsoft")
        };
        says(&self.guest) || says(&self.guest_id)
    }

    fn read(found: &Found) -> Self {
        let text = |path: &str| found.text(path).map(str::to_owned);
        let flag = |path: &str| found.text(path) == Some("true");
        let devices = found.get("config.hardware.device").map_or(&[][..], |list| &list.children);
        let boot = found.get("config.bootOptions");
        let secure = boot.and_then(|options| options.text_at(&["efiSecureBootEnabled"]));
        let mut machine = Self {
            moref: found.object.value.clone(),
            name: text("name").unwrap_or_default(),
            instance_uuid: text("config.instanceUuid"),
            bios_uuid: text("config.uuid"),
            hardware_version: found
                .text("config.version")
                .and_then(|version| version.strip_prefix("vmx-")?.parse().ok()),
            guest_id: text("config.guestId"),
            guest: text("config.guestFullName"),
            firmware: text("config.firmware"),
            secure_boot: secure == Some("true"),
            cpus: found.text("config.hardware.numCPU").and_then(|count| count.parse().ok()).unwrap_or(0),
            memory_mib: found.text("config.hardware.memoryMB").and_then(|mib| mib.parse().ok()).unwrap_or(0),
            power: text("runtime.powerState"),
            host: text("runtime.host"),
            template: flag("config.template"),
            encrypted: found.get("config.keyId").is_some(),
            change_tracking: flag("config.changeTrackingEnabled"),
            tools: text("guest.toolsRunningStatus"),
            connection: text("runtime.connectionState"),
            left_behind: left_behind(devices),
            snapshots: found.get("snapshot").map_or(0, |tree| count(tree, "rootSnapshotList")),
            disks: disks(devices),
            nics: nics(devices),
            concerns: Vec::new(),
        };
        let told = found.get("guest.net").map_or(&[][..], |list| &list.children);
        add_addresses(&mut machine.nics, told);
        machine.concerns = concern::of(&machine, flag("runtime.consolidationNeeded"));
        machine
    }
}

/// How many snapshots a list and the lists below it have.
fn count(holder: &Element, list: &str) -> usize {
    holder.all(list).map(|snapshot| 1 + count(snapshot, "childSnapshotList")).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Element;

    fn of(guest_id: &str, guest: &str) -> Machine {
        let text = format!(
            r#"<objects><obj type="VirtualMachine">vm-1</obj>
            <propSet><name>config.guestId</name><val>{guest_id}</val></propSet>
            <propSet><name>config.guestFullName</name><val>{guest}</val></propSet></objects>"#
        );
        Machine::read(&crate::property::read(&Element::parse(&text).unwrap()).unwrap())
    }

    #[test]
    fn ac6_06_windows_is_known_by_either_name() {
        assert!(of("windows2019srv_64Guest", "Microsoft Windows Server 2019 (64-bit)").is_windows());
        assert!(of("winNetStandardGuest", "Microsoft Windows Server 2003 Standard (32-bit)").is_windows());
        assert!(of("windows9Server64Guest", "").is_windows());
        assert!(!of("rhel9_64Guest", "Red Hat Enterprise Linux 9 (64-bit)").is_windows());
        assert!(!of("", "").is_windows());
    }
}
