//! The tree of what a vCenter holds, and the names in it.

use std::path::Path;

use uuid::Uuid;

use super::World;
use super::disk::{Disk, DiskFacts};
use super::machine::{Machine, MachineFacts};
use crate::vcenter::seed::{DiskSeed, MachineSeed, Power};
use crate::vcenter::xml::Moref;

/// Folder, datacenter, host and the like: what only has a name and a place.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) moref: Moref,
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
}

pub(crate) const ROOT: &str = "group-d1";
pub(crate) const DATACENTER: &str = "datacenter-2";
pub(crate) const MACHINES: &str = "group-v3";
pub(crate) const HOSTS: &str = "group-h4";
pub(crate) const DATASTORES: &str = "group-s5";
pub(crate) const NETWORKS: &str = "group-n6";
pub(crate) const COMPUTE: &str = "domain-s7";
pub(crate) const HOST: &str = "host-9";
pub(crate) const POOL: &str = "resgroup-8";

/// The name of the one datacenter.
pub(crate) const DATACENTER_NAME: &str = "DC0";

/// What stands in every vCenter.
pub(super) fn base() -> Vec<Entity> {
    let rows = [
        ("Folder", ROOT, "Datacenters", None),
        ("Datacenter", DATACENTER, DATACENTER_NAME, Some(ROOT)),
        ("Folder", MACHINES, "vm", Some(DATACENTER)),
        ("Folder", HOSTS, "host", Some(DATACENTER)),
        ("Folder", DATASTORES, "datastore", Some(DATACENTER)),
        ("Folder", NETWORKS, "network", Some(DATACENTER)),
        ("ComputeResource", COMPUTE, "esx-01.lab", Some(HOSTS)),
        ("ResourcePool", POOL, "Resources", Some(COMPUTE)),
        ("HostSystem", HOST, "esx-01.lab", Some(COMPUTE)),
    ];
    let entity = |(kind, id, name, parent): (&'static str, &str, &str, Option<&str>)| Entity {
        moref: Moref::new(kind, id),
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
    };
    rows.into_iter().map(entity).collect()
}

/// A name as the inventory keeps it: three characters are escaped.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2f").replace('\\', "%5c")
}

fn as_entity(machine: &Machine) -> Entity {
    Entity {
        moref: Moref::new("VirtualMachine", &machine.id),
        name: machine.facts.name.clone(),
        parent: Some(machine.parent.clone()),
    }
}

