//! The bodies of Keystone's `POST /v3/auth/tokens`.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::auth::{Credentials, DomainIdentity, ProjectRef, Scope, UserIdentity, UserRef};
use crate::catalog::Catalog;

/// A request for a token. Holds secrets in the clear: made only to be written.
#[derive(Serialize)]
pub(super) struct TokenRequest<'a> {
    auth: Auth<'a>,
}

#[derive(Serialize)]
struct Auth<'a> {
    identity: Identity<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<ScopeBody<'a>>,
}

#[derive(Serialize)]
struct Identity<'a> {
    methods: [&'static str; 1],
    #[serde(flatten)]
    method: Method<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Method<'a> {
    Password { user: User<'a> },
    Token { id: &'a str },
    ApplicationCredential(ApplicationCredential<'a>),
}

#[derive(Serialize)]
struct ApplicationCredential<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
    secret: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<Domain<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Domain<'a> {
    Id(&'a str),
    Name(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ScopeBody<'a> {
    Project(Project<'a>),
    Domain(Domain<'a>),
    System { all: bool },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Project<'a> {
    Id { id: &'a str },
    Name { name: &'a str, domain: Domain<'a> },
}

impl<'a> TokenRequest<'a> {
    pub(super) fn new(credentials: &'a Credentials, scope: &'a Scope) -> Self {
        let (name, method) = match credentials {
            Credentials::Password { user, password } => {
                let user = User { password: Some(password.expose_secret()), ..User::from(user) };
                ("password", Method::Password { user })
            }
            Credentials::Token(token) => ("token", Method::Token { id: token.expose_secret() }),
            Credentials::ApplicationCredential { id, secret } => {
                let secret = secret.expose_secret();
                let credential = ApplicationCredential { id: Some(id), name: None, user: None, secret };
                ("application_credential", Method::ApplicationCredential(credential))
            }
            Credentials::NamedApplicationCredential { name, user, secret } => {
                let user = Some(User::from(user));
                let secret = secret.expose_secret();
                let credential = ApplicationCredential { id: None, name: Some(name), user, secret };
                ("application_credential", Method::ApplicationCredential(credential))
            }
        };
        let scope = match scope {
            Scope::Unscoped => None,
            Scope::ProjectId(id) => Some(ScopeBody::Project(Project::Id { id })),
            Scope::Project { name, domain } => {
                Some(ScopeBody::Project(Project::Name { name, domain: domain.into() }))
            }
            Scope::Domain(domain) => Some(ScopeBody::Domain(domain.into())),
            Scope::System => Some(ScopeBody::System { all: true }),
        };
        Self { auth: Auth { identity: Identity { methods: [name], method }, scope } }
    }
}

impl<'a> From<&'a UserIdentity> for User<'a> {
    fn from(user: &'a UserIdentity) -> Self {
        let (id, name, domain) = match user {
            UserIdentity::Id(id) => (Some(id.as_str()), None, None),
            UserIdentity::Name { name, domain } => (None, Some(name.as_str()), Some(domain.into())),
        };
        Self { id, name, domain, password: None }
    }
}

impl<'a> From<&'a DomainIdentity> for Domain<'a> {
    fn from(domain: &'a DomainIdentity) -> Self {
        match domain {
            DomainIdentity::Id(id) => Self::Id(id),
            DomainIdentity::Name(name) => Self::Name(name),
        }
    }
}

/// Keystone's answer.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) token: TokenBody,
}

/// What Keystone says of a token.
#[derive(Deserialize)]
pub(super) struct TokenBody {
    pub(super) expires_at: Option<Timestamp>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) user: UserRef,
    #[serde(default)]
    pub(super) project: Option<ProjectRef>,
    #[serde(default)]
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) catalog: Catalog,
}

#[derive(Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
}
