//! Everything a vCenter knows.

mod disk;
mod inventory;
mod machine;
mod session;
mod task;
mod tracking;

use std::collections::HashMap;

pub(crate) use self::disk::{Disk, DiskFacts, FrozenDisk, forget};
pub(crate) use self::inventory::{
    COMPUTE, DATACENTER_NAME, DATASTORES, Entity, HOST, HOSTS, MACHINES, NETWORKS, POOL, ROOT, escaped,
};
pub(crate) use self::machine::{Machine, MachineFacts, Snapshot, SnapshotSpec};
pub(crate) use self::session::{Filter, Session, View};
pub(crate) use self::task::{Task, TaskState};
pub(crate) use self::tracking::{Since, Tracking, Useless};

use crate::vcenter::xml::Node;

/// The state of a vCenter, behind its one lock.
#[derive(Debug)]
pub(crate) struct World {
    entities: Vec<Entity>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) tasks: Vec<Task>,
    /// By the value of their cookie.
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) views: Vec<View>,
    pub(crate) filters: Vec<Filter>,
    /// What is left of an answer in pages, by its token.
    pub(crate) pages: HashMap<String, Vec<Node>>,
    /// The id of this vCenter.
    pub(crate) uuid: String,
    next: u32,
    next_machine: u32,
}

impl Default for World {
    fn default() -> Self {
        Self {
            entities: inventory::base(),
            machines: Vec::new(),
            tasks: Vec::new(),
            sessions: HashMap::new(),
            views: Vec::new(),
            filters: Vec::new(),
            pages: HashMap::new(),
            uuid: crate::clock::new_id(),
            next: 11,
            next_machine: 42,
        }
    }
}

impl World {
    /// A number that nothing has yet.
    pub(crate) fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// The machine of this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.id == id)
    }

    /// The machine of this id; of this name, when no id matches.
    pub(crate) fn machine(&self, vm: &str) -> Option<&Machine> {
        self.by_id(vm).or_else(|| self.machines.iter().find(|machine| machine.facts.name == vm))
    }

    /// The same to be changed.
    pub(crate) fn machine_mut(&mut self, vm: &str) -> Option<&mut Machine> {
        let id = self.machine(vm)?.id.clone();
        self.machines.iter_mut().find(|machine| machine.id == id)
    }

    /// The machine that has this snapshot.
    pub(crate) fn machine_of_mut(&mut self, snapshot: &str) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.snapshot(snapshot).is_some())
    }

    /// A snapshot, and the machine that has it.
    pub(crate) fn snapshot(&self, id: &str) -> Option<(&Machine, &Snapshot)> {
        self.machines.iter().find_map(|machine| machine.snapshot(id).map(|snapshot| (machine, snapshot)))
    }

    /// All sessions end, and what belongs to them.
    pub(crate) fn end_sessions(&mut self) {
        self.sessions.clear();
        self.views.clear();
        self.filters.clear();
        self.pages.clear();
    }
}
