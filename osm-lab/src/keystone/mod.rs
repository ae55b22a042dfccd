//! Identity v3.

mod assignments;
mod catalog;
mod credentials;
mod projects;
mod state;
mod tokens;
mod users;
mod version;

use axum::Router;
use axum::routing::{get, post, put};

pub use credentials::Credentials;
pub(crate) use state::{Domain, Identity, Project, User};

use crate::api::{Call, Context, Refusal};

pub(crate) fn routes() -> Router<Context> {
    let project_role = put(assignments::grant).head(assignments::check).delete(assignments::revoke);
    Router::new()
        .route("/", get(version::all))
        .route("/v3", get(version::one))
        .route("/v3/", get(version::one))
        .route("/v3/auth/tokens", post(tokens::issue).get(tokens::show).delete(tokens::revoke))
        .route("/v3/auth/catalog", get(catalog::show))
        .route("/v3/auth/projects", get(projects::own))
        .route("/v3/domains", get(projects::domains))
        .route("/v3/domains/{id}", get(projects::domain))
        .route("/v3/projects", get(projects::list).post(projects::create))
        .route("/v3/projects/{id}", get(projects::show).patch(projects::update).delete(projects::delete))
        .route("/v3/projects/{project}/users/{user}/roles/{role}", project_role)
        .route("/v3/users", get(users::list).post(users::create))
        .route("/v3/users/{id}", get(users::show).patch(users::update).delete(users::delete))
        .route("/v3/users/{id}/projects", get(projects::of_user))
        .route("/v3/users/{id}/application_credentials", get(credentials::list).post(credentials::create))
        .route(
            "/v3/users/{id}/application_credentials/{credential}",
            get(credentials::show).delete(credentials::delete),
        )
        .route("/v3/roles", get(assignments::roles))
        .route("/v3/roles/{id}", get(assignments::role))
        .route("/v3/role_assignments", get(assignments::list))
}

/// Refuses whoever is no administrator, naming the policy rule.
fn admin_only(call: &Call, rule: &str) -> Result<(), Refusal> {
    if call.caller.admin { Ok(()) } else { Err(forbidden(call, rule)) }
}

fn forbidden(call: &Call, rule: &str) -> Refusal {
    call.refuse(403, format!("You are not authorized to perform the requested action: identity:{rule}."))
}

fn missing(call: &Call, kind: &str, id: &str) -> Refusal {
    call.refuse(404, format!("Could not find {kind}: {id}."))
}

/// The links of a listing, which Keystone does not page.
fn links(call: &Call) -> serde_json::Value {
    let query = if call.raw_query.is_empty() { String::new() } else { format!("?{}", call.raw_query) };
    serde_json::json!({"next": null, "self": format!("{}{}{query}", call.url(), call.path), "previous": null})
}
