//! References: a thing named instead of numbered, so that the other cloud can find its own.

use crate::record::record;

/// Stands for the project, domain or user one is authenticated as.
pub const AUTH: &str = "%auth%";

record! {
    /// Names a resource, the project that owns it and the domain of that project.
    #[derive(Default)]
    pub struct Reference: Reference {
        /// Domain of the project, or of the thing itself; [`AUTH`] for one's own.
        domain_name: Option<String>,
        /// Name of the thing; [`AUTH`] for the user one is authenticated as.
        name: Option<String>,
        /// Project that owns it; [`AUTH`] for one's own, `None` when it could not be read.
        project_name: Option<String>,
    }
}

impl Reference {
    /// A thing by name, its owner unknown or without meaning.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// A thing in the project one is authenticated for.
    pub fn auth(name: impl Into<String>) -> Self {
        Self::owned(name, AUTH, AUTH)
    }

    /// A thing in another project.
    pub fn owned(name: impl Into<String>, project: impl Into<String>, domain: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            project_name: Some(project.into()),
            domain_name: Some(domain.into()),
            ..Self::default()
        }
    }

    /// The user one is authenticated as.
    pub fn auth_user() -> Self {
        Self { name: Some(AUTH.to_owned()), domain_name: Some(AUTH.to_owned()), ..Self::default() }
    }

    /// Whether the owner is the project one is authenticated for.
    pub fn is_auth_project(&self) -> bool {
        self.project_name.as_deref() == Some(AUTH)
    }

    /// Whether this is the user one is authenticated as.
    pub fn is_auth_user(&self) -> bool {
        self.name.as_deref() == Some(AUTH)
    }
}
