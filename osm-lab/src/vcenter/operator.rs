//! What somebody else does in the vCenter.

use std::io;

use super::VCenter;
use super::guest::absent;
use super::seed::{DiskSeed, MachineSeed, Power};
use super::world::{Disk, SnapshotSpec, forget};

impl VCenter {
    /// Makes a machine; answers its id.
    ///
    /// # Errors
    /// Two of its disks have the same key, or a file cannot be written.
    pub fn add_machine(&self, machine: MachineSeed) -> io::Result<String> {
        let dir = self.core.options.dir.clone();
        self.core.change(|world| world.add_machine(machine, &dir))
    }

    /// The names of all machines, oldest first.
    pub fn machine_names(&self) -> Vec<String> {
        self.core.look(|world| world.machines.iter().map(|machine| machine.facts.name.clone()).collect())
    }

    /// Whether a machine runs; one that is not there does not.
    pub fn power_state(&self, vm: &str) -> Power {
        self.core.look(|world| world.machine(vm).map_or(Power::Off, |machine| machine.power))
    }

    /// Starts a machine.
    pub fn power_on(&self, vm: &str) {
        self.with(vm, |machine| machine.power_on());
    }

    /// Pulls its plug: the guest does not shut down.
    pub fn power_off(&self, vm: &str) {
        self.with(vm, |machine| machine.power_off());
    }

    /// Its snapshots, oldest first: id and name.
    pub fn snapshots(&self, vm: &str) -> Vec<(String, String)> {
        self.core.look(|world| {
            let snapshots = world.machine(vm).map_or(&[][..], |machine| &machine.snapshots);
            snapshots.iter().map(|snapshot| (snapshot.id.clone(), snapshot.name.clone())).collect()
        })
    }

    /// Takes a snapshot, as somebody would who has nothing to do with a migration; answers its id.
    ///
    /// # Errors
    /// There is no such machine, or a file cannot be written.
    pub fn take_snapshot(&self, vm: &str, name: &str) -> io::Result<String> {
        let dir = self.core.frozen_dir();
        self.core.change(|world| {
            let number = world.fresh();
            let machine = world.machine_mut(vm).ok_or_else(|| absent(&format!("machine {vm}")))?;
            let id = format!("snapshot-{number}");
            let spec = SnapshotSpec { name: name.to_owned(), ..SnapshotSpec::default() };
            machine.take_snapshot(&id, number, spec, &dir)?;
            Ok(id)
        })
    }

    /// Removes a snapshot.
    pub fn remove_snapshot(&self, snapshot: &str) {
        let vm = self.core.look(|world| world.snapshot(snapshot).map(|(machine, _)| machine.id.clone()));
        self.with(&vm.unwrap_or_default(), |machine| machine.remove_snapshot(snapshot));
    }

    /// Goes back to a snapshot; the machine is off then. Tracking goes back as well, and does not tell what the
    /// revert undid, as that of vSphere.
    pub fn revert(&self, vm: &str, snapshot: &str) {
        self.with(vm, |machine| machine.revert(snapshot));
    }

    /// Tracking of a disk begins anew: the first part of its change ids is another one.
    pub fn reset_cbt(&self, vm: &str, key: i32) {
        self.with(vm, |machine| machine.disk_mut(key).map_or(Ok(()), Disk::restart_tracking));
    }

    /// Switches tracking on or off, at once.
    pub fn set_tracking(&self, vm: &str, on: bool) {
        self.with(vm, |machine| {
            machine.facts.tracking = on;
            machine.settle_tracking()
        });
    }

    /// Gives a disk another capacity.
    pub fn extend_disk(&self, vm: &str, key: i32, capacity: u64) {
        self.with(vm, |machine| machine.disk_mut(key).map_or(Ok(()), |disk| disk.resize(capacity)));
    }

    /// Takes a disk out of a machine, and deletes it.
    pub fn remove_disk(&self, vm: &str, key: i32) {
        self.with(vm, |machine| {
            if let Some(index) = machine.disks.iter().position(|disk| disk.facts.key == key) {
                forget(&machine.disks.remove(index).live);
            }
            Ok(())
        });
    }

    /// Gives a machine one disk more, unless it has one of this key. Its changes are tracked once the machine was
    /// stunned by a snapshot, or restarted; at once, when it is off.
    pub fn add_disk(&self, vm: &str, disk: DiskSeed) {
        let dir = self.core.options.dir.clone();
        self.core.change(|world| {
            let id = world.machine(vm).map(|machine| machine.id.clone());
            let index = world.machines.iter().position(|machine| Some(&machine.id) == id.as_ref());
            let Some(index) = index else { return };
            // Out of the inventory for a moment, which the lock covers.
            let mut machine = world.machines.remove(index);
            let added = world.add_disk(&mut machine, &disk, &dir);
            if added.is_ok() && machine.power == Power::Off {
                let _ = machine.settle_tracking();
            }
            world.machines.insert(index, machine);
        });
    }

    /// Gives a machine another name. Its files keep theirs.
    pub fn rename(&self, vm: &str, name: &str) {
        self.with(vm, |machine| {
            name.clone_into(&mut machine.facts.name);
            Ok(())
        });
    }

    /// Moves the files of a machine to another datastore; change ids are of another line then.
    pub fn move_storage(&self, vm: &str, datastore: &str) {
        self.core.change(|world| {
            world.datastore(datastore);
            let Some(machine) = world.machine_mut(vm) else { return };
            let home = &machine.home;
            machine.facts.vmx = format!("[{datastore}] {home}/{home}.vmx");
            for disk in &mut machine.disks {
                datastore.clone_into(&mut disk.facts.datastore);
                if let Some(tracking) = &mut disk.tracking {
                    tracking.rename();
                    disk.change_id = None;
                }
            }
            for frozen in machine.snapshots.iter_mut().flat_map(|snapshot| &mut snapshot.disks) {
                datastore.clone_into(&mut frozen.facts.datastore);
            }
        });
    }

    /// Deletes a machine with its disks and snapshots.
    pub fn delete_machine(&self, vm: &str) {
        self.core.change(|world| {
            let Some(id) = world.machine(vm).map(|machine| machine.id.clone()) else { return };
            let Some(index) = world.machines.iter().position(|machine| machine.id == id) else { return };
            let gone = world.machines.remove(index);
            gone.disks.iter().for_each(|disk| forget(&disk.live));
            let frozen = gone.snapshots.iter().flat_map(|snapshot| &snapshot.disks);
            frozen.filter_map(|disk| disk.image.as_deref()).for_each(forget);
        });
    }
}
