//! Tokens: how to get, look at and end them.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::catalog;
use super::missing;
use super::state::{Token, User};
use crate::api::{Answer, Call, Context, Refusal, empty, json};
use crate::clock::{micros, new_hex_id, now};
use crate::cloud::{Cloud, Service};
use crate::world::World;

#[derive(Deserialize)]
struct Request {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    scope: Option<Scope>,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<PasswordMethod>,
    token: Option<TokenMethod>,
    application_credential: Option<CredentialMethod>,
}

#[derive(Deserialize)]
struct PasswordMethod {
    user: UserName,
}

#[derive(Deserialize)]
struct UserName {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Name>,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
struct TokenMethod {
    id: String,
}

#[derive(Deserialize)]
struct CredentialMethod {
    id: Option<String>,
    name: Option<String>,
    secret: String,
    user: Option<UserName>,
}

/// Something named by id or by name, perhaps in a domain.
#[derive(Deserialize)]
struct Name {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Box<Name>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    Project { project: Name },
    // Domain and system scope, and the word "unscoped": a token without a project.
    Other(#[expect(dead_code, reason = "only its presence counts")] Value),
}

pub(super) async fn issue(State(context): State<Context>, body: axum::body::Bytes) -> Answer {
    let cloud = &context.cloud;
    let request: Request = serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(Service::Keystone, 400, format!("Invalid input received: {error}")))?;
    let refused = || Refusal::unauthorized(&cloud.url(Service::Keystone));
    let mut world = cloud.world();
    let Auth { identity, scope } = request.auth;
    let (user_id, bound) = authenticate(&world, &identity).ok_or_else(refused)?;
    let project_id = match (&bound, scope) {
        (Some(project_id), _) => Some(project_id.clone()),
        (None, Some(Scope::Project { project })) => Some(find_project(&world, &project).ok_or_else(refused)?),
        (None, Some(Scope::Other(_))) => None,
        (None, None) => world.keystone.users.get(&user_id).and_then(|user| user.default_project_id.clone()),
    };
    if let Some(project_id) = &project_id
        && world.keystone.roles_of(&user_id, project_id).is_empty()
    {
        return Err(refused());
    }
    let issued = now();
    let token = Token {
        user_id,
        project_id,
        methods: identity.methods,
        issued,
        expires: issued + cloud.options().token_lifetime,
        audit_id: new_hex_id().chars().take(22).collect(),
    };
    let id = format!("gAAAAA{}{}", new_hex_id(), new_hex_id());
    let body = render(cloud, &world, &token);
    world.keystone.tokens.insert(id.clone(), token);
    Ok(with_subject(json(201, &body), &id))
}

/// Who this is, and the project an application credential is bound to.
fn authenticate(world: &World, identity: &Identity) -> Option<(String, Option<String>)> {
    let keystone = &world.keystone;
    let mut found = None;
    for method in &identity.methods {
        found = match method.as_str() {
            "password" => {
                let wanted = &identity.password.as_ref()?.user;
                let user = find_user(world, wanted)?;
                let good = user.enabled && user.password.as_deref() == Some(wanted.password.as_str());
                good.then(|| (user.id.clone(), None))
            }
            "token" => {
                let token = keystone.tokens.get(&identity.token.as_ref()?.id)?;
                (token.expires > now()).then(|| (token.user_id.clone(), None))
            }
            "application_credential" => {
                let wanted = identity.application_credential.as_ref()?;
                let user = wanted.user.as_ref().and_then(|user| find_user(world, user));
                let credential = keystone.credentials.iter().find(|credential| match &wanted.id {
                    Some(id) => credential.id == *id,
                    None => {
                        wanted.name.as_ref() == Some(&credential.name)
                            && user.is_some_and(|user| user.id == credential.user_id)
                    }
                })?;
                let bound = Some(credential.project_id.clone());
                (credential.secret == wanted.secret).then(|| (credential.user_id.clone(), bound))
            }
            _ => None,
        };
        found.as_ref()?;
    }
    found
}

fn find_user<'a>(world: &'a World, wanted: &UserName) -> Option<&'a User> {
    if let Some(id) = &wanted.id {
        return world.keystone.users.get(id);
    }
    let domain = find_domain(world, wanted.domain.as_ref()?)?;
    let name = wanted.name.as_ref()?;
    world.keystone.users.iter().find(|user| user.name == *name && user.domain_id == domain)
}

fn find_domain(world: &World, wanted: &Name) -> Option<String> {
    let domain = world.keystone.domains.iter().find(|domain| match (&wanted.id, &wanted.name) {
        (Some(id), _) => domain.id == *id,
        (None, Some(name)) => domain.name == *name,
        (None, None) => false,
    })?;
    Some(domain.id.clone())
}

fn find_project(world: &World, wanted: &Name) -> Option<String> {
    let project = match &wanted.id {
        Some(id) => world.keystone.projects.get(id)?,
        None => {
            let domain = find_domain(world, wanted.domain.as_ref()?)?;
            let name = wanted.name.as_ref()?;
            let here = |project: &&super::Project| project.name == *name && project.domain_id == domain;
            world.keystone.projects.iter().find(here)?
        }
    };
    project.enabled.then(|| project.id.clone())
}

fn render(cloud: &Cloud, world: &World, token: &Token) -> Value {
    let keystone = &world.keystone;
    let domain = |id: &str| {
        let name = keystone.domains.get(id).map(|domain| domain.name.as_str());
        json!({"id": id, "name": name})
    };
    let user = keystone.users.get(&token.user_id).map(|user| {
        json!({
            "domain": domain(&user.domain_id),
            "id": user.id,
            "name": user.name,
            "password_expires_at": null,
        })
    });
    let mut body = json!({
        "methods": token.methods,
        "user": user,
        "audit_ids": [token.audit_id],
        "expires_at": micros(token.expires),
        "issued_at": micros(token.issued),
    });
    if let Some(project) = token.project_id.as_ref().and_then(|id| keystone.projects.get(id)) {
        let roles = keystone.roles_of(&token.user_id, &project.id);
        let roles: Vec<Value> = roles.iter().map(|role| json!({"id": role.id, "name": role.name})).collect();
        body["project"] =
            json!({"domain": domain(&project.domain_id), "id": project.id, "name": project.name});
        body["is_domain"] = json!(false);
        body["roles"] = json!(roles);
        body["catalog"] = catalog(cloud, &project.id);
    }
    json!({"token": body})
}

fn with_subject(mut response: Response, id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-subject-token", value);
    }
    response
}

fn subject(headers: &HeaderMap) -> String {
    let value = headers.get("x-subject-token").and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

pub(super) async fn show(call: Call) -> Answer {
    let id = subject(&call.headers);
    let world = call.cloud.world();
    let token = world.keystone.tokens.get(&id).filter(|token| token.expires > now());
    let token = token.ok_or_else(|| missing(&call, "token", &id))?;
    Ok(with_subject(json(200, &render(&call.cloud, &world, token)), &id))
}

pub(super) async fn revoke(call: Call) -> Answer {
    let id = subject(&call.headers);
    match call.cloud.world().keystone.tokens.remove(&id) {
        Some(_) => Ok(empty(204)),
        None => Err(missing(&call, "token", &id)),
    }
}
