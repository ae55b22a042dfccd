//! Power, and the configuration.

use std::sync::Arc;

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use super::snapshots::{changed, moref};
use super::tasks;
use crate::vcenter::core::Core;
use crate::vcenter::seed::Power;

pub(super) fn on(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    let id = machine.id.clone();
    tasks::begin(core, asked, machine, move |_, world| {
        let machine = changed(world, &id)?;
        if machine.power == Power::On {
            return Err(Fault::power_state("poweredOff", "poweredOn"));
        }
        machine.power_on()?;
        Ok(None)
    })
}

/// Pulls the plug.
pub(super) fn off(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    let id = machine.id.clone();
    tasks::begin(core, asked, machine, move |_, world| {
        let machine = changed(world, &id)?;
        if machine.power == Power::Off {
            return Err(Fault::power_state("poweredOn", "poweredOff"));
        }
        machine.power_off()?;
        Ok(None)
    })
}

/// Asks the guest, which takes its time or does not listen.
pub(super) fn shut_down(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let listens = core.look(|world| {
        let machine = asked.machine(world)?;
        if machine.power == Power::Off {
            return Err(Fault::power_state("poweredOn", "poweredOff"));
        }
        if !machine.tools_running {
            let message =
                "Cannot complete operation because VMware Tools is not running in this virtual machine.";
            return Err(Fault::new("ToolsUnavailable", message));
        }
        Ok(!machine.ignores_shutdown)
    })?;
    if listens {
        let id = asked.this.clone();
        core.later(move |core| {
            core.change(|world| {
                // Off already, or gone: as good.
                if let Ok(machine) = changed(world, &id)
                    && machine.power == Power::On
                {
                    let _ = machine.shut_down();
                }
            });
        });
    }
    Answer::nothing()
}

/// Of a specification, tracking and the name are heard; the rest changes nothing.
pub(super) fn reconfigure(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    let spec = asked.args.child("spec").cloned().unwrap_or_default();
    let id = machine.id.clone();
    tasks::begin(core, asked, machine, move |_, world| {
        let machine = changed(world, &id)?;
        if let Some(name) = spec.child("name") {
            machine.facts.name.clone_from(&name.text);
        }
        if spec.child("changeTrackingEnabled").is_some() {
            machine.facts.tracking = spec.flag("changeTrackingEnabled");
            // A machine that runs must be stunned first, by a snapshot that is taken and removed.
            if machine.power == Power::Off {
                machine.settle_tracking()?;
            }
        }
        Ok(None)
    })
}

pub(super) fn rename(core: &Arc<Core>, asked: &Asked) -> Outcome {
    let machine = core.look(|world| asked.machine(world).map(moref))?;
    let (id, name) = (machine.id.clone(), asked.needs("newName")?.to_owned());
    tasks::begin(core, asked, machine, move |_, world| {
        changed(world, &id)?.facts.name = name;
        Ok(None)
    })
}
