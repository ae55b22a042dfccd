//! What objects say of themselves.

mod config;
mod device;
mod guest;
mod machine;

use super::{session, tasks, views};
use crate::vcenter::world::{
    COMPUTE, DATASTORES, Entity, HOST, HOSTS, MACHINES, NETWORKS, POOL, World, escaped,
};
use crate::vcenter::xml::{Moref, Node};

/// The object of this id.
pub(super) fn find(world: &World, id: &str) -> Option<Moref> {
    let fixed = match id {
        "ServiceInstance" => Some("ServiceInstance"),
        "SessionManager" => Some("SessionManager"),
        "propertyCollector" => Some("PropertyCollector"),
        "TaskManager" => Some("TaskManager"),
        "ViewManager" => Some("ViewManager"),
        _ => None,
    };
    if let Some(kind) = fixed {
        return Some(Moref::new(kind, id));
    }
    let found = world.entity(id).map(|entity| entity.moref);
    let found = found.or_else(|| world.snapshot(id).map(|_| Moref::new("VirtualMachineSnapshot", id)));
    let found = found.or_else(|| world.task(id).map(|_| Moref::new("Task", id)));
    found.or_else(|| world.views.iter().any(|view| view.id == id).then(|| Moref::new("ContainerView", id)))
}

/// What an object was that is not there.
pub(super) fn gone(id: &str) -> Moref {
    let kind = match id.split_once('-').map(|(kind, _)| kind) {
        Some("vm") => "VirtualMachine",
        Some("snapshot") => "VirtualMachineSnapshot",
        Some("task") => "Task",
        Some("datastore") => "Datastore",
        Some("network") => "Network",
        Some("group") => "Folder",
        _ if id.starts_with("session[") => "ContainerView",
        _ => "ManagedObject",
    };
    Moref::new(kind, id)
}

/// The names of all properties that objects of this type have here.
pub(super) fn properties(kind: &str) -> &'static [&'static str] {
    match kind {
        "VirtualMachine" => &machine::PROPERTIES,
        "VirtualMachineSnapshot" => &["childSnapshot", "config", "vm"],
        "Task" => &["info"],
        "Datastore" => &["name", "overallStatus", "parent", "summary", "vm"],
        "Network" => &["host", "name", "overallStatus", "parent", "summary", "vm"],
        "Folder" => &["childEntity", "childType", "name", "overallStatus", "parent"],
        "Datacenter" => &[
            "datastore",
            "datastoreFolder",
            "hostFolder",
            "name",
            "network",
            "networkFolder",
            "overallStatus",
            "parent",
            "vmFolder",
        ],
        "ComputeResource" => {
            &["datastore", "host", "name", "network", "overallStatus", "parent", "resourcePool"]
        }
        "HostSystem" => &["datastore", "name", "network", "overallStatus", "parent", "vm"],
        "ResourcePool" => &["name", "overallStatus", "owner", "parent", "vm"],
        "ServiceInstance" => &["content"],
        "SessionManager" => &["currentSession"],
        "ContainerView" => &["container", "recursive", "type", "view"],
        _ => &[],
    }
}

/// One property of an object; none when it has none of that name, or it is not set.
pub(super) fn property(world: &World, object: &Moref, name: &str) -> Option<Node> {
    let id = &object.id;
    match object.kind {
        "VirtualMachine" => machine::property(world, world.by_id(id)?, name),
        "VirtualMachineSnapshot" => machine::of_snapshot(world, id, name),
        "Task" => world.task(id).map(tasks::info).filter(|_| name == "info"),
        "ServiceInstance" => (name == "content").then(|| session::service_content("content", &world.uuid)),
        "SessionManager" => {
            // The one who was active last is the one who asks.
            let active = world.sessions.values().max_by_key(|session| session.last_active);
            active.filter(|_| name == "currentSession").map(|it| session::user_session("currentSession", it))
        }
        "ContainerView" => {
            let view = world.views.iter().find(|view| view.id == *id)?;
            match name {
                "view" => Some(Node::references("view", views::shown(world, view))),
                "recursive" => Some(Node::flag("recursive", view.recursive)),
                "type" => {
                    let types = view.types.iter().map(|kind| Node::text("", kind)).collect();
                    Some(Node::list("type", "string", types))
                }
                "container" => {
                    world.entity(&view.container).map(|it| Node::reference("container", &it.moref))
                }
                _ => None,
            }
        }
        _ => of_entity(world, &world.entity(id)?, name),
    }
}

