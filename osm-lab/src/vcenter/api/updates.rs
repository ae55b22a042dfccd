//! Filters, and waiting for what they select to change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::{Answer, Asked, Outcome};
use super::fault::Fault;
use super::spec::{FilterSpec, Found};
use crate::vcenter::core::Core;
use crate::vcenter::world::{Filter, World};
use crate::vcenter::xml::{Moref, Node};

/// The longest wait that nobody has bounded.
const LONGEST: Duration = Duration::from_secs(600);

/// What was told of objects: their properties as they were written.
type Told = BTreeMap<Moref, BTreeMap<String, String>>;

pub(super) fn create_filter(core: &Core, asked: &Asked) -> Outcome {
    let spec = asked.args.child("spec").map(FilterSpec::read).unwrap_or_default();
    core.note(|world| {
        // It begins with what is there.
        spec.select(world)?;
        let id = format!("session[filter]{}", world.fresh());
        let filter = Filter { id: id.clone(), collector: asked.this.clone(), spec, told: Told::new() };
        world.filters.push(filter);
        Answer::one(Node::reference("returnval", &Moref::new("PropertyFilter", id)))
    })
}

pub(super) fn destroy_filter(core: &Core, asked: &Asked) -> Outcome {
    core.note(|world| {
        let count = world.filters.len();
        world.filters.retain(|filter| filter.id != asked.this);
        match world.filters.len() < count {
            true => Answer::nothing(),
            false => Err(Fault::gone(&Moref::new("PropertyFilter", &asked.this))),
        }
    })
}

pub(super) fn create_collector(core: &Core) -> Outcome {
    let id = core.note(|world| format!("session[collector]{}", world.fresh()));
    Answer::one(Node::reference("returnval", &Moref::new("PropertyCollector", id)))
}

pub(super) fn destroy_collector(core: &Core, asked: &Asked) -> Outcome {
    core.note(|world| world.filters.retain(|filter| filter.collector != asked.this));
    Answer::nothing()
}

/// Answers once something has changed; nothing when the time is over.
pub(super) async fn wait(core: Arc<Core>, asked: Asked) -> Outcome {
    let options = asked.args.child("options");
    let seconds = options.and_then(|options| options.text_of("maxWaitSeconds").trim().parse().ok());
    let longest = match asked.method.as_str() {
        "CheckForUpdates" => Duration::ZERO,
        _ => seconds.map_or(LONGEST, Duration::from_secs),
    };
    let deadline = Instant::now() + longest;
    let collector = asked.this.clone();
    let mut fresh = asked.args.text_of("version").trim().is_empty();
    let mut changes = core.changes();
    loop {
        changes.mark_unchanged();
        let (core, collector) = (Arc::clone(&core), collector.clone());
        let found = tokio::task::spawn_blocking(move || core.note(|world| updates(world, &collector, fresh)));
        let found = found.await.map_err(|error| Fault::new("SystemError", error.to_string()))?;
        if let Some(found) = found {
            return Answer::one(found);
        }
        fresh = false;
        match tokio::time::timeout_at(deadline, changes.changed()).await {
            Ok(Ok(())) => {}
            _ => return Answer::nothing(),
        }
    }
}

/// What has changed since the last time; all of it, when that is asked afresh.
fn updates(world: &mut World, collector: &str, fresh: bool) -> Option<Node> {
    let mut sets = Vec::new();
    // The filters are out of the world while it is looked at.
    let mut filters = std::mem::take(&mut world.filters);
    for filter in filters.iter_mut().filter(|filter| filter.collector == collector) {
        if fresh {
            filter.told.clear();
        }
        // An object that it begins with may be gone: then all of it is.
        let found = filter.spec.select(world).unwrap_or_default();
        let updates = compare(&mut filter.told, found);
        if !updates.is_empty() {
            let mut parts = vec![Node::reference("filter", &Moref::new("PropertyFilter", &filter.id))];
            parts.extend(updates);
            sets.push(Node::object("filterSet", "", parts));
        }
    }
    world.filters = filters;
    if sets.is_empty() {
        return None;
    }
    let mut parts = vec![Node::text("version", world.fresh())];
    parts.extend(sets);
    parts.push(Node::flag("truncated", false));
    Some(Node::object("returnval", "", parts))
}

/// The updates that lead from what was told to what is found; that is told then.
fn compare(told: &mut Told, found: Vec<Found>) -> Vec<Node> {
    let mut updates = Vec::new();
    let mut now = Told::new();
    for (object, properties) in found {
        let before = told.get(&object);
        let mut written = BTreeMap::new();
        let mut changed = Vec::new();
        for (path, value) in properties {
            let mut text = String::new();
            value.write_value("val", &mut text);
            if before.and_then(|before| before.get(&path)) != Some(&text) {
                changed.push(change(&path, Some(value)));
            }
            written.insert(path, text);
        }
        for path in before.into_iter().flat_map(BTreeMap::keys).filter(|path| !written.contains_key(*path)) {
            changed.push(change(path, None));
        }
        if before.is_none() || !changed.is_empty() {
            let kind = if before.is_none() { "enter" } else { "modify" };
            updates.push(update(kind, &object, changed));
        }
        now.insert(object, written);
    }
    updates.extend(
        told.keys()
            .filter(|object| !now.contains_key(*object))
            .map(|object| update("leave", object, Vec::new())),
    );
    *told = now;
    updates
}

fn update(kind: &str, object: &Moref, changed: Vec<Node>) -> Node {
    let mut parts = vec![Node::word("kind", "ObjectUpdateKind", kind), Node::reference("obj", object)];
    parts.extend(changed);
    Node::object("objectSet", "", parts)
}

fn change(path: &str, value: Option<Node>) -> Node {
    let op = if value.is_some() { "assign" } else { "remove" };
    let mut parts = vec![Node::text("name", path), Node::word("op", "PropertyChangeOp", op)];
    parts.extend(value.map(|value| Node::any("val", value)));
    Node::object("changeSet", "", parts)
}
