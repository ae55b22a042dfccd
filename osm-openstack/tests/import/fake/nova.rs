//! Nova: keypairs and flavors.

use serde_json::{Value, json};
use wiremock::Request;

use super::{Answer, World, body_of, filtered, not_found};

impl World {
    pub(super) fn nova(&mut self, method: &str, path: &str, request: &Request) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["os-keypairs", name]) => {
                let name = name.replace("%20", " ");
                let found = self.list("keypairs").iter().find(|keypair| keypair["name"] == name.as_str());
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
            _ => (404, Value::Null),
        }
    }
}
