//! Keystone: projects, users, roles and who has them.

use serde_json::{Value, json};
use wiremock::Request;

use super::{Answer, Fake, World, body_of, filtered, not_found};

impl Fake {
    /// The domain and the roles that a cloud has before anything is imported.
    pub(crate) fn with_people(self) -> Self {
        self.put("domains", json!({"id": "default", "name": "Default"}));
        for role in ["member", "reader", "golden-role-pub"] {
            self.put("roles", json!({"name": role}));
        }
        self
    }
}

impl World {
    pub(super) fn keystone(&mut self, method: &str, path: &str, request: &Request) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["role_assignments"]) => {
                let project = request.url.query_pairs().find(|(key, _)| key == "scope.project.id");
                let project = project.map(|(_, id)| id.into_owned());
                let in_project = |row: &&Value| row["scope"]["project"]["id"].as_str() == project.as_deref();
                let rows: Vec<&Value> = self.list("role_assignments").iter().filter(in_project).collect();
                (200, json!({"role_assignments": rows}))
            }
            ("GET", [collection]) => (200, json!({ *collection: filtered(self.list(collection), request) })),
            ("GET", [collection, id]) => match self.get(collection, id) {
                Some(object) => (200, json!({ singular(collection): object })),
                None => not_found(),
            },
            ("POST", [collection @ ("projects" | "users")]) => {
                let body = body_of(request)[singular(collection)].clone();
                let same = |row: &Value| row["name"] == body["name"] && row["domain_id"] == body["domain_id"];
                if self.list(collection).iter().any(same) {
                    return (409, json!({"error": {"code": 409, "message": "Duplicate entry found"}}));
                }
                let made = self.stamped(body);
                self.add(collection, made.clone());
                (201, json!({ singular(collection): made }))
            }
            ("PATCH", [collection, id]) => {
                let body = body_of(request)[singular(collection)].clone();
                let Some(object) = self.get_mut(collection, id) else { return not_found() };
                object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
                (200, json!({ singular(collection): object }))
            }
            ("PUT", ["projects", project, "users", user, "roles", role]) => {
                let row = json!({"scope": {"project": {"id": project}}, "user": {"id": user}, "role": {"id": role}});
                self.objects.entry("role_assignments".to_owned()).or_default().push(row);
                (204, Value::Null)
            }
            _ => not_found(),
        }
    }
}

fn singular(collection: &str) -> &str {
    collection.strip_suffix('s').unwrap_or(collection)
}
