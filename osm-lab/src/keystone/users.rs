//! Users.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::User;
use super::{admin_only, forbidden, links, missing};
use crate::api::{Answer, Call, empty, json};
use crate::clock::new_hex_id;

fn view(call: &Call, user: &User) -> Value {
    let mut body = json!({
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.enabled,
        "password_expires_at": null,
        "options": {},
        "links": {"self": format!("{}/v3/users/{}", call.url(), user.id)},
    });
    let extras = [
        ("email", &user.email),
        ("description", &user.description),
        ("default_project_id", &user.default_project_id),
    ];
    for (key, value) in extras {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    body
}

pub(super) async fn list(call: Call) -> Answer {
    admin_only(&call, "list_users")?;
    let world = call.cloud.world();
    let matches = |user: &&User| {
        let is = |name, value: &str| call.query.get(name).is_none_or(|wanted| wanted == value);
        is("name", &user.name) && is("domain_id", &user.domain_id)
    };
    let rows: Vec<Value> =
        world.keystone.users.iter().filter(matches).map(|user| view(&call, user)).collect();
    Ok(json(200, &json!({"users": rows, "links": links(&call)})))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    if call.caller.user_id != id && !call.caller.admin {
        return Err(forbidden(&call, "get_user"));
    }
    let world = call.cloud.world();
    let user = world.keystone.users.get(&id).ok_or_else(|| missing(&call, "user", &id))?;
    Ok(json(200, &json!({"user": view(&call, user)})))
}

#[derive(Deserialize)]
struct Write {
    name: Option<String>,
    domain_id: Option<String>,
    password: Option<String>,
    enabled: Option<bool>,
    email: Option<String>,
    description: Option<String>,
    default_project_id: Option<String>,
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    admin_only(&call, "create_user")?;
    let write: Write = call.read(&body, "user")?;
    let mut world = call.cloud.world();
    let name = write.name.ok_or_else(|| call.refuse(400, "'name' is a required property"))?;
    let domain_id = write.domain_id.unwrap_or_else(|| "default".to_owned());
    if world.keystone.domains.get(&domain_id).is_none() {
        return Err(missing(&call, "domain", &domain_id));
    }
    if world.keystone.users.iter().any(|user| user.name == name && user.domain_id == domain_id) {
        let message = format!(
            "Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID \
             {domain_id}."
        );
        return Err(call.refuse(409, message));
    }
    let user = User {
        id: new_hex_id(),
        name,
        domain_id,
        password: write.password,
        enabled: write.enabled.unwrap_or(true),
        email: write.email,
        description: write.description,
        default_project_id: write.default_project_id,
    };
    let body = view(&call, &user);
    world.keystone.users.insert(user);
    Ok(json(201, &json!({"user": body})))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    admin_only(&call, "update_user")?;
    let write: Write = call.read(&body, "user")?;
    let mut world = call.cloud.world();
    let user = world.keystone.users.get_mut(&id).ok_or_else(|| missing(&call, "user", &id))?;
    user.name = write.name.unwrap_or_else(|| user.name.clone());
    user.enabled = write.enabled.unwrap_or(user.enabled);
    user.password = write.password.or_else(|| user.password.take());
    user.email = write.email.or_else(|| user.email.take());
    user.description = write.description.or_else(|| user.description.take());
    user.default_project_id = write.default_project_id.or_else(|| user.default_project_id.take());
    let body = view(&call, user);
    Ok(json(200, &json!({"user": body})))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    admin_only(&call, "delete_user")?;
    let mut world = call.cloud.world();
    world.keystone.users.remove(&id).ok_or_else(|| missing(&call, "user", &id))?;
    world.keystone.assignments.retain(|assignment| assignment.user_id != id);
    Ok(empty(204))
}
