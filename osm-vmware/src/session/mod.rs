//! A session with a vCenter or an ESXi host: logged in when it begins, and again when vSphere has forgotten it.

mod content;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use osm_transfer::nbd::Fingerprint;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, RANGE, SET_COOKIE};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, RwLock};

pub use self::content::About;
use self::content::ServiceContent;
pub(crate) use self::content::reference;
use crate::soap::{self, Element, Fault, LARGEST, Request};
use crate::{Error, ErrorKind, Moref, Result};

/// The version of the API that is spoken; every server since understands it.
const ACTION: HeaderValue = HeaderValue::from_static("\"urn:vim25/6.7\"");

/// How long a server may take to accept a connection, and to answer a call.
const CONNECT: Duration = Duration::from_secs(20);
const ANSWER: Duration = Duration::from_secs(300);

/// How long a session may be idle before it is told that it is wanted.
const IDLE: Duration = Duration::from_secs(240);

/// The cookie that a session is known by.
const COOKIE_NAME: &str = "vmware_soap_session";

/// How a vSphere is reached. `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// `https://vcenter.example/sdk`; the host's name alone will do.
    pub server: String,
    /// The user: `administrator@vsphere.local`.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// Authorities that are trusted besides those of the system, as PEM text.
    pub authorities: Option<String>,
    /// The SHA-256 fingerprint of the server's certificate; when it is given, no authority counts.
    pub thumbprint: Option<Fingerprint>,
}

/// A session with a vCenter or an ESXi host.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    url: Url,
    config: SessionConfig,
    tls: Arc<ClientConfig>,
    content: ServiceContent,
    /// The cookie, and how often it was renewed.
    cookie: RwLock<(HeaderValue, u64)>,
    /// One login at a time.
    login: Mutex<()>,
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// `Config`: the address or the authorities cannot be used. `Unreachable`: nothing answers there, or somebody
    /// whose certificate is not trusted. `Auth`: the user is not let in.
    pub async fn connect(config: SessionConfig) -> Result<Self> {
        let url = address(&config.server)?;
        let tls = tls::client_config(config.authorities.as_deref(), config.thumbprint)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // The cookie belongs to this server.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Config, "the HTTP client cannot be set up").with_source(error)
            })?;
        let root = Moref::new("ServiceInstance", "ServiceInstance");
        let (answer, _) = post(&client, &url, &Request::new("RetrieveServiceContent", &root), None).await?;
        let content = ServiceContent::read(&answer?).map_err(|error| error.with_object(url.to_string()))?;
        let cookie = RwLock::new((login(&client, &url, &config, &content).await?, 0));
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                url,
                config,
                tls: Arc::new(tls),
                content,
                cookie,
                login: Mutex::new(()),
            }),
        })
    }

    /// What the server says of itself.
    pub fn about(&self) -> &About {
        &self.inner.content.about
    }

    pub(crate) fn content(&self) -> &ServiceContent {
        &self.inner.content
    }

    /// Calls a method; logs in once more when the session has ended meanwhile.
    pub(crate) async fn call(&self, request: &Request) -> Result<Element> {
        let inner = &*self.inner;
        let (cookie, age) = inner.cookie.read().await.clone();
        let fault = match post(&inner.client, &inner.url, request, Some(&cookie)).await?.0 {
            Ok(answer) => return Ok(answer),
            Err(fault) if fault.is("NotAuthenticated") => fault,
            Err(fault) => return Err(self.located(fault, request)),
        };
        tracing::debug!(method = request.method, "the session has ended, another one is begun");
        let cookie = self.renewed(age).await?;
        match post(&inner.client, &inner.url, request, Some(&cookie)).await?.0 {
            Ok(answer) => Ok(answer),
            // It is not the session that it lacks.
            Err(again) if again.is("NotAuthenticated") => Err(self.located(fault, request)),
            Err(fault) => Err(self.located(fault, request)),
        }
    }

    /// Keeps the session alive until it is dropped: an idle one ends after half an hour, and a login costs the
    /// server more than a look at the clock.
    pub async fn stay(&self) {
        let root = Moref::new("ServiceInstance", "ServiceInstance");
        loop {
            tokio::time::sleep(IDLE).await;
            if let Err(error) = self.call(&Request::new("CurrentTime", &root)).await {
                tracing::debug!(%error, "vSphere did not hear that the session is still wanted");
            }
        }
    }

    /// Asks for a file of the server with the cookie of the session, which is renewed when it has ended.
    ///
    /// # Errors
    /// `Unreachable`: the server does not answer. `Auth`: it wants no session of this user's.
    pub(crate) async fn get(&self, url: &Url, range: Option<&str>) -> Result<Response> {
        let inner = &*self.inner;
        let (mut cookie, age) = inner.cookie.read().await.clone();
        for first in [true, false] {
            let mut request = inner.client.get(url.clone()).header(COOKIE, cookie.clone());
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            let response = request.send().await.map_err(|error| unreachable(error, &inner.url))?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            if first {
                cookie = self.renewed(age).await?;
            }
        }
        Err(Error::new(ErrorKind::Auth, "the server does not let the user read its datastores")
            .with_object(url.path().to_owned())
            .with_hint("the user needs the privileges Datastore.Browse and Datastore.FileManagement"))
    }

    /// The SHA-1 fingerprint of the server's certificate, which VDDK wants to be told: `AA:BB:..`. The certificate is one
    /// that the session trusts.
    ///
    /// # Errors
    /// `Unreachable`: the server does not answer, or shows another certificate by now.
    pub async fn sha1_thumbprint(&self) -> Result<String> {
        let (url, (host, port)) = (&self.inner.url, self.endpoint());
        let shown = tls::certificate(&self.inner.tls, host, port).await;
        let certificate = shown.map_err(|error| {
            Error::new(ErrorKind::Unreachable, "the server shows no certificate that is trusted")
                .with_object(url.to_string())
                .with_source(error)
        })?;
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
        let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(bytes.join(":"))
    }

    /// The name or address of the server, and the port of its API.
    pub fn endpoint(&self) -> (&str, u16) {
        let url = &self.inner.url;
        (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443))
    }

    /// The address of the server itself.
    pub(crate) fn url(&self) -> &Url {
        &self.inner.url
    }

    /// A cookie that is newer than the one of that age.
    async fn renewed(&self, age: u64) -> Result<HeaderValue> {
        let inner = &*self.inner;
        let _alone = inner.login.lock().await;
        let (cookie, now) = inner.cookie.read().await.clone();
        if now > age {
            return Ok(cookie);
        }
        let cookie = login(&inner.client, &inner.url, &inner.config, &inner.content).await?;
        *inner.cookie.write().await = (cookie.clone(), now + 1);
        Ok(cookie)
    }

    /// Ends the session.
    ///
    /// # Errors
    /// The server does not answer; the session ends by itself after half an hour.
    pub async fn log_out(&self) -> Result<()> {
        self.call(&Request::new("Logout", &self.inner.content.session_manager)).await.map(drop)
    }

    fn located(&self, fault: Fault, request: &Request) -> Error {
        Error::from(fault).with_object(format!("{} of {}", request.method, self.inner.url))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("url", &self.inner.url.as_str()).finish_non_exhaustive()
    }
}

