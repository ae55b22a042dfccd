//! The search index.

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use crate::vcenter::core::Core;
use crate::vcenter::world::{Entity, ROOT, World, escaped};
use crate::vcenter::xml::{Moref, Node};

pub(super) fn by_uuid(core: &Core, asked: &Asked) -> Outcome {
    let wanted = asked.needs("uuid")?;
    if !asked.args.flag("vmSearch") {
        return Answer::nothing();
    }
    let by_instance = asked.args.flag("instanceUuid");
    let found: Vec<Moref> = core.look(|world| {
        let machines = world.machines.iter().filter(|machine| {
            let facts = &machine.facts;
            let id = if by_instance { &facts.instance_uuid } else { &facts.uuid };
            id.eq_ignore_ascii_case(wanted)
        });
        machines.map(|machine| Moref::new("VirtualMachine", &machine.id)).collect()
    });
    match asked.method.as_str() {
        "FindByUuid" => Answer::reference(found.first()),
        _ => Answer::many(found.iter().map(|found| Node::reference("returnval", found)).collect()),
    }
}

/// `DC0/vm/folder/name`. What is not there is no fault.
pub(super) fn by_path(core: &Core, asked: &Asked) -> Outcome {
    let path = asked.needs("inventoryPath")?;
    let found = core.look(|world| {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(ROOT.to_owned(), |id, name| named(world, &id, name).map(|it| it.moref.id))
    });
    let found = found.filter(|id| id != ROOT);
    let moref = core.look(|world| found.and_then(|id| world.entity(&id)).map(|entity| entity.moref));
    Answer::reference(moref.as_ref())
}

pub(super) fn child(core: &Core, asked: &Asked) -> Outcome {
    let (entity, name) = (asked.needs("entity")?, asked.needs("name")?);
    core.look(|world| {
        if world.entity(entity).is_none() {
            return Err(Fault::gone(&Moref::new("ManagedEntity", entity)));
        }
        Answer::reference(named(world, entity, name).map(|found| found.moref).as_ref())
    })
}

/// The child of this name, as the inventory writes it.
fn named(world: &World, parent: &str, name: &str) -> Option<Entity> {
    let same = |entity: &Entity| escaped(&entity.name).eq_ignore_ascii_case(name) || entity.name == name;
    world.children(parent).into_iter().find(same)
}
