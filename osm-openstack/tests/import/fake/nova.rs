//! Nova: keypairs and flavors.

use serde_json::{Value, json};
use wiremock::Request;

use super::{Answer, World, body_of, filtered, not_found};

impl World {
    pub(super) fn nova(&mut self, method: &str, path: &str, request: &Request) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["os-keypairs"]) => {
                let own = self.list("keypairs").iter().filter(|keypair| is_of(keypair, request));
                let rows: Vec<Value> = own.map(|keypair| json!({"keypair": keypair})).collect();
                (200, json!({"keypairs": rows}))
            }
            ("GET", ["os-keypairs", name]) => {
                let name = decoded(name);
                let mut own = self.list("keypairs").iter().filter(|keypair| is_of(keypair, request));
                let found = own.find(|keypair| keypair["name"] == name.as_str());
                found.map_or_else(not_found, |keypair| (200, json!({"keypair": keypair})))
            }
            ("POST", ["os-keypairs"]) => {
                let keypair = self.stamped(body_of(request)["keypair"].clone());
                self.add("keypairs", keypair.clone());
                (201, json!({"keypair": keypair}))
            }
            ("GET", ["flavors", "detail"]) => {
                (200, json!({"flavors": filtered(self.list("flavors"), request)}))
            }
            ("POST", ["flavors"]) => {
                let mut flavor = self.stamped(body_of(request)["flavor"].clone());
                flavor["extra_specs"] = json!({});
                self.add("flavors", flavor.clone());
                (200, json!({"flavor": flavor}))
            }
            ("POST", ["flavors", id, "os-extra_specs"]) => {
                let specs = body_of(request)["extra_specs"].clone();
                let Some(flavor) = self.get_mut("flavors", id) else { return not_found() };
                let known = flavor["extra_specs"].as_object_mut().unwrap();
                known.extend(specs.as_object().unwrap().clone());
                (200, json!({"extra_specs": specs}))
            }
            ("DELETE", ["flavors", id, "os-extra_specs", key]) => {
                let Some(flavor) = self.get_mut("flavors", id) else { return not_found() };
                flavor["extra_specs"].as_object_mut().unwrap().remove(&key.replace("%3A", ":"));
                (200, Value::Null)
            }
            ("PUT", ["flavors", id]) => {
                let Some(flavor) = self.get_mut("flavors", id) else { return not_found() };
                flavor["description"] = body_of(request)["flavor"]["description"].clone();
                (200, json!({"flavor": flavor}))
            }
            ("GET", ["flavors", id, "os-flavor-access"]) => {
                let Some(flavor) = self.get("flavors", id) else { return not_found() };
                let projects = flavor["access"].as_array().cloned().unwrap_or_default();
                let rows: Vec<Value> =
                    projects.iter().map(|project| json!({"flavor_id": id, "tenant_id": project})).collect();
                (200, json!({"flavor_access": rows}))
            }
            ("POST", ["flavors", id, "action"]) => {
                let project = body_of(request)["addTenantAccess"]["tenant"].clone();
                let Some(flavor) = self.get_mut("flavors", id) else { return not_found() };
                let mut projects = flavor["access"].as_array().cloned().unwrap_or_default();
                projects.push(project);
                flavor["access"] = Value::Array(projects);
                (200, json!({"flavor_access": []}))
            }
            _ => (404, Value::Null),
        }
    }
}

/// A segment of a path without percent signs.
fn decoded(segment: &str) -> String {
    let mut parts = segment.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Whether a keypair is of the user whom the request names; without one, of the caller.
fn is_of(keypair: &Value, request: &Request) -> bool {
    let user = request.url.query_pairs().find(|(key, _)| key == "user_id").map(|(_, id)| id.into_owned());
    keypair["user_id"].as_str() == user.as_deref()
}
