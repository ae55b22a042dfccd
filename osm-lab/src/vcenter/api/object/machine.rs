//! Machines and their snapshots.

use super::config::config;
use super::device::{DiskView, used};
use super::guest;
use crate::clock;
use crate::vcenter::world::{Disk, FrozenDisk, HOST, Machine, POOL, Snapshot, World, escaped};
use crate::vcenter::xml::{Moref, Node};

/// What a machine has.
pub(super) const PROPERTIES: [&str; 15] = [
    "capability",
    "config",
    "datastore",
    "guest",
    "guestHeartbeatStatus",
    "name",
    "network",
    "overallStatus",
    "parent",
    "recentTask",
    "resourcePool",
    "rootSnapshot",
    "runtime",
    "snapshot",
    "summary",
];

pub(super) fn property(world: &World, machine: &Machine, name: &str) -> Option<Node> {
    let facts = &machine.facts;
    let status = |name: &'static str| Node::word(name, "ManagedEntityStatus", "green");
    let node = match name {
        "name" => Node::text("name", escaped(&facts.name)),
        "parent" => Node::reference("parent", &Moref::new("Folder", &machine.parent)),
        "config" => config(world, facts, &live(machine), machine.power),
        "runtime" => runtime(machine),
        "guest" => guest::guest(machine),
        "summary" => summary(machine),
        "snapshot" if machine.snapshots.is_empty() => return None,
        "snapshot" => snapshots(machine),
        "rootSnapshot" => Node::references("rootSnapshot", children(machine, None).map(snapshot_moref)),
        "capability" => capability(),
        "datastore" => Node::references("datastore", datastores(world, machine)),
        "network" => {
            let names = facts.nics.iter().map(|nic| nic.network.as_str());
            Node::references("network", used(world, "Network", names))
        }
        "resourcePool" => Node::reference("resourcePool", &Moref::new("ResourcePool", POOL)),
        "overallStatus" => status("overallStatus"),
        "guestHeartbeatStatus" => status("guestHeartbeatStatus"),
        "recentTask" => {
            let tasks = world.tasks.iter().rev().filter(|task| task.entity.id == machine.id).take(5);
            Node::references("recentTask", tasks.map(|task| Moref::new("Task", &task.id)))
        }
        _ => return None,
    };
    Some(node)
}

/// A property of a snapshot.
pub(super) fn of_snapshot(world: &World, id: &str, name: &str) -> Option<Node> {
    let (machine, snapshot) = world.snapshot(id)?;
    match name {
        "config" => Some(config(world, &snapshot.facts, &frozen(machine, snapshot), snapshot.power)),
        "vm" => Some(Node::reference("vm", &Moref::new("VirtualMachine", &machine.id))),
        "childSnapshot" => {
            Some(Node::references("childSnapshot", children(machine, Some(id)).map(snapshot_moref)))
        }
        _ => None,
    }
}

fn live(machine: &Machine) -> Vec<DiskView<'_>> {
    let views = machine.disks.iter().map(|Disk { facts, change_id, .. }| DiskView {
        facts,
        chain: machine.chain(facts.key, None),
        change_id: change_id.clone(),
    });
    views.collect()
}

fn frozen<'w>(machine: &Machine, snapshot: &'w Snapshot) -> Vec<DiskView<'w>> {
    let view = |disk: &'w FrozenDisk| {
        let chain = machine.chain(disk.facts.key, Some(&snapshot.id));
        DiskView { facts: &disk.facts, chain, change_id: disk.change_id() }
    };
    snapshot.disks.iter().map(view).collect()
}

fn runtime(machine: &Machine) -> Node {
    let parts = vec![
        Node::reference("host", &Moref::new("HostSystem", HOST)),
        Node::word("connectionState", "VirtualMachineConnectionState", "connected"),
        Node::word("powerState", "VirtualMachinePowerState", machine.power.word()),
        Node::word("faultToleranceState", "VirtualMachineFaultToleranceState", "notConfigured"),
        Node::flag("toolsInstallerMounted", false),
        Node::int("numMksConnections", 0),
        Node::flag("consolidationNeeded", false),
    ];
    Node::object("runtime", "VirtualMachineRuntimeInfo", parts)
}