/// The address of the API.
fn address(server: &str) -> Result<Url> {
    let wrong = |why: String| {
        Error::new(ErrorKind::Config, why)
            .with_object(format!("vSphere `{server}`"))
            .with_hint("write the name of the vCenter or ESXi host, or https://HOST:PORT/sdk")
    };
    let text = if server.contains("://") { server.to_owned() } else { format!("https://{server}") };
    let mut url: Url = text.parse().map_err(|error| wrong(format!("it is no address: {error}")))?;
    if url.scheme() != "https" {
        return Err(wrong("the password would go over the network in plain text".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an address is no place for a user or a password".to_owned()));
    }
    if url.path() == "/" {
        url.set_path("/sdk");
    }
    Ok(url)
}

async fn login(
    client: &Client,
    url: &Url,
    config: &SessionConfig,
    content: &ServiceContent,
) -> Result<HeaderValue> {
    let request = Request::new("Login", &content.session_manager)
        .text("userName", &config.user)
        .text("password", config.password.expose_secret());
    let (answer, headers) = post(client, url, &request, None).await?;
    answer.map_err(|fault| {
        let object = format!("user {} of {url}", config.user);
        Error::from(fault).with_object(object).with_hint("check the user, its domain and its password")
    })?;
    let cookie =
        headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
            let (pair, _) = value.split_once(';').unwrap_or((value, ""));
            pair.starts_with(COOKIE_NAME).then(|| pair.trim().to_owned())
        });
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    let mut cookie = cookie.ok_or_else(|| {
        Error::new(ErrorKind::BadResponse, "the server lets the user in and gives no session")
            .with_object(url.to_string())
    })?;
    cookie.set_sensitive(true);
    Ok(cookie)
}

fn unreachable(error: reqwest::Error, url: &Url) -> Error {
    Error::new(ErrorKind::Unreachable, "vSphere does not answer")
        .with_object(url.to_string())
        .with_hint(
            "check the address and the network; a certificate that is not trusted needs its authority in --ca",
        )
        .with_source(error.without_url())
}

/// Sends a call; gives the answer and its headers.
async fn post(
    client: &Client,
    url: &Url,
    request: &Request,
    cookie: Option<&HeaderValue>,
) -> Result<(std::result::Result<Element, Fault>, HeaderMap)> {
    let unreachable = |error| unreachable(error, url);
    let mut call = client
        .post(url.clone())
        .header(CONTENT_TYPE, "text/xml; charset=\"utf-8\"")
        .header("SOAPAction", ACTION)
        .body(request.envelope());
    if let Some(cookie) = cookie {
        call = call.header(COOKIE, cookie.clone());
    }
    let mut response = call.send().await.map_err(unreachable)?;
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Error::new(
                ErrorKind::BadResponse,
                format!("an answer of more than {LARGEST} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body)
        .map_err(|error| Error::new(ErrorKind::BadResponse, "the answer is no text").with_source(error))?;
    let answer =
        soap::read(&text).map_err(|error| error.with_object(format!("{} of {url}", request.method)))?;
    Ok((answer, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_holds_no_secret() {
        assert_eq!(address("vc.example").unwrap().as_str(), "https://vc.example/sdk");
        assert_eq!(address("https://vc.example:8443/sdk").unwrap().as_str(), "https://vc.example:8443/sdk");
        for wrong in ["http://vc.example/sdk", "https://root:hunter2@vc.example", "", "https://"] {
            assert_eq!(address(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong}");
        }
    }
}
