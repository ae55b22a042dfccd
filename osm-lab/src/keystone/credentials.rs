//! Application credentials, and the credentials the lab hands to its user.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::ApplicationCredential;
use super::{forbidden, links, missing};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::clock::new_hex_id;
use crate::cloud::Cloud;

/// What it takes to log in with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Where Keystone answers, with its version.
    pub auth_url: String,
    /// The user's name, in the domain `Default`.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The project's name, in the domain `Default`.
    pub project_name: String,
    /// The project's id.
    pub project_id: String,
    /// The user's id.
    pub user_id: String,
}

impl Cloud {
    /// The credentials of the tenant whose things are migrated.
    pub fn tenant(&self) -> Credentials {
        self.credentials("demo", "demo")
    }

    /// The credentials of an administrator.
    pub fn admin(&self) -> Credentials {
        self.credentials("admin", "admin")
    }

    /// Makes an application credential of the tenant; answers its id and its secret.
    pub fn application_credential(&self) -> (String, String) {
        let Credentials { user_id, project_id, .. } = self.tenant();
        let credential = ApplicationCredential {
            id: new_hex_id(),
            name: format!("lab-{}", new_hex_id()),
            secret: new_hex_id(),
            user_id,
            project_id,
        };
        let made = (credential.id.clone(), credential.secret.clone());
        self.world().keystone.credentials.insert(credential);
        made
    }

    fn credentials(&self, user: &str, project: &str) -> Credentials {
        let world = self.world();
        let user = world.keystone.user_named(user);
        let project = world.keystone.project_named(project);
        Credentials {
            auth_url: self.auth_url(),
            username: user.map(|user| user.name.clone()).unwrap_or_default(),
            password: user.and_then(|user| user.password.clone()).unwrap_or_default(),
            project_name: project.map(|project| project.name.clone()).unwrap_or_default(),
            project_id: project.map(|project| project.id.clone()).unwrap_or_default(),
            user_id: user.map(|user| user.id.clone()).unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct Create {
    name: String,
    secret: Option<String>,
}

fn own(call: &Call, user_id: &str, rule: &str) -> Result<(), Refusal> {
    if call.caller.user_id == user_id { Ok(()) } else { Err(forbidden(call, rule)) }
}

fn view(call: &Call, credential: &ApplicationCredential) -> Value {
    let ApplicationCredential { id, name, user_id, project_id, .. } = credential;
    let href = format!("{}/v3/users/{user_id}/application_credentials/{id}", call.url());
    let world = call.cloud.world();
    let roles = world.keystone.roles_of(user_id, project_id);
    let roles: Vec<Value> = roles.iter().map(|role| json!({"id": role.id, "name": role.name})).collect();
    json!({
        "id": id, "name": name, "description": null, "project_id": project_id, "user_id": user_id,
        "expires_at": null, "unrestricted": false, "roles": roles, "links": {"self": href},
    })
}

pub(super) async fn create(call: Call, Path(user_id): Path<String>, body: Bytes) -> Answer {
    own(&call, &user_id, "create_application_credential")?;
    let Create { name, secret } = call.read(&body, "application_credential")?;
    let credential = ApplicationCredential {
        id: new_hex_id(),
        name,
        secret: secret.unwrap_or_else(new_hex_id),
        user_id,
        project_id: call.caller.project_id.clone(),
    };
    let mut body = view(&call, &credential);
    body["secret"] = json!(credential.secret);
    call.cloud.world().keystone.credentials.insert(credential);
    Ok(json(201, &json!({"application_credential": body})))
}

fn of_user(call: &Call, user_id: &str) -> Vec<ApplicationCredential> {
    let world = call.cloud.world();
    let own = world.keystone.credentials.iter().filter(|credential| credential.user_id == user_id);
    own.map(|credential| ApplicationCredential {
        id: credential.id.clone(),
        name: credential.name.clone(),
        secret: String::new(),
        user_id: credential.user_id.clone(),
        project_id: credential.project_id.clone(),
    })
    .collect()
}

pub(super) async fn list(call: Call, Path(user_id): Path<String>) -> Answer {
    own(&call, &user_id, "list_application_credentials")?;
    let rows: Vec<Value> = of_user(&call, &user_id).iter().map(|row| view(&call, row)).collect();
    Ok(json(200, &json!({"application_credentials": rows, "links": links(&call)})))
}

pub(super) async fn show(call: Call, Path((user_id, id)): Path<(String, String)>) -> Answer {
    own(&call, &user_id, "get_application_credential")?;
    let rows = of_user(&call, &user_id);
    let row = rows.iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| missing(&call, "application credential", &id))?;
    Ok(json(200, &json!({"application_credential": view(&call, row)})))
}

pub(super) async fn delete(call: Call, Path((user_id, id)): Path<(String, String)>) -> Answer {
    own(&call, &user_id, "delete_application_credential")?;
    match call.cloud.world().keystone.credentials.remove(&id) {
        Some(_) => Ok(empty(204)),
        None => Err(missing(&call, "application credential", &id)),
    }
}
