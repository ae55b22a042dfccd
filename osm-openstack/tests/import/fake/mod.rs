//! A cloud in memory that takes what Keystone, Neutron, Glance and Nova take, and refuses what they refuse.

pub(crate) mod glance;
mod keystone;
mod neutron;
mod nova;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use crate::support::{self, PROJECT};

/// A refusal or an answer: status and body.
type Answer = (u16, Value);

/// The cloud; clones share what is in it.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<World>>);

#[derive(Default)]
pub(crate) struct World {
    /// Objects by collection: `networks`, `security-group-rules`, `images`, ...
    pub(crate) objects: BTreeMap<String, Vec<Value>>,
    /// The data of images.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
    made: u32,
    faults: Vec<Fault>,
}

/// What goes wrong with the next request of a method and path.
struct Fault {
    method: &'static str,
    path: &'static str,
    status: u16,
    /// Whether the work is done all the same, so that only the answer is lost.
    done: bool,
}

impl Fake {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Puts an object in, owned by the session's project unless it says otherwise.
    pub(crate) fn put(&self, collection: &str, object: Value) -> String {
        let mut world = self.world();
        let mut made = world.stamped(object.clone());
        made.as_object_mut().unwrap().extend(object.as_object().unwrap().clone());
        world.add(collection, made)
    }

    /// All objects of a collection.
    pub(crate) fn all(&self, collection: &str) -> Vec<Value> {
        self.world().objects.get(collection).cloned().unwrap_or_default()
    }

    /// The only object of a collection that has this name.
    pub(crate) fn named(&self, collection: &str, name: &str) -> Value {
        let found: Vec<Value> =
            self.all(collection).into_iter().filter(|object| object["name"] == name).collect();
        assert_eq!(found.len(), 1, "{collection} named {name}: {found:?}");
        found[0].clone()
    }

    /// The next such request fails with `status`, before anything was done.
    pub(crate) fn refuse(&self, method: &'static str, path: &'static str, status: u16) {
        self.world().faults.push(Fault { method, path, status, done: false });
    }

    /// The next such request does its work, but its answer is lost.
    pub(crate) fn lose_answer(&self, method: &'static str, path: &'static str) {
        self.world().faults.push(Fault { method, path, status: 504, done: true });
    }
}

impl World {
    /// The object with an id and an owner.
    fn stamped(&mut self, mut object: Value) -> Value {
        self.made += 1;
        object["id"] = json!(format!("00000000-0000-4000-8000-{:012}", self.made));
        object["project_id"] = json!(PROJECT);
        object
    }

    fn add(&mut self, collection: &str, object: Value) -> String {
        let id = object["id"].as_str().unwrap().to_owned();
        self.objects.entry(collection.to_owned()).or_default().push(object);
        id
    }

    fn list(&self, collection: &str) -> &[Value] {
        self.objects.get(collection).map(Vec::as_slice).unwrap_or_default()
    }

    fn get(&self, collection: &str, id: &str) -> Option<&Value> {
        self.list(collection).iter().find(|object| object["id"] == id)
    }

    fn get_mut(&mut self, collection: &str, id: &str) -> Option<&mut Value> {
        self.objects.get_mut(collection)?.iter_mut().find(|object| object["id"] == id)
    }

    fn remove(&mut self, collection: &str, id: &str) -> bool {
        let Some(objects) = self.objects.get_mut(collection) else { return false };
        let before = objects.len();
        objects.retain(|object| object["id"] != id);
        objects.len() != before
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.url.path();
        let method = request.method.as_str();
        if let Some(rest) = path.strip_prefix("/network/v2.0/") {
            return self.neutron(method, rest, request);
        }
        if let Some(rest) = path.strip_prefix("/image/v2/") {
            return self.glance(method, rest, request);
        }
        if let Some(rest) = path.strip_prefix("/identity/v3/") {
            return self.keystone(method, rest, request);
        }
        if let Some(rest) = path.strip_prefix("/compute/v2.1/") {
            return self.nova(method, rest, request);
        }
        not_found()
    }
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        if request.method.as_str() == "GET"
            && let Some(versions) = support::versions(request.url.path(), &base)
        {
            return versions;
        }
        let mut world = self.world();
        let hit = |fault: &Fault| {
            request.method.as_str() == fault.method && request.url.path().ends_with(fault.path)
        };
        let fault = world.faults.iter().position(hit).map(|at| world.faults.remove(at));
        if let Some(fault) = &fault
            && !fault.done
        {
            return ResponseTemplate::new(fault.status);
        }
        let (status, body) = world.answer(request);
        match fault {
            Some(fault) => ResponseTemplate::new(fault.status),
            None if body.is_null() => ResponseTemplate::new(status),
            None => ResponseTemplate::new(status).set_body_json(body),
        }
    }
}

fn not_found() -> Answer {
    (404, json!({"NeutronError": {"type": "NotFound", "message": "not found"}}))
}

/// The objects that a query lets pass.
fn filtered(objects: &[Value], request: &Request) -> Vec<Value> {
    let passes = |object: &&Value| {
        request.url.query_pairs().all(|(key, value)| match &object[key.as_ref()] {
            Value::String(text) => *text == value,
            Value::Bool(flag) => flag.to_string() == value,
            _ => key == "is_public",
        })
    };
    objects.iter().filter(passes).cloned().collect()
}

fn body_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}
