//! Container views.

use uuid::Uuid;

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use super::spec::is_a;
use crate::vcenter::core::Core;
use crate::vcenter::world::{View, World};
use crate::vcenter::xml::{Moref, Node};

pub(super) fn create(core: &Core, asked: &Asked) -> Outcome {
    let container = asked.needs("container")?.to_owned();
    let key = asked.session.as_ref().map(|session| session.key.clone()).unwrap_or_default();
    let view = View {
        id: format!("session[{key}]{}", Uuid::new_v4()),
        container,
        types: asked.args.all("type").map(|kind| kind.text.trim().to_owned()).collect(),
        recursive: asked.args.flag("recursive"),
    };
    core.note(|world| {
        if world.entity(&view.container).is_none() {
            return Err(Fault::gone(&Moref::new("Folder", &view.container)));
        }
        let moref = Moref::new("ContainerView", &view.id);
        world.views.push(view);
        Answer::one(Node::reference("returnval", &moref))
    })
}

pub(super) fn destroy(core: &Core, asked: &Asked) -> Outcome {
    core.note(|world| {
        let count = world.views.len();
        world.views.retain(|view| view.id != asked.this);
        match world.views.len() < count {
            true => Answer::nothing(),
            false => Err(Fault::gone(&Moref::new("ContainerView", &asked.this))),
        }
    })
}

/// What a view shows now.
pub(super) fn shown(world: &World, view: &View) -> Vec<Moref> {
    let shows = |kind: &str| view.types.is_empty() || view.types.iter().any(|wanted| is_a(kind, wanted));
    let inside = world.entities().filter(|entity| {
        shows(entity.moref.kind)
            && match view.recursive {
                true => world.is_below(entity, &view.container),
                false => entity.parent.as_ref() == Some(&view.container),
            }
    });
    inside.map(|entity| entity.moref).collect()
}