/// A property of what only has a name and a place.
fn of_entity(world: &World, entity: &Entity, name: &str) -> Option<Node> {
    let (kind, id) = (entity.moref.kind, entity.moref.id.as_str());
    let folder = |name: &'static str, id: &str| Some(Node::reference(name, &Moref::new("Folder", id)));
    let one = |name: &'static str, kind: &'static str, id: &str| Node::reference(name, &Moref::new(kind, id));
    match (kind, name) {
        (_, "name") => Some(Node::text("name", escaped(&entity.name))),
        (_, "parent") => {
            let parent = world.entity(entity.parent.as_deref()?)?;
            Some(Node::reference("parent", &parent.moref))
        }
        (_, "overallStatus") => Some(Node::word("overallStatus", "ManagedEntityStatus", "green")),
        ("Folder", "childEntity") => {
            let children = world.children(id).into_iter().map(|child| child.moref);
            Some(Node::references("childEntity", children))
        }
        ("Folder", "childType") => {
            let types = ["Folder", "VirtualMachine"].map(|kind| Node::text("", kind));
            Some(Node::list("childType", "string", types.to_vec()))
        }
        ("Datacenter", "vmFolder") => folder("vmFolder", MACHINES),
        ("Datacenter", "hostFolder") => folder("hostFolder", HOSTS),
        ("Datacenter", "datastoreFolder") => folder("datastoreFolder", DATASTORES),
        ("Datacenter", "networkFolder") => folder("networkFolder", NETWORKS),
        ("Datacenter" | "HostSystem" | "ComputeResource", "datastore") => {
            Some(Node::references("datastore", of_kind(world, "Datastore")))
        }
        ("Datacenter" | "HostSystem" | "ComputeResource", "network") => {
            Some(Node::references("network", of_kind(world, "Network")))
        }
        ("ComputeResource", "host") | ("Network", "host") => {
            Some(Node::references("host", [Moref::new("HostSystem", HOST)]))
        }
        ("ComputeResource", "resourcePool") => Some(one("resourcePool", "ResourcePool", POOL)),
        ("ResourcePool", "owner") => Some(one("owner", "ComputeResource", COMPUTE)),
        ("HostSystem" | "ResourcePool", "vm") => {
            Some(Node::references("vm", of_kind(world, "VirtualMachine")))
        }
        ("Datastore" | "Network", "vm") => Some(Node::references("vm", users(world, entity))),
        ("Datastore", "summary") => Some(datastore(entity)),
        ("Network", "summary") => Some(network(entity)),
        _ => None,
    }
}

fn of_kind(world: &World, kind: &str) -> Vec<Moref> {
    world.entities().map(|entity| entity.moref).filter(|moref| moref.kind == kind).collect()
}

/// The machines that use a datastore or a network.
fn users(world: &World, entity: &Entity) -> Vec<Moref> {
    let machines = world.machines.iter().filter(|machine| {
        machine.disks.iter().any(|disk| disk.facts.datastore == entity.name)
            || machine.facts.nics.iter().any(|nic| nic.network == entity.name)
    });
    machines.map(|machine| Moref::new("VirtualMachine", &machine.id)).collect()
}

fn datastore(entity: &Entity) -> Node {
    let parts = vec![
        Node::reference("datastore", &entity.moref),
        Node::text("name", &entity.name),
        Node::text("url", format!("ds:///vmfs/volumes/{}/", entity.moref.id)),
        Node::long("capacity", 1_u64 << 44),
        Node::long("freeSpace", 1_u64 << 43),
        Node::flag("accessible", true),
        Node::flag("multipleHostAccess", false),
        Node::text("type", "VMFS"),
        Node::text("maintenanceMode", "normal"),
    ];
    Node::object("summary", "DatastoreSummary", parts)
}

fn network(entity: &Entity) -> Node {
    let parts = vec![
        Node::reference("network", &entity.moref),
        Node::text("name", &entity.name),
        Node::flag("accessible", true),
        Node::text("ipPoolName", ""),
    ];
    Node::object("summary", "NetworkSummary", parts)
}
