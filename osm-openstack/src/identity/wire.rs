//! The bodies of the Identity API.

use serde::Deserialize;

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
