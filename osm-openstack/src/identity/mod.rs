//! The Identity service: projects, domains, users, roles and who has them.

mod wire;

use reqwest::Method;
use serde_json::json;

use crate::error::Result;
use crate::session::{Service, ServiceKind, Session};

pub use wire::*;

impl Session {
    /// The Identity service of this cloud.
    ///
    /// # Errors
    /// When the catalog has none, or it cannot be reached.
    pub async fn identity(&self) -> Result<Identity> {
        Ok(Identity { service: self.service(ServiceKind::Identity).await? })
    }
}

/// Keystone.
#[derive(Clone)]
pub struct Identity {
    service: Service,
}

impl Identity {
    /// The service itself, for what has no method here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// A project; none when there is no such id.
    pub async fn project(&self, id: &str) -> Result<Option<Project>> {
        self.service.request("show project", Method::GET, format!("projects/{id}")).optional("project").await
    }

    /// A domain; none when there is no such id.
    pub async fn domain(&self, id: &str) -> Result<Option<Domain>> {
        self.service.request("show domain", Method::GET, format!("domains/{id}")).optional("domain").await
    }

    /// A user; none when there is no such id.
    pub async fn user(&self, id: &str) -> Result<Option<User>> {
        self.service.request("show user", Method::GET, format!("users/{id}")).optional("user").await
    }

    /// A role; none when there is no such id.
    pub async fn role(&self, id: &str) -> Result<Option<Role>> {
        self.service.request("show role", Method::GET, format!("roles/{id}")).optional("role").await
    }

    /// All projects of a domain, or of all domains; only administrators may see them.
    pub async fn projects(&self, domain_id: Option<&str>) -> Result<Vec<Project>> {
        self.service.list("list projects", "projects", &of_domain(domain_id), "projects").await
    }

    /// All users of a domain, or of all domains; only administrators may see them.
    pub async fn users(&self, domain_id: Option<&str>) -> Result<Vec<User>> {
        self.service.list("list users", "users", &of_domain(domain_id), "users").await
    }

    /// Every role assignment of the cloud, with the names of all it speaks of.
    pub async fn role_assignments(&self) -> Result<Vec<RoleAssignment>> {
        let query = [("include_names", "True")];
        self.service.list("list role assignments", "role_assignments", &query, "role_assignments").await
    }

    /// The role assignments that a project has itself, without names.
    pub async fn role_assignments_of_project(&self, project_id: &str) -> Result<Vec<RoleAssignment>> {
        let query = [("scope.project.id", project_id)];
        self.service.list("list role assignments", "role_assignments", &query, "role_assignments").await
    }

    /// Makes a project.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the project before making another.
    pub async fn create_project(&self, project: &ProjectBody) -> Result<Project> {
        let request = self.service.request("create project", Method::POST, "projects");
        request.json(&json!({ "project": project })).keyed("project").await
    }

    /// Changes what of a project is given.
    pub async fn update_project(&self, id: &str, project: &ProjectBody) -> Result<Project> {
        let request = self.service.request("update project", Method::PATCH, format!("projects/{id}"));
        request.json(&json!({ "project": project })).idempotent(true).keyed("project").await
    }

    /// Makes a user, without a password.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the user before making another.
    pub async fn create_user(&self, user: &UserBody) -> Result<User> {
        let request = self.service.request("create user", Method::POST, "users");
        request.json(&json!({ "user": user })).keyed("user").await
    }

    /// Changes what of a user is given.
    pub async fn update_user(&self, id: &str, user: &UserBody) -> Result<User> {
        let request = self.service.request("update user", Method::PATCH, format!("users/{id}"));
        request.json(&json!({ "user": user })).idempotent(true).keyed("user").await
    }

    /// Gives a user a role in a project; one that is given already stays.
    pub async fn assign_role(&self, project_id: &str, user_id: &str, role_id: &str) -> Result<()> {
        let path = format!("projects/{project_id}/users/{user_id}/roles/{role_id}");
        self.service.request("assign role", Method::PUT, path).empty().await
    }

    /// The projects of this name, in one domain or in all.
    pub async fn projects_named(&self, name: &str, domain_id: Option<&str>) -> Result<Vec<Project>> {
        self.service.list("list projects", "projects", &named(name, domain_id), "projects").await
    }

    /// The domains of this name: one or none.
    pub async fn domains_named(&self, name: &str) -> Result<Vec<Domain>> {
        self.service.list("list domains", "domains", &named(name, None), "domains").await
    }

    /// The users of this name, in one domain or in all.
    pub async fn users_named(&self, name: &str, domain_id: Option<&str>) -> Result<Vec<User>> {
        self.service.list("list users", "users", &named(name, domain_id), "users").await
    }

    /// The roles of this name, in one domain or of the whole cloud.
    pub async fn roles_named(&self, name: &str, domain_id: Option<&str>) -> Result<Vec<Role>> {
        self.service.list("list roles", "roles", &named(name, domain_id), "roles").await
    }
}

fn named<'a>(name: &'a str, domain_id: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    std::iter::once(("name", name)).chain(of_domain(domain_id)).collect()
}

fn of_domain(domain_id: Option<&str>) -> Vec<(&'static str, &str)> {
    domain_id.map(|id| ("domain_id", id)).into_iter().collect()
}
