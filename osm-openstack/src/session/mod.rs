//! A session: who we are in one cloud, proven by a token that is kept fresh.

mod endpoint;
mod kind;
mod service;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::OnceCell;

use crate::auth::{Authenticator, Keystone, Token};
use crate::config::CloudConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Call, Download, HttpClient, Response};

pub(crate) use endpoint::Endpoint;
pub use kind::ServiceKind;
pub use service::Service;

/// Access to one cloud as one user, usually in one project.
///
/// Cheap to clone; clones share the token and what was discovered.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
    /// Whether requests that could change something are refused unsent.
    read_only: bool,
}

struct Inner {
    config: CloudConfig,
    http: HttpClient,
    authenticator: Arc<dyn Authenticator>,
    token: RwLock<Arc<Token>>,
    /// Held while a new token is fetched, so that only one is.
    renewal: tokio::sync::Mutex<()>,
    endpoints: Mutex<HashMap<ServiceKind, Arc<OnceCell<Arc<Endpoint>>>>>,
}

impl Session {
    /// Authenticates against the Keystone of `config`.
    ///
    /// # Errors
    /// `Auth` when the credentials are refused, `Config` when the settings
    /// cannot work or name a region the cloud does not have, `ServerFault` when Keystone cannot be reached.
    pub async fn connect(config: CloudConfig) -> Result<Self> {
        let authenticator = Arc::new(Keystone::new(&config));
        Self::connect_with(config, authenticator).await
    }

    /// Authenticates by a way of your own.
    ///
    /// # Errors
    /// What the authenticator fails with; `Config` when the TLS settings cannot work, or the
    /// cloud does not have the region.
    pub async fn connect_with(config: CloudConfig, authenticator: Arc<dyn Authenticator>) -> Result<Self> {
        let http = HttpClient::new(&config)?;
        let token = authenticator.authenticate(&http).await?;
        if let Some(region) = config.region().filter(|_| !config.has_endpoint_overrides()) {
            token.catalog().check_region(region, config.name())?;
        }
        let inner = Inner {
            config,
            http,
            authenticator,
            token: RwLock::new(Arc::new(token)),
            renewal: tokio::sync::Mutex::new(()),
            endpoints: Mutex::new(HashMap::new()),
        };
        Ok(Self { inner: Arc::new(inner), read_only: false })
    }

    /// The same session for reading only: any request but GET and HEAD is refused with `ReadOnly`
    /// before it is sent, except the one for a token.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), read_only: true }
    }

    /// Whether requests that could change something are refused.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The name of the cloud in the configuration.
    pub fn cloud_name(&self) -> &str {
        self.inner.config.name()
    }

    /// The settings the session was made with.
    pub fn config(&self) -> &CloudConfig {
        &self.inner.config
    }

    /// The id of the project the token is for; empty when it is for none.
    pub fn project_id(&self) -> String {
        self.current().project().map(|project| project.id.clone()).unwrap_or_default()
    }

    /// The name of the project the token is for; empty when it is for none.
    pub fn project_name(&self) -> String {
        self.current().project().map(|project| project.name.clone()).unwrap_or_default()
    }

    /// The id of the domain of the project the token is for; empty when it is for none.
    pub fn project_domain_id(&self) -> String {
        self.current().project().map(|project| project.domain.id.clone()).unwrap_or_default()
    }

    /// The id of the user.
    pub fn user_id(&self) -> String {
        self.current().user().id.clone()
    }

    /// The name of the user.
    pub fn user_name(&self) -> String {
        self.current().user().name.clone()
    }

    /// The names of the roles the user has in the token's scope.
    pub fn roles(&self) -> Vec<String> {
        self.current().roles().to_vec()
    }

    /// The service of `kind`, found in the catalog and asked for its versions once.
    ///
    /// # Errors
    /// `Config` when the catalog has no such service, or when none of its
    /// versions can be used.
    pub async fn service(&self, kind: ServiceKind) -> Result<Service> {
        let cell = {
            let mut endpoints = self.inner.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(endpoints.entry(kind).or_default())
        };
        let endpoint = cell.get_or_try_init(|| async { self.discover(kind).await.map(Arc::new) }).await?;
        Ok(Service::new(self.clone(), Arc::clone(endpoint)))
    }

    /// The newest token known, whether it still holds or not.
    pub(crate) fn current(&self) -> Arc<Token> {
        Arc::clone(&self.inner.token.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A token that will hold for a while.
    async fn token(&self) -> Result<Arc<Token>> {
        let token = self.current();
        if !token.expires_soon() {
            return Ok(token);
        }
        match self.renew(&token).await {
            // Keystone may be away for a moment; the old token is still good.
            Err(error) if error.kind() != ErrorKind::Auth && !token.expired() => {
                tracing::warn!(%error, "no new token yet, the old one still holds");
                Ok(token)
            }
            result => result,
        }
    }

    /// A token other than `stale`. Whoever comes while one is fetched waits for that one.
    async fn renew(&self, stale: &Arc<Token>) -> Result<Arc<Token>> {
        let _alone = self.inner.renewal.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, stale) {
            return Ok(current);
        }
        tracing::debug!(cloud = self.cloud_name(), "fetching a new token");
        let fresh = Arc::new(self.inner.authenticator.authenticate(&self.inner.http).await?);
        *self.inner.token.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// Sends `call` with a token; once more with a new one if that is refused.
    pub(crate) async fn call(&self, mut call: Call, headers: HeaderMap) -> Result<Response> {
        self.insist_on_reading(&call)?;
        let token = self.token().await?;
        self.dress(&mut call, &headers, &token)?;
        match self.inner.http.execute(&mut call).await {
            Err(error) if refused_token(&error) && call.body.replayable() => {
                let token = self.renew(&token).await?;
                self.dress(&mut call, &headers, &token)?;
                self.inner.http.execute(&mut call).await
            }
            result => result,
        }
    }

    /// As [`Self::call`], for a body that is read as it comes.
    pub(crate) async fn download(&self, mut call: Call, headers: HeaderMap) -> Result<Download> {
        self.insist_on_reading(&call)?;
        let token = self.token().await?;
        self.dress(&mut call, &headers, &token)?;
        match self.inner.http.download(&mut call).await {
            Err(error) if refused_token(&error) && call.body.replayable() => {
                let token = self.renew(&token).await?;
                self.dress(&mut call, &headers, &token)?;
                self.inner.http.download(&mut call).await
            }
            result => result,
        }
    }

    fn insist_on_reading(&self, call: &Call) -> Result<()> {
        if !self.read_only || call.method.is_safe() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, "this session only reads")
            .with_service(call.service)
            .with_operation(call.operation)
            .with_request(&call.method, &call.url))
    }

    /// Adds the token, and `headers` where the call has none of that name.
    fn dress(&self, call: &mut Call, headers: &HeaderMap, token: &Token) -> Result<()> {
        let secret = token.header().ok_or_else(|| {
            Error::new(ErrorKind::BadResponse, "Keystone gave a token that cannot be sent as a header")
        })?;
        call.headers.insert("x-auth-token", secret);
        for (name, value) in headers {
            call.headers.entry(name).or_insert_with(|| HeaderValue::clone(value));
        }
        Ok(())
    }
}

fn refused_token(error: &Error) -> bool {
    error.kind() == ErrorKind::Auth && error.context().status == Some(401)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
