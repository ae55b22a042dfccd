//! A token and what Keystone said with it.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::auth::wire::{TokenAnswer, TokenBody};
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};

/// A token is renewed when it holds no longer than this.
const MARGIN: Duration = Duration::from_secs(120);

/// A domain as a token names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct DomainRef {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// A project as a token names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProjectRef {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The domain it is in.
    #[serde(default)]
    pub domain: DomainRef,
}

/// A user as a token names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UserRef {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The domain it is in.
    #[serde(default)]
    pub domain: DomainRef,
}

/// A token. `Debug` never shows it.
#[derive(Debug, Clone)]
pub struct Token {
    secret: SecretString,
    /// When it should be replaced, on this machine's monotonic clock: the
    /// clocks of the cloud and of this machine need not agree.
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
    user: UserRef,
    project: Option<ProjectRef>,
    roles: Vec<String>,
    catalog: Catalog,
}

impl Token {
    /// The token `secret`, with the `body` that Keystone's answer had.
    ///
    /// # Errors
    /// `BadResponse` when the body does not describe a token.
    pub fn from_answer(secret: SecretString, body: &[u8]) -> Result<Self> {
        let answer: TokenAnswer = serde_json::from_slice(body).map_err(|error| {
            Error::new(ErrorKind::BadResponse, "the answer does not describe a token").with_source(error)
        })?;
        Ok(Self::new(secret, answer.token, Timestamp::now()))
    }

    fn new(secret: SecretString, body: TokenBody, now: Timestamp) -> Self {
        let valid = body.expires_at.map(|expires_at| {
            let from = body.issued_at.unwrap_or(now);
            Duration::try_from(expires_at.duration_since(from)).unwrap_or(Duration::ZERO)
        });
        // A token that lives shorter than the margin is still used for half its life.
        let from_now = |time| Instant::now().checked_add(time);
        let renew_at = valid.and_then(|valid| from_now(valid - MARGIN.min(valid / 2)));
        let expires_at = valid.and_then(from_now);
        Self {
            secret,
            renew_at,
            expires_at,
            user: body.user,
            project: body.project,
            roles: body.roles.into_iter().map(|role| role.name).collect(),
            catalog: body.catalog,
        }
    }

    /// Whether it should be replaced before it is used again.
    pub fn expires_soon(&self) -> bool {
        self.renew_at.is_some_and(|at| at <= Instant::now())
    }

    /// Whether it holds no more.
    pub(crate) fn expired(&self) -> bool {
        self.expires_at.is_some_and(|at| at <= Instant::now())
    }

    /// The user it was given to.
    pub fn user(&self) -> &UserRef {
        &self.user
    }

    /// The project it is for.
    pub fn project(&self) -> Option<&ProjectRef> {
        self.project.as_ref()
    }

    /// The names of the roles it gives.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The token as a header's value that loggers leave out.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.secret.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests;
