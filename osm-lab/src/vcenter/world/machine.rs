//! A machine: what it is made of, its disks, its snapshots.

use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::disk::{Disk, FrozenDisk, forget};
use crate::clock;
use crate::vcenter::seed::{NicSeed, Power};

/// What a snapshot remembers of a machine besides its disks.
#[derive(Debug, Clone)]
pub(crate) struct MachineFacts {
    pub(crate) name: String,
    pub(crate) guest_id: String,
    pub(crate) guest_full_name: String,
    pub(crate) efi: bool,
    pub(crate) secure_boot: bool,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u64,
    pub(crate) hw_version: String,
    pub(crate) uuid: String,
    pub(crate) instance_uuid: String,
    pub(crate) nics: Vec<NicSeed>,
    /// Whether changes shall be tracked; whether they are, its disks know.
    pub(crate) tracking: bool,
    /// Where its configuration is: `[ds] app/app.vmx`.
    pub(crate) vmx: String,
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: String,
    /// The folder that it is in.
    pub(crate) parent: String,
    pub(crate) facts: MachineFacts,
    /// The folder of its files in a datastore.
    pub(crate) home: String,
    pub(crate) power: Power,
    pub(crate) tools_running: bool,
    pub(crate) ignores_shutdown: bool,
    /// What the guest writes while it shuts down: key, offset, bytes.
    pub(crate) on_shutdown: Vec<(i32, u64, Vec<u8>)>,
    pub(crate) disks: Vec<Disk>,
    /// Oldest first.
    pub(crate) snapshots: Vec<Snapshot>,
    /// The snapshot that its disks go on from.
    pub(crate) current: Option<String>,
    /// The number of the files that are written to; 0 is the base.
    pub(crate) delta: u32,
}

/// A snapshot of a machine.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) created: Timestamp,
    pub(crate) parent: Option<String>,
    pub(crate) quiesced: bool,
    pub(crate) power: Power,
    /// The number of the files that it froze.
    pub(crate) delta: u32,
    pub(crate) facts: MachineFacts,
    pub(crate) disks: Vec<FrozenDisk>,
}

/// What a snapshot is asked to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct SnapshotSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) quiesced: bool,
}

