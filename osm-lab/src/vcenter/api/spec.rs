//! What a property collector is asked for, and what that selects.

use std::collections::HashMap;

use super::fault::Fault;
use super::object;
use crate::vcenter::world::World;
use crate::vcenter::xml::{Element, Moref, Node};

/// Objects, and properties of theirs.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterSpec {
    properties: Vec<Properties>,
    objects: Vec<Start>,
}

/// Which properties objects of a type shall tell.
#[derive(Debug, Clone)]
struct Properties {
    kind: String,
    all: bool,
    paths: Vec<String>,
}

/// Where to begin.
#[derive(Debug, Clone)]
struct Start {
    object: String,
    skip: bool,
    ways: Vec<Way>,
}

/// How to go on: along a property, or along a way of this name.
#[derive(Debug, Clone)]
struct Way {
    name: String,
    along: Option<Along>,
}

#[derive(Debug, Clone)]
struct Along {
    kind: String,
    path: String,
    skip: bool,
    ways: Vec<Way>,
}

/// An object, and what it tells: paths and values.
pub(super) type Found = (Moref, Vec<(String, Node)>);

impl FilterSpec {
    pub(super) fn read(spec: &Element) -> Self {
        let properties = spec.all("propSet").map(|set| Properties {
            kind: set.text_of("type").trim().to_owned(),
            all: set.flag("all"),
            paths: set.all("pathSet").map(|path| path.text.trim().to_owned()).collect(),
        });
        let objects = spec.all("objectSet").map(|set| Start {
            object: set.text_of("obj").trim().to_owned(),
            skip: set.flag("skip"),
            ways: ways(set),
        });
        Self { properties: properties.collect(), objects: objects.collect() }
    }

    /// What it selects now.
    ///
    /// # Errors
    /// An object that it begins with is not there.
    pub(super) fn select(&self, world: &World) -> Result<Vec<Found>, Fault> {
        let mut named = Vec::new();
        self.objects.iter().for_each(|start| collect(&start.ways, &mut named));
        let mut objects: Vec<Moref> = Vec::new();
        for start in &self.objects {
            let object = object::find(world, &start.object);
            let object = object.ok_or_else(|| Fault::gone(&object::gone(&start.object)))?;
            if !start.skip {
                add(&mut objects, &object);
            }
            let mut seen = Vec::new();
            walk(world, &object, &start.ways, &named, &mut objects, &mut seen);
        }
        Ok(objects.into_iter().filter_map(|object| self.tell(world, object)).collect())
    }

    /// The properties of an object; none when its type is not asked for.
    fn tell(&self, world: &World, object: Moref) -> Option<Found> {
        let sets: Vec<&Properties> =
            self.properties.iter().filter(|set| is_a(object.kind, &set.kind)).collect();
        if sets.is_empty() {
            return None;
        }
        let mut told: Vec<(String, Node)> = Vec::new();
        // A property is made once, however many paths lead into it.
        let mut tops: HashMap<String, Option<Node>> = HashMap::new();
        for set in sets {
            let all =
                object::properties(object.kind).iter().filter(|_| set.all).map(|name| (*name).to_owned());
            for path in all.chain(set.paths.iter().cloned()) {
                let (top, rest) = path.split_once('.').unwrap_or((&path, ""));
                let top = tops.entry(top.to_owned()).or_insert_with(|| object::property(world, &object, top));
                let value = top.as_ref().and_then(|value| value.at(rest)).cloned();
                if let Some(value) = value.filter(|_| !told.iter().any(|(known, _)| *known == path)) {
                    told.push((path, value));
                }
            }
        }
        Some((object, told))
    }
}

/// Whether what is of one type is of the other, too.
pub(super) fn is_a(kind: &str, wanted: &str) -> bool {
    const ENTITIES: [&str; 8] = [
        "Folder",
        "Datacenter",
        "VirtualMachine",
        "HostSystem",
        "ComputeResource",
        "ResourcePool",
        "Datastore",
        "Network",
    ];
    kind == wanted
        || wanted == "ManagedObject"
        || (wanted == "ManagedEntity" && ENTITIES.contains(&kind))
        || (wanted == "View" && kind == "ContainerView")
}

fn ways(holder: &Element) -> Vec<Way> {
    let way = |set: &Element| {
        // A selection that only has a name repeats a traversal of that name.
        let along = set.child("path").map(|path| Along {
            kind: set.text_of("type").trim().to_owned(),
            path: path.text.trim().to_owned(),
            skip: set.flag("skip"),
            ways: ways(set),
        });
        Way { name: set.text_of("name").trim().to_owned(), along }
    };
    holder.all("selectSet").map(way).collect()
}

/// All traversals with a name, wherever they stand.
fn collect<'s>(ways: &'s [Way], named: &mut Vec<(&'s str, &'s Along)>) {
    for way in ways {
        if let Some(along) = &way.along {
            named.push((&way.name, along));
            collect(&along.ways, named);
        }
    }
}

fn walk<'s>(
    world: &World,
    from: &Moref,
    ways: &'s [Way],
    named: &[(&'s str, &'s Along)],
    objects: &mut Vec<Moref>,
    seen: &mut Vec<(Moref, String, String)>,
) {
    for way in ways {
        let along = way.along.as_ref().or_else(|| {
            named.iter().find(|(name, _)| !name.is_empty() && *name == way.name).map(|(_, along)| *along)
        });
        let Some(along) = along.filter(|along| is_a(from.kind, &along.kind)) else { continue };
        // Ways can lead in circles.
        let step = (from.clone(), along.path.clone(), way.name.clone());
        if seen.contains(&step) {
            continue;
        }
        seen.push(step);
        let (top, rest) = along.path.split_once('.').unwrap_or((&along.path, ""));
        let value = object::property(world, from, top);
        let targets = value.as_ref().and_then(|value| value.at(rest)).map(Node::targets);
        for target in targets.unwrap_or_default() {
            if !along.skip {
                add(objects, &target);
            }
            walk(world, &target, &along.ways, named, objects, seen);
        }
    }
}

fn add(objects: &mut Vec<Moref>, object: &Moref) {
    if !objects.contains(object) {
        objects.push(object.clone());
    }
}
