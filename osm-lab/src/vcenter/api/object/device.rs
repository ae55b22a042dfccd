//! The devices of a machine.

use crate::vcenter::seed::{DiskKind, NicSeed, Power};
use crate::vcenter::world::{DiskFacts, World};
use crate::vcenter::xml::{Moref, Node};

/// A disk in one view of a machine.
pub(super) struct DiskView<'w> {
    pub(super) facts: &'w DiskFacts,
    /// The numbers of its files, the topmost first.
    pub(super) chain: Vec<u32>,
    pub(super) change_id: Option<String>,
}

/// A controller: key, type, number on its bus.
type Controller = (i32, &'static str, i32);

/// The controller of a disk by its key, and the disk's place there.
fn place(key: i32) -> (Controller, i32) {
    match key {
        3000..16000 => ((200 + (key - 3000) / 2 % 2, "VirtualIDEController", (key - 3000) / 2 % 2), key % 2),
        16000..31000 => ((15000, "VirtualAHCIController", 0), (key - 16000) % 30),
        31000.. => ((31000, "VirtualNVMEController", 0), (key - 31000) % 15),
        _ => {
            let bus = ((key - 2000) / 16).clamp(0, 3);
            ((1000 + bus, "ParaVirtualSCSIController", bus), (key - 2000).rem_euclid(16))
        }
    }
}

/// All devices: controllers, disks, cards.
pub(super) fn devices(world: &World, disks: &[DiskView<'_>], nics: &[NicSeed], power: Power) -> Node {
    let mut controllers: Vec<Controller> = disks.iter().map(|disk| place(disk.facts.key).0).collect();
    controllers.push((200, "VirtualIDEController", 0));
    controllers.push((201, "VirtualIDEController", 1));
    controllers.sort_unstable();
    controllers.dedup();
    let keys: Vec<i32> = disks.iter().map(|disk| disk.facts.key).collect();
    let mut nodes = vec![pci()];
    nodes.extend(controllers.into_iter().map(|controller| controller_node(controller, &keys)));
    nodes.extend(disks.iter().zip(1..).map(|(view, number)| disk_node(world, view, number)));
    nodes.extend(nics.iter().zip(0..).map(|(nic, index)| nic_node(world, nic, index, power)));
    Node::list("device", "VirtualDevice", nodes)
}

fn pci() -> Node {
    let parts = vec![
        Node::int("key", 100),
        description("PCI controller 0", "PCI controller 0"),
        Node::int("busNumber", 0),
    ];
    Node::object("", "VirtualPCIController", parts)
}

fn controller_node((key, kind, bus): Controller, disks: &[i32]) -> Node {
    let label = match kind {
        "VirtualIDEController" => format!("IDE {bus}"),
        "VirtualAHCIController" => format!("SATA controller {bus}"),
        "VirtualNVMEController" => format!("NVME controller {bus}"),
        _ => format!("SCSI controller {bus}"),
    };
    let mut parts = vec![Node::int("key", key), description(&label, &label)];
    if kind != "VirtualIDEController" {
        parts.push(Node::int("controllerKey", 100));
        parts.push(Node::int("unitNumber", 3 + bus));
    }
    parts.push(Node::int("busNumber", bus));
    let devices = disks.iter().filter(|disk| place(**disk).0.0 == key);
    parts.extend(devices.map(|disk| Node::int("device", disk)));
    if kind == "ParaVirtualSCSIController" {
        parts.push(Node::flag("hotAddRemove", true));
        parts.push(Node::word("sharedBus", "VirtualSCSISharing", "noSharing"));
        parts.push(Node::int("scsiCtlrUnitNumber", 7));
    }
    Node::object("", kind, parts)
}

fn disk_node(world: &World, view: &DiskView<'_>, number: i32) -> Node {
    let facts = view.facts;
    let ((controller, ..), unit) = place(facts.key);
    let kib = facts.capacity / 1024;
    let parts = vec![
        Node::int("key", facts.key),
        description(&format!("Hard disk {number}"), &format!("{kib} KB")),
        backing("backing", world, view, &view.chain),
        Node::int("controllerKey", controller),
        Node::int("unitNumber", unit),
        Node::long("capacityInKB", kib),
        Node::long("capacityInBytes", facts.capacity),
        Node::text("diskObjectId", format!("1-{}", facts.key)),
    ];
    Node::object("", "VirtualDisk", parts)
}

/// What backs a disk, and what that stands on.
fn backing(name: &'static str, world: &World, view: &DiskView<'_>, chain: &[u32]) -> Node {
    let facts = view.facts;
    let (number, below) = chain.split_first().unwrap_or((&0, &[]));
    let mut parts = vec![Node::text("fileName", facts.file_name(*number))];
    let datastore = world.find_named("Datastore", &facts.datastore);
    parts.extend(datastore.map(|datastore| Node::reference("datastore", &datastore)));
    parts.push(Node::text("backingObjectId", ""));
    let mode = Node::text("diskMode", &facts.mode);
    let uuid = Node::text("uuid", &facts.uuid);
    let content = Node::text("contentId", facts.uuid.to_lowercase().replace('-', ""));
    // It belongs to the view, not to what the view stands on.
    let change_id = (name == "backing").then_some(view.change_id.as_ref()).flatten();
    let change_id = change_id.map(|id| Node::text("changeId", id));
    let parent = (!below.is_empty()).then(|| backing("parent", world, view, below));
    let sharing = facts.sharing.as_ref().map(|sharing| Node::text("sharing", sharing));
    let flag = |name: &'static str, flag: bool| Node::flag(name, flag);
    let kind = match facts.kind {
        DiskKind::Flat => {
            parts.extend([mode, flag("split", false), flag("writeThrough", false)]);
            parts.extend([flag("thinProvisioned", true), uuid, content]);
            parts.extend(change_id);
            parts.extend(parent);
            parts.push(flag("digestEnabled", false));
            parts.extend(sharing);
            "VirtualDiskFlatVer2BackingInfo"
        }
        DiskKind::SeSparse => {
            parts.extend([mode, flag("writeThrough", false), uuid, content]);
            parts.extend(change_id);
            parts.extend(parent);
            "VirtualDiskSeSparseBackingInfo"
        }
        DiskKind::Sparse => {
            parts.extend([mode, flag("split", false), flag("writeThrough", false)]);
            parts.extend([Node::long("spaceUsedInKB", facts.capacity / 1024), uuid, content]);
            parts.extend(change_id);
            parts.extend(parent);
            "VirtualDiskSparseVer2BackingInfo"
        }
        DiskKind::RdmVirtual | DiskKind::RdmPhysical => {
            let physical = facts.kind == DiskKind::RdmPhysical;
            let compatibility = if physical { "physicalMode" } else { "virtualMode" };
            parts.push(Node::text("lunUuid", "0200000000600a0b80"));
            parts.push(Node::text("deviceName", "vml.0200000000600a0b80"));
            parts.extend([Node::text("compatibilityMode", compatibility), mode, uuid, content]);
            parts.extend(change_id);
            parts.extend(parent);
            parts.extend(sharing);
            "VirtualDiskRawDiskMappingVer1BackingInfo"
        }
        DiskKind::FlatVer1 => {
            parts.extend([mode, flag("split", false), flag("writeThrough", false), content]);
            parts.extend(parent);
            "VirtualDiskFlatVer1BackingInfo"
        }
    };
    Node::object(name, kind, parts)
}

fn nic_node(world: &World, nic: &NicSeed, index: i32, power: Power) -> Node {
    let network = world.find_named("Network", &nic.network);
    let mut behind = vec![Node::text("deviceName", &nic.network), Node::flag("useAutoDetect", false)];
    behind.extend(network.map(|network| Node::reference("network", &network)));
    let connectable = vec![
        Node::flag("startConnected", true),
        Node::flag("allowGuestControl", true),
        Node::flag("connected", power == Power::On),
        Node::text("status", "ok"),
    ];
    let parts = vec![
        Node::int("key", 4000 + index),
        description(&format!("Network adapter {}", index + 1), &nic.network),
        Node::object("backing", "VirtualEthernetCardNetworkBackingInfo", behind),
        Node::object("connectable", "VirtualDeviceConnectInfo", connectable),
        Node::int("controllerKey", 100),
        Node::int("unitNumber", 7 + index),
        Node::text("addressType", "assigned"),
        Node::text("macAddress", &nic.mac),
        Node::flag("wakeOnLanEnabled", true),
    ];
    Node::object("", nic.kind.clone(), parts)
}

fn description(label: &str, summary: &str) -> Node {
    let parts = vec![Node::text("label", label), Node::text("summary", summary)];
    Node::object("deviceInfo", "Description", parts)
}

/// The datastores and networks that a machine uses.
pub(super) fn used<'w>(
    world: &World,
    kind: &'static str,
    names: impl Iterator<Item = &'w str>,
) -> Vec<Moref> {
    let mut found: Vec<Moref> = Vec::new();
    for moref in names.filter_map(|name| world.find_named(kind, name)) {
        if !found.contains(&moref) {
            found.push(moref);
        }
    }
    found
}