impl Machine {
    pub(crate) fn disk(&self, key: i32) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.facts.key == key)
    }

    pub(crate) fn disk_mut(&mut self, key: i32) -> Option<&mut Disk> {
        self.disks.iter_mut().find(|disk| disk.facts.key == key)
    }

    pub(crate) fn snapshot(&self, id: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id)
    }

    /// A snapshot and those that it stands on, itself first.
    pub(crate) fn ancestry(&self, id: Option<&str>) -> Vec<&Snapshot> {
        let mut found = Vec::new();
        let mut next = id.and_then(|id| self.snapshot(id));
        while let Some(snapshot) = next {
            found.push(snapshot);
            next = snapshot.parent.as_deref().and_then(|id| self.snapshot(id));
        }
        found
    }

    /// The numbers of a disk's files that a view of it consists of, the topmost first and the base, 0, last: of a
    /// snapshot's view, or of the live one.
    pub(crate) fn chain(&self, key: i32, snapshot: Option<&str>) -> Vec<u32> {
        let from = snapshot.or(self.current.as_deref());
        let frozen = self.ancestry(from).into_iter().filter(|snapshot| snapshot.froze(key).is_some());
        let mut numbers: Vec<u32> = frozen.map(|snapshot| snapshot.delta).collect();
        if snapshot.is_none() {
            numbers.insert(0, self.delta);
        }
        numbers.pop();
        numbers.push(0);
        numbers
    }

    /// What the base file of a disk holds while there are snapshots: what the oldest one froze.
    pub(crate) fn base_image(&self, key: i32) -> Option<&Path> {
        let ancestry = self.ancestry(self.current.as_deref());
        let oldest = ancestry.iter().rev().find_map(|snapshot| snapshot.froze(key));
        let oldest = oldest.or_else(|| self.snapshots.iter().find_map(|snapshot| snapshot.froze(key)));
        oldest.and_then(|frozen| frozen.image.as_deref())
    }

    /// Freezes all disks at once.
    pub(crate) fn take_snapshot(
        &mut self,
        id: &str,
        number: u32,
        spec: SnapshotSpec,
        dir: &Path,
    ) -> io::Result<()> {
        let mut disks = Vec::new();
        for disk in &mut self.disks {
            let before = disk.last_frozen.clone();
            disks.push(disk.freeze(dir.join(format!("{id}-{}.img", disk.facts.key)))?);
            // It was kept only as the last one.
            let kept = |file: &Path| self.snapshots.iter().any(|snapshot| snapshot.holds(file));
            if let Some(before) = before.filter(|file| disk.last_frozen.as_ref() != Some(file) && !kept(file))
            {
                forget(&before);
            }
        }
        self.snapshots.push(Snapshot {
            id: id.to_owned(),
            number,
            name: spec.name,
            description: spec.description,
            created: clock::now(),
            parent: self.current.replace(id.to_owned()),
            quiesced: spec.quiesced,
            power: self.power,
            delta: self.delta,
            facts: self.facts.clone(),
            disks,
        });
        self.delta = self.free_delta();
        Ok(())
    }

    /// Merges a snapshot into what stands on it. A snapshot that is gone already is as good.
    pub(crate) fn remove_snapshot(&mut self, id: &str) -> io::Result<()> {
        let Some(index) = self.snapshots.iter().position(|snapshot| snapshot.id == id) else {
            return Ok(());
        };
        let removed = self.snapshots.remove(index);
        // What was written next is merged into the files that it froze, and these are written to from now on.
        let mut heir = None;
        for child in self.snapshots.iter_mut().filter(|child| child.parent.as_deref() == Some(id)) {
            child.parent.clone_from(&removed.parent);
            heir.get_or_insert(&mut child.delta);
        }
        if self.current.as_deref() == Some(id) {
            self.current.clone_from(&removed.parent);
            heir.get_or_insert(&mut self.delta);
        }
        if let Some(delta) = heir {
            *delta = removed.delta;
        }
        if self.snapshots.is_empty() {
            self.delta = 0;
        }
        for frozen in &removed.disks {
            let last = self.disk(frozen.facts.key).and_then(|disk| disk.last_frozen.clone());
            if let Some(image) = frozen.image.as_ref().filter(|image| last.as_ref() != Some(image)) {
                forget(image);
            }
        }
        // The machine was stunned: what its configuration says of tracking is done now.
        self.settle_tracking()
    }

    /// The snapshot and all that stand on it, the youngest first.
    pub(crate) fn with_children(&self, id: &str) -> Vec<String> {
        let mut found = vec![id.to_owned()];
        let mut index = 0;
        while index < found.len() {
            let children = self.snapshots.iter().filter(|it| it.parent.as_ref() == Some(&found[index]));
            let children: Vec<String> = children.map(|child| child.id.clone()).collect();
            found.extend(children);
            index += 1;
        }
        found.reverse();
        found
    }

    /// Goes back to a snapshot. None of ours holds memory, so the machine is off then.
    pub(crate) fn revert(&mut self, id: &str) -> io::Result<()> {
        let Some(snapshot) = self.snapshots.iter().find(|snapshot| snapshot.id == id) else { return Ok(()) };
        for frozen in &snapshot.disks {
            if let Some(disk) = self.disks.iter_mut().find(|disk| disk.facts.key == frozen.facts.key) {
                disk.revert(frozen)?;
            }
        }
        let tracking = self.facts.tracking;
        self.facts = MachineFacts { tracking, name: self.facts.name.clone(), ..snapshot.facts.clone() };
        self.current = Some(id.to_owned());
        self.delta = self.free_delta();
        self.power_off()
    }

    /// Brings tracking in line with the configuration: a machine that is off, or was stunned.
    pub(crate) fn settle_tracking(&mut self) -> io::Result<()> {
        let on = self.facts.tracking;
        self.disks.iter_mut().try_for_each(|disk| disk.track(on))
    }

    pub(crate) fn power_on(&mut self) -> io::Result<()> {
        self.power = Power::On;
        self.settle_tracking()
    }

    pub(crate) fn power_off(&mut self) -> io::Result<()> {
        self.power = Power::Off;
        self.settle_tracking()
    }

    /// The guest shuts down: it writes what it has to, then the machine is off.
    pub(crate) fn shut_down(&mut self) -> io::Result<()> {
        for (key, offset, bytes) in std::mem::take(&mut self.on_shutdown) {
            if let Some(disk) = self.disk_mut(key) {
                disk.write(offset, &bytes, true)?;
            }
        }
        self.power_off()
    }

    fn free_delta(&self) -> u32 {
        let taken = |number: &u32| self.snapshots.iter().any(|snapshot| snapshot.delta == *number);
        (1..).find(|number| !taken(number)).unwrap_or(1)
    }
}

impl Snapshot {
    /// What it froze of a disk; none for one that it left out.
    pub(crate) fn froze(&self, key: i32) -> Option<&FrozenDisk> {
        self.disks.iter().find(|disk| disk.facts.key == key && disk.image.is_some())
    }

    fn holds(&self, file: &Path) -> bool {
        self.disks.iter().any(|disk| disk.image.as_deref() == Some(file))
    }
}
