//! Roles and who has them where.

use axum::extract::Path;
use serde_json::{Value, json};

use super::state::{Assignment, Role};
use super::{admin_only, links, missing};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::world::World;

fn role_view(call: &Call, role: &Role) -> Value {
    let Role { id, name } = role;
    json!({
        "id": id, "name": name, "domain_id": null, "description": null, "options": {},
        "links": {"self": format!("{}/v3/roles/{id}", call.url())},
    })
}

pub(super) async fn roles(call: Call) -> Answer {
    admin_only(&call, "list_roles")?;
    let world = call.cloud.world();
    let name = call.query.get("name");
    // Every role here is one of the whole cloud.
    let found = world.keystone.roles.iter().filter(|role| name.is_none_or(|name| role.name == name));
    let found = found.filter(|_| call.query.get("domain_id").is_none());
    let rows: Vec<Value> = found.map(|role| role_view(&call, role)).collect();
    Ok(json(200, &json!({"roles": rows, "links": links(&call)})))
}

pub(super) async fn role(call: Call, Path(id): Path<String>) -> Answer {
    admin_only(&call, "get_role")?;
    let world = call.cloud.world();
    let role = world.keystone.roles.get(&id).ok_or_else(|| missing(&call, "role", &id))?;
    Ok(json(200, &json!({"role": role_view(&call, role)})))
}

fn view(call: &Call, world: &World, assignment: &Assignment) -> Value {
    let Assignment { user_id, project_id, role_id } = assignment;
    let href = format!("{}/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", call.url());
    let links = json!({"assignment": href});
    if !call.query.flag("include_names") {
        let scope = json!({"project": {"id": project_id}});
        return json!({"links": links, "scope": scope, "user": {"id": user_id}, "role": {"id": role_id}});
    }
    let keystone = &world.keystone;
    let domain = |id: &str| json!({"id": id, "name": keystone.domains.get(id).map(|domain| &domain.name)});
    let user = keystone.users.get(user_id).map(|user| (&user.name, domain(&user.domain_id)));
    let (user, users_domain) = user.unzip();
    let project =
        keystone.projects.get(project_id).map(|project| (&project.name, domain(&project.domain_id)));
    let (project, projects_domain) = project.unzip();
    let role = keystone.roles.get(role_id).map(|role| role.name.as_str());
    json!({
        "links": links,
        "scope": {"project": {"id": project_id, "name": project, "domain": projects_domain}},
        "user": {"id": user_id, "name": user, "domain": users_domain},
        "role": {"id": role_id, "name": role},
    })
}

pub(super) async fn list(call: Call) -> Answer {
    admin_only(&call, "list_role_assignments")?;
    let world = call.cloud.world();
    let matches = |row: &&Assignment| {
        let is = |name, value: &str| call.query.get(name).is_none_or(|wanted| wanted == value);
        is("user.id", &row.user_id) && is("scope.project.id", &row.project_id) && is("role.id", &row.role_id)
    };
    let found = world.keystone.assignments.iter().filter(matches);
    let rows: Vec<Value> = found.map(|assignment| view(&call, &world, assignment)).collect();
    Ok(json(200, &json!({"role_assignments": rows, "links": links(&call)})))
}

type Ids = Path<(String, String, String)>;

fn known(call: &Call, world: &World, project: &str, user: &str, role: &str) -> Result<(), Refusal> {
    let keystone = &world.keystone;
    keystone.projects.get(project).ok_or_else(|| missing(call, "project", project))?;
    keystone.users.get(user).ok_or_else(|| missing(call, "user", user))?;
    keystone.roles.get(role).ok_or_else(|| missing(call, "role", role))?;
    Ok(())
}

pub(super) async fn grant(call: Call, Path((project, user, role)): Ids) -> Answer {
    admin_only(&call, "create_grant")?;
    let mut world = call.cloud.world();
    known(&call, &world, &project, &user, &role)?;
    world.keystone.grant(&user, &project, &role);
    Ok(empty(204))
}

pub(super) async fn check(call: Call, Path((project, user, role)): Ids) -> Answer {
    admin_only(&call, "check_grant")?;
    let world = call.cloud.world();
    let held = world.keystone.roles_of(&user, &project).iter().any(|held| held.id == role);
    if held { Ok(empty(204)) } else { Err(missing(&call, "role assignment with role", &role)) }
}

pub(super) async fn revoke(call: Call, Path((project, user, role)): Ids) -> Answer {
    admin_only(&call, "revoke_grant")?;
    let mut world = call.cloud.world();
    known(&call, &world, &project, &user, &role)?;
    world
        .keystone
        .assignments
        .retain(|row| !(row.project_id == project && row.user_id == user && row.role_id == role));
    Ok(empty(204))
}
