//! The bodies of the Identity API.

use serde::{Deserialize, Serialize};

/// A project; Keystone keeps domains as projects too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name, unique in its domain.
    #[serde(default)]
    pub name: String,
    /// Its domain; none when it is one itself.
    pub domain_id: Option<String>,
    /// The project above it.
    pub parent_id: Option<String>,
    /// Whether it is a domain itself.
    #[serde(default)]
    pub is_domain: bool,
    /// Its description.
    pub description: Option<String>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
}

/// A domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Domain {
    /// Its id.
    pub id: String,
    /// Its name, unique in the cloud.
    #[serde(default)]
    pub name: String,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Its id.
    pub id: String,
    /// Its name, unique in its domain.
    #[serde(default)]
    pub name: String,
    /// Its domain.
    pub domain_id: Option<String>,
    /// The project of a token that asks for none.
    pub default_project_id: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its address for mail.
    pub email: Option<String>,
    /// Whether it may log in.
    pub enabled: Option<bool>,
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: String,
    /// Its name, unique in its domain.
    #[serde(default)]
    pub name: String,
    /// Its domain; none for a role of the whole cloud.
    pub domain_id: Option<String>,
}

/// A role that somebody has somewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RoleAssignment {
    /// The user who has it; none when a group has it.
    pub user: Option<Named>,
    /// The role.
    pub role: Named,
    /// Where it counts.
    pub scope: AssignmentScope,
}

/// Where a role counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AssignmentScope {
    /// The project; none for a domain or the whole system.
    pub project: Option<Named>,
    /// `projects` when it counts not there but in the projects below.
    #[serde(rename = "OS-INHERIT:inherited_to")]
    pub inherited_to: Option<String>,
}

/// A thing by id, and by its names when they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name; empty when it is gone.
    pub name: Option<String>,
    /// Its domain; none for a role of the whole cloud.
    pub domain: Option<Domain>,
}

/// What a new project shall be, or what of a project shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProjectBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its domain; it cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<String>,
    /// The project or domain above it; it cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Whether it is a domain itself; it cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_domain: Option<bool>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What a new user shall be, or what of a user shall change. There is no password: a user without
/// one cannot log in until an administrator sets it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UserBody {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its domain; it cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<String>,
    /// The project of a token that asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_project_id: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its address for mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether it may log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}
