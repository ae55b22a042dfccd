//! Who there is.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::api::Caller;
use crate::clock::{new_hex_id, now};
use crate::table::{Row, Table};

#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
}

#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain_id: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    pub(crate) parent_id: String,
    pub(crate) tags: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain_id: String,
    pub(crate) password: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) email: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) default_project_id: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// That a user has a role in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) user_id: String,
    pub(crate) project_id: String,
    pub(crate) role_id: String,
}

#[derive(Debug)]
pub(crate) struct ApplicationCredential {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) user_id: String,
    pub(crate) project_id: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) user_id: String,
    pub(crate) project_id: Option<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) audit_id: String,
}

macro_rules! rows {
    ($($kind:ty),*) => { $(impl Row for $kind { fn id(&self) -> &str { &self.id } })* };
}
rows!(Domain, Project, User, Role, ApplicationCredential);

/// What Keystone knows.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) domains: Table<Domain>,
    pub(crate) projects: Table<Project>,
    pub(crate) users: Table<User>,
    pub(crate) roles: Table<Role>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) credentials: Table<ApplicationCredential>,
    pub(crate) tokens: HashMap<String, Token>,
}

impl Identity {
    /// Whose token this is, if it is still good.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        let token = self.tokens.get(token).filter(|token| token.expires > now())?;
        let project_id = token.project_id.clone().unwrap_or_default();
        let admin = self.roles_of(&token.user_id, &project_id).iter().any(|role| role.name == "admin");
        Some(Caller { user_id: token.user_id.clone(), project_id, admin })
    }

    pub(crate) fn roles_of(&self, user_id: &str, project_id: &str) -> Vec<&Role> {
        let held = |role: &&Role| {
            self.assignments.iter().any(|assignment| {
                assignment.user_id == user_id
                    && assignment.project_id == project_id
                    && assignment.role_id == role.id
            })
        };
        self.roles.iter().filter(held).collect()
    }

    pub(crate) fn grant(&mut self, user_id: &str, project_id: &str, role_id: &str) {
        let assignment = Assignment {
            user_id: user_id.to_owned(),
            project_id: project_id.to_owned(),
            role_id: role_id.to_owned(),
        };
        if !self.assignments.contains(&assignment) {
            self.assignments.push(assignment);
        }
    }

    pub(crate) fn project_named(&self, name: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == name)
    }

    pub(crate) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    pub(crate) fn add_project(&mut self, name: &str, description: &str) -> String {
        let id = new_hex_id();
        self.projects.insert(Project {
            id: id.clone(),
            name: name.to_owned(),
            domain_id: "default".to_owned(),
            description: description.to_owned(),
            enabled: true,
            parent_id: "default".to_owned(),
            tags: Vec::new(),
        });
        id
    }

    pub(crate) fn add_user(&mut self, name: &str, password: &str, project_id: &str) -> String {
        let id = new_hex_id();
        self.users.insert(User {
            id: id.clone(),
            name: name.to_owned(),
            domain_id: "default".to_owned(),
            password: Some(password.to_owned()),
            enabled: true,
            email: Some(format!("{name}@example.org")),
            description: None,
            default_project_id: Some(project_id.to_owned()),
        });
        id
    }

    pub(crate) fn add_role(&mut self, name: &str) -> String {
        let id = new_hex_id();
        self.roles.insert(Role { id: id.clone(), name: name.to_owned() });
        id
    }
}