fn capability() -> Node {
    let parts = vec![
        Node::flag("snapshotOperationsSupported", true),
        Node::flag("multipleSnapshotsSupported", true),
        Node::flag("snapshotConfigSupported", true),
        Node::flag("poweredOffSnapshotsSupported", true),
        Node::flag("memorySnapshotsSupported", true),
        Node::flag("revertToSnapshotSupported", true),
        Node::flag("quiescedSnapshotsSupported", true),
        Node::flag("changeTrackingSupported", true),
    ];
    Node::object("capability", "VirtualMachineCapability", parts)
}

fn datastores(world: &World, machine: &Machine) -> Vec<Moref> {
    used(world, "Datastore", machine.disks.iter().map(|disk| disk.facts.datastore.as_str()))
}

fn summary(machine: &Machine) -> Node {
    let facts = &machine.facts;
    let config = vec![
        Node::text("name", escaped(&facts.name)),
        Node::flag("template", false),
        Node::text("vmPathName", &facts.vmx),
        Node::int("memorySizeMB", facts.memory_mib),
        Node::int("numCpu", facts.cpus),
        Node::int("numEthernetCards", facts.nics.len()),
        Node::int("numVirtualDisks", machine.disks.len()),
        Node::text("uuid", &facts.uuid),
        Node::text("instanceUuid", &facts.instance_uuid),
        Node::text("guestId", &facts.guest_id),
        Node::text("guestFullName", &facts.guest_full_name),
        Node::text("annotation", ""),
    ];
    let capacity: u64 = machine.disks.iter().map(|disk| disk.facts.capacity).sum();
    let storage = vec![
        Node::long("committed", capacity),
        Node::long("uncommitted", 0),
        Node::long("unshared", capacity),
        Node::time("timestamp", clock::now()),
    ];
    let parts = vec![
        Node::reference("vm", &Moref::new("VirtualMachine", &machine.id)),
        runtime(machine),
        guest::summary(machine),
        Node::object("config", "VirtualMachineConfigSummary", config),
        Node::object("storage", "VirtualMachineStorageSummary", storage),
        Node::object("quickStats", "VirtualMachineQuickStats", Vec::new()),
        Node::word("overallStatus", "ManagedEntityStatus", "green"),
    ];
    Node::object("summary", "VirtualMachineSummary", parts)
}

/// The tree of snapshots, and where in it the machine is.
fn snapshots(machine: &Machine) -> Node {
    let current = machine.current.as_ref().map(|id| Moref::new("VirtualMachineSnapshot", id));
    let mut parts: Vec<Node> =
        current.iter().map(|current| Node::reference("currentSnapshot", current)).collect();
    let roots = children(machine, None).map(|root| tree(machine, root)).collect();
    parts.push(Node::list("rootSnapshotList", "VirtualMachineSnapshotTree", roots));
    Node::object("snapshot", "VirtualMachineSnapshotInfo", parts)
}

fn tree(machine: &Machine, snapshot: &Snapshot) -> Node {
    let below = children(machine, Some(&snapshot.id)).map(|child| tree(machine, child)).collect();
    let parts = vec![
        Node::reference("snapshot", &snapshot_moref(snapshot)),
        Node::reference("vm", &Moref::new("VirtualMachine", &machine.id)),
        Node::text("name", &snapshot.name),
        Node::text("description", &snapshot.description),
        Node::int("id", snapshot.number),
        Node::time("createTime", snapshot.created),
        Node::word("state", "VirtualMachinePowerState", snapshot.power.word()),
        Node::flag("quiesced", snapshot.quiesced),
        Node::list("childSnapshotList", "VirtualMachineSnapshotTree", below),
        Node::flag("replaySupported", false),
    ];
    Node::object("", "VirtualMachineSnapshotTree", parts)
}

/// The snapshots that stand on this one.
fn children<'w>(machine: &'w Machine, parent: Option<&str>) -> impl Iterator<Item = &'w Snapshot> {
    machine.snapshots.iter().filter(move |snapshot| snapshot.parent.as_deref() == parent)
}

fn snapshot_moref(snapshot: &Snapshot) -> Moref {
    Moref::new("VirtualMachineSnapshot", &snapshot.id)
}
