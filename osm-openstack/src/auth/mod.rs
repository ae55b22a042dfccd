//! Proves to Keystone who we are and gets a token for it.
//!
//! [`Credentials`] and [`Scope`] come from the configuration;
//! [`Authenticator`] is the one thing a session needs of this module.

mod keystone;
mod token;
mod wire;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Result;
use crate::http::HttpClient;

pub(crate) use keystone::Keystone;
pub use token::{DomainRef, ProjectRef, Token, UserRef};

/// Gets a token.
#[async_trait]
pub trait Authenticator: Send + Sync + std::fmt::Debug {
    /// A new token, proven anew.
    ///
    /// # Errors
    /// `Auth` when the credentials are refused.
    async fn authenticate(&self, http: &HttpClient) -> Result<Token>;
}

/// What proves who we are. `Debug` never shows the secrets.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A user's password.
    Password {
        /// Who.
        user: UserIdentity,
        /// The password.
        password: SecretString,
    },
    /// A token got elsewhere.
    Token(SecretString),
    /// An application credential by its id.
    ApplicationCredential {
        /// The credential's id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// An application credential by its name, which is only unique for a user.
    NamedApplicationCredential {
        /// The credential's name.
        name: String,
        /// Whose it is.
        user: UserIdentity,
        /// Its secret.
        secret: SecretString,
    },
}

/// How a user is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserIdentity {
    /// By id.
    Id(String),
    /// By a name, unique in a domain.
    Name {
        /// The name.
        name: String,
        /// The domain.
        domain: DomainIdentity,
    },
}

/// How a domain is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainIdentity {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// What the token shall give access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Whatever Keystone decides: the user's default project, or what an
    /// application credential is bound to.
    Unscoped,
    /// A project by id.
    ProjectId(String),
    /// A project by name.
    Project {
        /// The name.
        name: String,
        /// The domain.
        domain: DomainIdentity,
    },
    /// A domain.
    Domain(DomainIdentity),
    /// The whole installation.
    System,
}
