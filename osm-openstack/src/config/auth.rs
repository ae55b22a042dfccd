//! Reads who we are and what the token shall be for.

use secrecy::SecretString;
use url::Url;

use crate::auth::{Credentials, DomainIdentity, Scope, UserIdentity};
use crate::config::entry::Entry;
use crate::error::Result;

/// Reads the `auth` part of a cloud. Keys of it that stand beside it count, too.
pub(super) fn read(entry: &Entry) -> Result<(Url, Credentials, Scope)> {
    if let Some(auth) = entry.get(&["auth"])
        && !auth.is_mapping()
    {
        return Err(entry.mistake(
            &["auth"],
            "is no mapping",
            "indent auth_url and the credentials under it",
        ));
    }
    let auth = Auth { entry };
    let url = auth.url()?;
    let (credentials, bound) = auth.credentials()?;
    // An application credential knows its project; asking for one is an error.
    let scope = if bound { Scope::Unscoped } else { auth.scope()? };
    Ok((url, credentials, scope))
}

struct Auth<'a> {
    entry: &'a Entry,
}

impl Auth<'_> {
    fn text(&self, key: &str) -> Result<Option<String>> {
        let text = match self.entry.text(&["auth", key])? {
            Some(text) => Some(text),
            None => self.entry.text(&[key])?,
        };
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn first(&self, keys: &[&str]) -> Result<Option<String>> {
        for key in keys {
            if let Some(text) = self.text(key)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn secret(&self, key: &str) -> Result<Option<SecretString>> {
        match self.entry.secret(&["auth", key])? {
            Some(secret) => Ok(Some(secret)),
            None => self.entry.secret(&[key]),
        }
    }

    fn required_secret(&self, key: &str, fix: &str) -> Result<SecretString> {
        self.secret(key)?.ok_or_else(|| self.entry.mistake(&["auth", key], "is missing", fix))
    }

    fn url(&self) -> Result<Url> {
        let fix = "give the address of Keystone, such as https://cloud.example.org:5000/v3";
        let Some(text) = self.text("auth_url")? else {
            return Err(self.entry.mistake(&["auth", "auth_url"], "is missing", fix));
        };
        match text.trim().parse::<Url>() {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(self.entry.mistake(
                &["auth", "auth_url"],
                "holds a user or a password",
                "put them under `username` and `password`",
            )),
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err(self.entry.mistake(
                &["auth", "auth_url"],
                &format!("is `{text}`, which is no web address"),
                fix,
            )),
        }
    }

    /// The credentials, and whether they are bound to a scope of their own.
    fn credentials(&self) -> Result<(Credentials, bool)> {
        let named = self.entry.text(&["auth_type"])?.or(self.entry.text(&["auth_plugin"])?);
        let kind = match named.as_deref().filter(|name| !name.is_empty()) {
            Some("password" | "v3password") => Kind::Password,
            Some("token" | "v3token") => Kind::Token,
            Some("v3applicationcredential") => Kind::ApplicationCredential,
            Some(other) => {
                return Err(self.entry.mistake(
                    &["auth_type"],
                    &format!("is `{other}`"),
                    "it must be password, token or v3applicationcredential (also v3password, v3token)",
                ));
            }
            None if self.secret("application_credential_secret")?.is_some() => Kind::ApplicationCredential,
            None if self.secret("token")?.is_some() => Kind::Token,
            None => Kind::Password,
        };
        match kind {
            Kind::Password => {
                let user = self.user()?;
                let password =
                    self.required_secret("password", "add it, best in a secure.yaml beside clouds.yaml")?;
                Ok((Credentials::Password { user, password }, false))
            }
            Kind::Token => {
                let token = self.required_secret("token", "add a token, or another auth_type")?;
                Ok((Credentials::Token(token), false))
            }
            Kind::ApplicationCredential => {
                let secret =
                    self.required_secret("application_credential_secret", "add it, best in a secure.yaml")?;
                if let Some(id) = self.text("application_credential_id")? {
                    return Ok((Credentials::ApplicationCredential { id, secret }, true));
                }
                let Some(name) = self.text("application_credential_name")? else {
                    let fix = "give the id, or application_credential_name and the user";
                    return Err(self.entry.mistake(
                        &["auth", "application_credential_id"],
                        "is missing",
                        fix,
                    ));
                };
                Ok((Credentials::NamedApplicationCredential { name, user: self.user()?, secret }, true))
            }
        }
    }

    fn user(&self) -> Result<UserIdentity> {
        if let Some(id) = self.text("user_id")? {
            return Ok(UserIdentity::Id(id));
        }
        let Some(name) = self.first(&["username", "user_name"])? else {
            let fix = "give it with user_domain_name, or give user_id";
            return Err(self.entry.mistake(&["auth", "username"], "is missing", fix));
        };
        Ok(UserIdentity::Name { name, domain: self.domain("user_domain")? })
    }

    fn scope(&self) -> Result<Scope> {
        let system = self.text("system_scope")?;
        let project_id = self.first(&["project_id", "tenant_id"])?;
        let project = self.first(&["project_name", "tenant_name"])?;
        match (system.as_deref(), project_id, project) {
            (Some("all"), None, None) => Ok(Scope::System),
            (Some(other), None, None) => Err(self.entry.mistake(
                &["auth", "system_scope"],
                &format!("is `{other}`"),
                "it can only be `all`",
            )),
            (Some(_), _, _) => Err(self.entry.mistake(
                &["auth", "system_scope"],
                "is given together with a project",
                "a token is for one or the other, remove one",
            )),
            (None, Some(id), _) => Ok(Scope::ProjectId(id)),
            (None, None, Some(name)) => Ok(Scope::Project { name, domain: self.domain("project_domain")? }),
            (None, None, None) => Ok(match self.own_domain("domain")? {
                Some(domain) => Scope::Domain(domain),
                None => Scope::Unscoped,
            }),
        }
    }

    /// The domain of a user or a project: its own, else the one given for
    /// both, else the default one.
    fn domain(&self, prefix: &str) -> Result<DomainIdentity> {
        if let Some(domain) = self.own_domain(prefix)? {
            return Ok(domain);
        }
        // When the token is for a domain, `domain_*` still names the user's as well.
        if let Some(domain) = self.own_domain("domain")? {
            return Ok(domain);
        }
        if let Some(domain) = self.own_domain("default_domain")? {
            return Ok(domain);
        }
        Ok(DomainIdentity::Id(self.text("default_domain")?.unwrap_or_else(|| "default".to_owned())))
    }

    fn own_domain(&self, prefix: &str) -> Result<Option<DomainIdentity>> {
        if let Some(id) = self.text(&format!("{prefix}_id"))? {
            return Ok(Some(DomainIdentity::Id(id)));
        }
        Ok(self.text(&format!("{prefix}_name"))?.map(DomainIdentity::Name))
    }
}

enum Kind {
    Password,
    Token,
    ApplicationCredential,
}
