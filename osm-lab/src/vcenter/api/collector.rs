//! The property collector: what objects say of themselves, page by page.

use uuid::Uuid;

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use super::object;
use super::spec::{FilterSpec, Found};
use crate::vcenter::core::Core;
use crate::vcenter::xml::Node;

/// How many objects a page has when nobody says.
const PAGE: usize = 1000;

pub(super) fn retrieve_pages(core: &Core, asked: &Asked) -> Outcome {
    let objects = objects(core, asked)?;
    let most =
        asked.args.child("options").and_then(|options| options.text_of("maxObjects").trim().parse().ok());
    answer(core, objects, most.filter(|most| *most > 0).unwrap_or(PAGE))
}

pub(super) fn retrieve_all(core: &Core, asked: &Asked) -> Outcome {
    Answer::many(objects(core, asked)?)
}

/// One property of the object that it is called on, as pyvmomi asks for it.
pub(super) fn fetch(core: &Core, asked: &Asked) -> Outcome {
    let name = asked.needs("prop")?;
    core.look(|world| {
        let object = object::find(world, &asked.this);
        let object = object.ok_or_else(|| Fault::gone(&object::gone(&asked.this)))?;
        Answer::many(object::property(world, &object, name).into_iter().collect())
    })
}

pub(super) fn next_page(core: &Core, asked: &Asked) -> Outcome {
    let token = asked.needs("token")?;
    let rest = core.note(|world| world.pages.remove(token));
    let rest = rest.ok_or_else(|| Fault::invalid_argument("token"))?;
    // The size of the pages is part of the token.
    let most = token.rsplit_once('-').and_then(|(_, most)| most.parse().ok()).unwrap_or(PAGE);
    answer(core, rest, most)
}

pub(super) fn cancel(core: &Core, asked: &Asked) -> Outcome {
    let token = asked.needs("token")?;
    core.note(|world| world.pages.remove(token));
    Answer::nothing()
}

fn objects(core: &Core, asked: &Asked) -> Result<Vec<Node>, Fault> {
    core.look(|world| {
        let mut objects = Vec::new();
        for spec in asked.args.all("specSet") {
            objects.extend(FilterSpec::read(spec).select(world)?.into_iter().map(content));
        }
        Ok(objects)
    })
}

fn content((object, told): Found) -> Node {
    let mut parts = vec![Node::reference("obj", &object)];
    parts.extend(told.into_iter().map(|(path, value)| {
        Node::object("propSet", "", vec![Node::text("name", path), Node::any("val", value)])
    }));
    Node::object("objects", "", parts)
}

fn answer(core: &Core, mut objects: Vec<Node>, most: usize) -> Outcome {
    if objects.is_empty() {
        return Answer::nothing();
    }
    let mut parts = Vec::new();
    if objects.len() > most {
        let rest = objects.split_off(most);
        let token = format!("{}-{most}", Uuid::new_v4().simple());
        parts.push(Node::text("token", &token));
        core.note(|world| world.pages.insert(token, rest));
    }
    parts.extend(objects);
    Answer::one(Node::object("returnval", "", parts))
}
