//! Snapshots: taking them, removing them, going back.

use std::sync::Arc;

use super::dispatch::{Asked, Outcome};
use super::fault::Fault;
use super::tasks;
use crate::vcenter::core::Core;
use crate::vcenter::world::{Machine, SnapshotSpec, World};
use crate::vcenter::xml::Moref;

pub(super) fn create(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let quiesced = asked.args.flag("quiesce") || asked.args.child("quiesceSpec").is_some();
    let spec = SnapshotSpec {
        name: asked.needs("name")?.to_owned(),
        description: asked.args.text_of("description").to_owned(),
        quiesced,
    };
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    let id = machine.id.clone();
    tasks::begin(core, asked, machine, move |core, world| {
        let number = world.fresh();
        let machine = changed(world, &id)?;
        let shared =
            machine.disks.iter().any(|disk| disk.facts.sharing.as_deref() == Some("sharingMultiWriter"));
        if shared {
            return Err(Fault::new(
                "SnapshotFault",
                "Cannot take a snapshot: a disk is shared between machines.",
            ));
        }
        let snapshot = Moref::new("VirtualMachineSnapshot", format!("snapshot-{number}"));
        machine.take_snapshot(&snapshot.id, number, spec, &core.frozen_dir())?;
        Ok(Some(snapshot))
    })
}

pub(super) fn remove(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let (snapshot, children) = (asked.this.clone(), asked.args.flag("removeChildren"));
    let machine = of_snapshot(core, &snapshot)?;
    tasks::begin(core, asked, machine, move |_, world| {
        let Some(machine) = world.machine_of_mut(&snapshot) else {
            return Err(Fault::gone(&Moref::new("VirtualMachineSnapshot", snapshot)));
        };
        let removed = if children { machine.with_children(&snapshot) } else { vec![snapshot] };
        for id in removed {
            machine.remove_snapshot(&id)?;
        }
        Ok(None)
    })
}

pub(super) fn remove_all(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    let id = machine.id.clone();
    tasks::begin(core, asked, machine, move |_, world| {
        let machine = changed(world, &id)?;
        let all: Vec<String> = machine.snapshots.iter().rev().map(|snapshot| snapshot.id.clone()).collect();
        for snapshot in all {
            machine.remove_snapshot(&snapshot)?;
        }
        Ok(None)
    })
}

pub(super) fn revert(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let snapshot = asked.this.clone();
    let machine = of_snapshot(core, &snapshot)?;
    let id = machine.id.clone();
    tasks::begin(core, asked, machine, move |_, world| {
        changed(world, &id)?.revert(&snapshot)?;
        Ok(None)
    })
}

/// Nothing of the lab ever needs it.
pub(super) fn consolidate(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    tasks::begin(core, asked, machine, |_, _| Ok(None))
}

pub(super) fn moref(machine: &Machine) -> Moref {
    Moref::new("VirtualMachine", &machine.id)
}

/// The machine when its task's time is over.
pub(super) fn changed<'w>(world: &'w mut World, id: &str) -> Result<&'w mut Machine, Fault> {
    let found = world.machines.iter_mut().find(|machine| machine.id == id);
    found.ok_or_else(|| Fault::gone(&Moref::new("VirtualMachine", id)))
}

/// The machine that has a snapshot.
fn of_snapshot(core: &Core, snapshot: &str) -> Result<Moref, Fault> {
    let found = core.look(|world| world.snapshot(snapshot).map(|(machine, _)| moref(machine)));
    found.ok_or_else(|| Fault::gone(&Moref::new("VirtualMachineSnapshot", snapshot)))
}
