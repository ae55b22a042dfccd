//! The Identity service: projects, domains, users, roles, as references need them.

mod wire;

use reqwest::Method;

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
    let domain = domain_id.map(|id| ("domain_id", id));
    std::iter::once(("name", name)).chain(domain).collect()
}
