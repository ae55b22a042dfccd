//! Authentication against Keystone's API version 3.

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use url::Url;

use crate::auth::wire::TokenRequest;
use crate::auth::{Authenticator, Credentials, Scope, Token};
use crate::config::CloudConfig;
use crate::discovery::{self, EndpointUrl};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, Call, HttpClient};

const SERVICE: &str = "identity";

/// Authenticates as the configuration says.
#[derive(Debug)]
pub(crate) struct Keystone {
    cloud: String,
    auth_url: Url,
    credentials: Credentials,
    scope: Scope,
    /// The address of version 3, once it is known.
    version_3: OnceCell<Url>,
}

impl Keystone {
    pub(crate) fn new(config: &CloudConfig) -> Self {
        Self {
            cloud: config.name().to_owned(),
            auth_url: config.auth_url().clone(),
            credentials: config.credentials().clone(),
            scope: config.scope().clone(),
            version_3: OnceCell::new(),
        }
    }

    /// The address of version 3: as configured, or else found at the root.
    async fn find_version_3(&self, http: &HttpClient) -> Result<Url> {
        let address = EndpointUrl::new(&self.auth_url);
        if let Some(version) = address.version().filter(|version| discovery::major_of(version) == Some(3)) {
            return Ok(address.at_version(version));
        }
        let usual = address.at_version("v3");
        let mut call = Call::new(SERVICE, "discover versions", Method::GET, address.root().clone());
        let response = match http.execute(&mut call).await {
            Ok(response) => response,
            // Somebody answers, though not with versions: a proxy that passes only /v3 on.
            Err(error) if error.context().status.is_some() => {
                tracing::debug!(%error, url = %usual, "no version document, the usual address is used");
                return Ok(usual);
            }
            Err(error) => return Err(error),
        };
        let offered = discovery::offered(&response, address.root());
        if offered.is_empty() {
            return Ok(usual);
        }
        match discovery::pick(offered, 3) {
            Some(found) => Ok(found.url.unwrap_or(usual)),
            None => {
                let message =
                    format!("{} is no Keystone, or does not speak version 3 of its API", self.auth_url);
                Err(self.check_auth_url(Error::new(ErrorKind::Config, message).with_service(SERVICE)))
            }
        }
    }

    fn refused(&self, error: Error) -> Error {
        let status = error.context().status;
        let what = match &self.credentials {
            Credentials::Password { .. } => "user and password",
            Credentials::Token(_) => "token",
            Credentials::ApplicationCredential { .. } | Credentials::NamedApplicationCredential { .. } => {
                "application credential"
            }
        };
        let sentence = match status {
            Some(401) => format!("Keystone refuses the {what} of cloud `{}`, correct its `auth`", self.cloud),
            Some(403) => format!("Keystone forbids cloud `{}`'s user what its scope asks for", self.cloud),
            Some(400) => format!("Keystone cannot use the credentials of cloud `{}`", self.cloud),
            Some(404) => {
                format!("there is no Keystone at the auth_url of cloud `{}`, {}", self.cloud, self.auth_url)
            }
            _ => return self.unreachable(error),
        };
        let kind = if status == Some(404) { ErrorKind::Config } else { ErrorKind::Auth };
        let context = error.context().clone();
        Error::new(kind, format!("{sentence}: {}", error.message())).with_context(context)
    }

    /// The same error; when nobody answers, with what to check.
    fn unreachable(&self, error: Error) -> Error {
        if error.context().status.is_none() && error.kind() == ErrorKind::ServerFault {
            return self.check_auth_url(error);
        }
        error
    }

    fn check_auth_url(&self, error: Error) -> Error {
        error.with_advice(&format!("check `auth_url` of cloud `{}`", self.cloud))
    }
}

#[async_trait]
impl Authenticator for Keystone {
    async fn authenticate(&self, http: &HttpClient) -> Result<Token> {
        let version_3 = self.version_3.get_or_try_init(|| self.find_version_3(http)).await;
        let version_3 = version_3.map_err(|error| self.unreachable(error))?;
        let mut url = version_3.clone();
        url.set_path(&format!("{}/auth/tokens", version_3.path().trim_end_matches('/')));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static("application/json"));
        let mut call = Call::new(SERVICE, "authenticate", Method::POST, url).with_headers(headers);
        // A token more than needed does no harm.
        call.idempotent = true;
        let body =
            serde_json::to_vec(&TokenRequest::new(&self.credentials, &self.scope)).map_err(|error| {
                Error::new(ErrorKind::Config, "the credentials cannot be sent").with_source(error)
            })?;
        call.body = Body::Bytes(body.into());
        let response = http.execute(&mut call).await.map_err(|error| self.refused(error))?;
        let secret = response
            .header("x-subject-token")
            .map(|token| SecretString::from(token.to_owned()))
            .ok_or_else(|| response.bad("Keystone's answer has no X-Subject-Token header"))?;
        Token::from_answer(secret, response.bytes()).map_err(|error| response.about(error))
    }
}