impl World {
    /// Everything in the tree.
    pub(crate) fn entities(&self) -> impl Iterator<Item = Entity> + '_ {
        self.entities.iter().cloned().chain(self.machines.iter().map(as_entity))
    }

    /// What has this id.
    pub(crate) fn entity(&self, id: &str) -> Option<Entity> {
        let found = self.entities.iter().find(|entity| entity.moref.id == id).cloned();
        found.or_else(|| self.by_id(id).map(as_entity))
    }

    /// What is directly in a folder.
    pub(crate) fn children(&self, id: &str) -> Vec<Entity> {
        self.entities().filter(|entity| entity.parent.as_deref() == Some(id)).collect()
    }

    /// Whether one stands somewhere below the other.
    pub(crate) fn is_below(&self, entity: &Entity, id: &str) -> bool {
        let mut parent = entity.parent.clone();
        while let Some(above) = parent {
            if above == id {
                return true;
            }
            parent = self.entity(&above).and_then(|entity| entity.parent);
        }
        false
    }

    /// The entity of this kind and name in a folder; it is made when there is none.
    pub(crate) fn entity_named(
        &mut self,
        kind: &'static str,
        prefix: &str,
        name: &str,
        parent: &str,
    ) -> Moref {
        let found = self.entities.iter().find(|entity| {
            entity.moref.kind == kind && entity.name == name && entity.parent.as_deref() == Some(parent)
        });
        if let Some(found) = found {
            return found.moref.clone();
        }
        let moref = Moref::new(kind, format!("{prefix}-{}", self.fresh()));
        let (name, parent) = (name.to_owned(), Some(parent.to_owned()));
        self.entities.push(Entity { moref: moref.clone(), name, parent });
        moref
    }

    pub(crate) fn datastore(&mut self, name: &str) -> Moref {
        self.entity_named("Datastore", "datastore", name, DATASTORES)
    }

    /// The datastore or network of this name.
    pub(crate) fn find_named(&self, kind: &str, name: &str) -> Option<Moref> {
        let found = self.entities.iter().find(|entity| entity.moref.kind == kind && entity.name == name);
        found.map(|entity| entity.moref.clone())
    }

    /// Puts a machine into the inventory; answers its id.
    pub(crate) fn add_machine(&mut self, seed: MachineSeed, dir: &Path) -> std::io::Result<String> {
        let mut parent = MACHINES.to_owned();
        for name in seed.folder.split('/').filter(|name| !name.is_empty()) {
            parent = self.entity_named("Folder", "group-v", name, &parent).id;
        }
        for nic in &seed.nics {
            self.entity_named("Network", "network", &nic.network, NETWORKS);
        }
        let id = format!("vm-{}", self.next_machine);
        self.next_machine += 1;
        let home = self.free_home(&seed.name.replace('/', "_"));
        let datastore = seed.disks.first().map_or("ds", |disk| disk.datastore.as_str()).to_owned();
        self.datastore(&datastore);
        let facts = MachineFacts {
            name: seed.name,
            guest_id: seed.guest_id,
            guest_full_name: seed.guest_full_name,
            efi: seed.efi,
            secure_boot: seed.secure_boot,
            cpus: seed.cpus,
            memory_mib: seed.memory_mib,
            hw_version: seed.hw_version,
            uuid: Uuid::new_v4().to_string(),
            instance_uuid: seed.instance_uuid.unwrap_or_else(|| Uuid::new_v4().to_string()),
            nics: seed.nics,
            tracking: seed.tracking,
            vmx: format!("[{datastore}] {home}/{home}.vmx"),
        };
        let mut machine = Machine {
            id: id.clone(),
            parent,
            facts,
            home,
            power: if seed.powered_on { Power::On } else { Power::Off },
            tools_running: seed.tools_running,
            ignores_shutdown: false,
            on_shutdown: Vec::new(),
            disks: Vec::new(),
            snapshots: Vec::new(),
            current: None,
            delta: 0,
        };
        for disk in seed.disks {
            self.add_disk(&mut machine, &disk, dir)?;
        }
        machine.settle_tracking()?;
        self.machines.push(machine);
        Ok(id)
    }

    /// Gives a machine a disk, the changes of which are not tracked yet.
    pub(crate) fn add_disk(
        &mut self,
        machine: &mut Machine,
        seed: &DiskSeed,
        dir: &Path,
    ) -> std::io::Result<()> {
        if machine.disk(seed.key).is_some() {
            let message = format!("the machine has a disk {} already", seed.key);
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, message));
        }
        self.datastore(&seed.datastore);
        let home = &machine.home;
        let names = (0_u32..).map(|number| match number {
            0 => format!("{home}/{home}"),
            _ => format!("{home}/{home}_{number}"),
        });
        let taken = |path: &String| machine.disks.iter().any(|disk| disk.facts.path == *path);
        let path = names.into_iter().find(|path| !taken(path)).unwrap_or_default();
        let live = dir.join("disks").join(format!("{}-{}.img", machine.id, seed.key));
        machine.disks.push(Disk::create(DiskFacts::new(seed, path), live, seed)?);
        machine.disks.sort_by_key(|disk| disk.facts.key);
        Ok(())
    }

    /// A folder for the files of a machine that no other has.
    fn free_home(&self, name: &str) -> String {
        let taken = |home: &String| self.machines.iter().any(|machine| machine.home == *home);
        let names = (0_u32..).map(|number| match number {
            0 => name.to_owned(),
            _ => format!("{name}_{number}"),
        });
        names.into_iter().find(|home| !taken(home)).unwrap_or_default()
    }
}
