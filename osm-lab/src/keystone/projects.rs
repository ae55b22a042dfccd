//! Domains and projects.

use axum::body::Bytes;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Domain, Project};
use super::{admin_only, forbidden, links, missing};
use crate::api::{Answer, Call, empty, json};
use crate::clock::new_hex_id;

fn domain_view(call: &Call, domain: &Domain) -> Value {
    let Domain { id, name, description } = domain;
    json!({
        "id": id, "name": name, "description": description, "enabled": true, "tags": [], "options": {},
        "links": {"self": format!("{}/v3/domains/{id}", call.url())},
    })
}

fn view(call: &Call, project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.parent_id,
        "is_domain": false,
        "tags": project.tags,
        "options": {},
        "links": {"self": format!("{}/v3/projects/{}", call.url(), project.id)},
    })
}

pub(super) async fn domains(call: Call) -> Answer {
    admin_only(&call, "list_domains")?;
    let world = call.cloud.world();
    let name = call.query.get("name");
    let found = world.keystone.domains.iter().filter(|domain| name.is_none_or(|name| domain.name == name));
    let rows: Vec<Value> = found.map(|domain| domain_view(&call, domain)).collect();
    Ok(json(200, &json!({"domains": rows, "links": links(&call)})))
}

pub(super) async fn domain(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    let domain = world.keystone.domains.get(&id);
    // A tenant is told about its own domain and about nothing else, not even that it is missing.
    if !call.caller.admin && id != "default" {
        return Err(forbidden(&call, "get_domain"));
    }
    let domain = domain.ok_or_else(|| missing(&call, "domain", &id))?;
    Ok(json(200, &json!({"domain": domain_view(&call, domain)})))
}

pub(super) async fn list(call: Call) -> Answer {
    admin_only(&call, "list_projects")?;
    let world = call.cloud.world();
    let matches = |project: &&Project| {
        let is = |name, value: &str| call.query.get(name).is_none_or(|wanted| wanted == value);
        is("name", &project.name)
            && is("domain_id", &project.domain_id)
            && is("parent_id", &project.parent_id)
    };
    let rows: Vec<Value> =
        world.keystone.projects.iter().filter(matches).map(|row| view(&call, row)).collect();
    Ok(json(200, &json!({"projects": rows, "links": links(&call)})))
}

/// The projects the caller has a role in.
pub(super) async fn own(call: Call) -> Answer {
    let user_id = call.caller.user_id.clone();
    in_role(&call, &user_id)
}

pub(super) async fn of_user(call: Call, Path(user_id): Path<String>) -> Answer {
    if call.caller.user_id != user_id {
        admin_only(&call, "list_user_projects")?;
    }
    in_role(&call, &user_id)
}

fn in_role(call: &Call, user_id: &str) -> Answer {
    let world = call.cloud.world();
    let keystone = &world.keystone;
    let mine = keystone.projects.iter().filter(|project| !keystone.roles_of(user_id, &project.id).is_empty());
    let rows: Vec<Value> = mine.map(|project| view(call, project)).collect();
    Ok(json(200, &json!({"projects": rows, "links": links(call)})))
}

pub(super) async fn show(call: Call, Path(id): Path<String>) -> Answer {
    let world = call.cloud.world();
    if !call.caller.sees(&id) {
        return Err(forbidden(&call, "get_project"));
    }
    if let Some(project) = world.keystone.projects.get(&id) {
        return Ok(json(200, &json!({"project": view(&call, project)})));
    }
    // A domain is a project too, of a kind.
    let domain = world.keystone.domains.get(&id).ok_or_else(|| missing(&call, "project", &id))?;
    let mut body = domain_view(&call, domain);
    body["domain_id"] = Value::Null;
    body["parent_id"] = Value::Null;
    body["is_domain"] = json!(true);
    body["links"] = json!({"self": format!("{}/v3/projects/{id}", call.url())});
    Ok(json(200, &json!({"project": body})))
}

#[derive(Deserialize)]
struct Write {
    name: Option<String>,
    domain_id: Option<String>,
    description: Option<String>,
    enabled: Option<bool>,
    parent_id: Option<String>,
    tags: Option<Vec<String>>,
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    admin_only(&call, "create_project")?;
    let write: Write = call.read(&body, "project")?;
    let mut world = call.cloud.world();
    let name = write.name.ok_or_else(|| call.refuse(400, "'name' is a required property"))?;
    let domain_id = write.domain_id.unwrap_or_else(|| "default".to_owned());
    if world.keystone.domains.get(&domain_id).is_none() {
        return Err(missing(&call, "domain", &domain_id));
    }
    if let Some(parent) = write.parent_id.as_deref().filter(|parent| *parent != domain_id) {
        let above = world.keystone.projects.get(parent).ok_or_else(|| missing(&call, "project", parent))?;
        if above.domain_id != domain_id {
            let message = "Cannot create project, the parent is in a different domain.";
            return Err(call.refuse(400, message));
        }
    }
    if world.keystone.projects.iter().any(|row| row.name == name && row.domain_id == domain_id) {
        let message = format!(
            "Conflict occurred attempting to store project - it is not permitted to have two projects with the \
             same name in the same domain : {name}."
        );
        return Err(call.refuse(409, message));
    }
    let project = Project {
        id: new_hex_id(),
        name,
        parent_id: write.parent_id.unwrap_or_else(|| domain_id.clone()),
        domain_id,
        description: write.description.unwrap_or_default(),
        enabled: write.enabled.unwrap_or(true),
        tags: write.tags.unwrap_or_default(),
    };
    let body = view(&call, &project);
    world.keystone.projects.insert(project);
    Ok(json(201, &json!({"project": body})))
}

pub(super) async fn update(call: Call, Path(id): Path<String>, body: Bytes) -> Answer {
    admin_only(&call, "update_project")?;
    let write: Write = call.read(&body, "project")?;
    let mut world = call.cloud.world();
    let project = world.keystone.projects.get_mut(&id).ok_or_else(|| missing(&call, "project", &id))?;
    if write.parent_id.is_some_and(|parent| parent != project.parent_id) {
        return Err(call.refuse(403, "Update of `parent_id` is not allowed."));
    }
    project.name = write.name.unwrap_or_else(|| project.name.clone());
    project.description = write.description.unwrap_or_else(|| project.description.clone());
    project.enabled = write.enabled.unwrap_or(project.enabled);
    project.tags = write.tags.unwrap_or_else(|| project.tags.clone());
    let mut body = view(&call, project);
    body["extra"] = json!({});
    Ok(json(200, &json!({"project": body})))
}

pub(super) async fn delete(call: Call, Path(id): Path<String>) -> Answer {
    admin_only(&call, "delete_project")?;
    let mut world = call.cloud.world();
    world.keystone.projects.remove(&id).ok_or_else(|| missing(&call, "project", &id))?;
    world.keystone.assignments.retain(|assignment| assignment.project_id != id);
    Ok(empty(204))
}
