//! Sends calls and repeats them as far as that is harmless.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, redirect};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::config::CloudConfig;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::call::{Body, BodyStream, Call, Sent};
use crate::http::failure;
use crate::http::response::{Download, Response};
use crate::http::retry::RetryPolicy;
use crate::http::tls;

/// Idle connections are dropped before the five seconds after which Apache
/// closes them: a request that crosses the closing has an unknown fate.
const IDLE: Duration = Duration::from_secs(4);
const CONNECT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("osm/", env!("CARGO_PKG_VERSION"));

/// Sends requests to the servers of one cloud; knows its TLS settings, its
/// time limits and how often to try, but no token.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    retry: RetryPolicy,
    timeout: Duration,
}

impl HttpClient {
    /// A client with the settings of `config`.
    ///
    /// # Errors
    /// `Config` when a certificate or key file cannot be used.
    pub fn new(config: &CloudConfig) -> Result<Self> {
        Self::build(tls::client_config(config)?, config.retry(), config.timeout())
    }

    /// A client for a server that belongs to no cloud: the authorities of the system vouch for it, and nothing is
    /// sent twice.
    ///
    /// # Errors
    /// `Config` when TLS cannot be set up.
    pub fn of_system(timeout: Duration) -> Result<Self> {
        Self::build(tls::of_system()?, RetryPolicy::never(), timeout)
    }

    fn build(tls: rustls::ClientConfig, retry: RetryPolicy, timeout: Duration) -> Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT.min(timeout))
            .pool_idle_timeout(IDLE)
            // A redirect could take the token to another host.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Config, "the HTTP client cannot be set up").with_source(error)
            })?;
        Ok(Self { client, retry, timeout })
    }

    /// Sends a JSON message to a server that is no service of a cloud, called `name` in errors.
    ///
    /// # Errors
    /// It cannot be reached, or answers with another status than one of success.
    pub async fn post(&self, name: &'static str, url: Url, json: Vec<u8>) -> Result<Response> {
        let mut call = Call::new(name, "post", Method::POST, url);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call.body = Body::Bytes(json.into());
        self.execute(&mut call).await
    }

    /// Sends `call` until it succeeds or must not be repeated; reads the whole answer.
    pub(crate) async fn execute(&self, call: &mut Call) -> Result<Response> {
        let mut attempt = Attempts::new(self.retry);
        loop {
            match self.exchange(call).await {
                Ok(response) => return Ok(response),
                Err(error) => attempt.wait_after(error, call.body.replayable()).await?,
            }
        }
    }

    /// As [`Self::execute`], but the body is handed out as it comes.
    pub(crate) async fn download(&self, call: &mut Call) -> Result<Download> {
        let limit = call.timeout.unwrap_or(self.timeout);
        let mut attempt = Attempts::new(self.retry);
        let (response, sent) = loop {
            match self.send(call).await {
                Ok(answer) => break answer,
                Err(error) => attempt.wait_after(error, call.body.replayable()).await?,
            }
        };
        let headers = response.headers().clone();
        let chunks =
            futures_util::stream::try_unfold((response, sent), move |(mut response, sent)| async move {
                match timeout(limit, response.chunk()).await {
                    Ok(Ok(Some(chunk))) => Ok(Some((chunk, (response, sent)))),
                    Ok(Ok(None)) => Ok(None),
                    Ok(Err(error)) => Err(failure::of_transport(error, &sent, true)),
                    Err(_) => Err(failure::of_silence(limit, &sent, true)),
                }
            });
        Ok(Download { headers, chunks: chunks.boxed() })
    }

    async fn exchange(&self, call: &mut Call) -> Result<Response> {
        let limit = call.timeout.unwrap_or(self.timeout);
        let idempotent = call.idempotent;
        let (response, sent) = self.send(call).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        // The answer itself is known to be good: only its text may be lost.
        match timeout(limit, response.bytes()).await {
            Ok(Ok(body)) => Ok(Response { status, headers, body, sent }),
            Ok(Err(error)) => Err(failure::of_transport(error, &sent, idempotent)),
            Err(_) => Err(failure::of_silence(limit, &sent, idempotent)),
        }
    }

    /// One attempt, up to the headers of a successful answer.
    async fn send(&self, call: &mut Call) -> Result<(reqwest::Response, Sent)> {
        let limit = call.timeout.unwrap_or(self.timeout);
        let request_id = format!("req-{}", uuid::Uuid::new_v4());
        let mut sent = Sent {
            service: call.service,
            operation: call.operation,
            method: call.method.clone(),
            url: call.url.clone(),
            request_id: None,
        };
        let mut request =
            self.client.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            request = request.header("X-Openstack-Request-Id", value);
        }
        let progress = Arc::new(AtomicU64::new(0));
        match std::mem::replace(&mut call.body, Body::Spent) {
            Body::Empty => call.body = Body::Empty,
            Body::Bytes(body) => {
                request = request.body(body.clone());
                call.body = Body::Bytes(body);
            }
            Body::Stream(body) => request = request.body(watched(body, Arc::clone(&progress))),
            Body::Spent => {
                return Err(sent.describe(Error::new(ErrorKind::State, "the body was sent already")));
            }
        }
        let started = Instant::now();
        let mut answer = Box::pin(request.send());
        let mut seen = 0;
        let answer = loop {
            match timeout(limit, &mut answer).await {
                Ok(answer) => break answer,
                Err(_) => {
                    // A long upload is not silence as long as it moves.
                    let moved = progress.load(Ordering::Relaxed);
                    if moved == seen {
                        return Err(failure::of_silence(limit, &sent, call.idempotent));
                    }
                    seen = moved;
                }
            }
        };
        let response = answer.map_err(|error| failure::of_transport(error, &sent, call.idempotent))?;
        let status = response.status();
        sent.request_id = Some(failure::request_id(response.headers()).unwrap_or(request_id));
        tracing::debug!(
            service = call.service,
            operation = call.operation,
            method = %call.method,
            path = call.url.path(),
            status = status.as_u16(),
            request_id = sent.request_id.as_deref(),
            elapsed_ms = started.elapsed().as_millis(),
            "answered"
        );
        // 300 is how Keystone and Glance list their versions.
        if status.is_success() || status.as_u16() == 300 {
            return Ok((response, sent));
        }
        let headers = response.headers().clone();
        let body = timeout(limit, response.bytes()).await.ok().and_then(|body| body.ok()).unwrap_or_default();
        Err(failure::of_answer(status, &headers, &body, &sent, call.idempotent, Timestamp::now()))
    }
}

/// Counts the attempts of one call and sleeps between them.
struct Attempts {
    policy: RetryPolicy,
    made: u32,
    started: Instant,
}

impl Attempts {
    fn new(policy: RetryPolicy) -> Self {
        Self { policy, made: 0, started: Instant::now() }
    }

    /// Returns when the call should be sent again, or gives the error back when it should not.
    async fn wait_after(&mut self, error: Error, replayable: bool) -> Result<()> {
        self.made += 1;
        let delay = match error.retry() {
            Retry::Safe => self.policy.delay(self.made),
            // `Retry-After: 0` is no leave to hammer.
            Retry::After(time) if time.is_zero() => self.policy.delay(self.made),
            Retry::After(time) => time,
            Retry::Never | Retry::Exhausted => return Err(error),
        };
        if !replayable {
            return Err(error);
        }
        if self.made >= self.policy.attempts
            || self.started.elapsed().saturating_add(delay) > self.policy.total
        {
            // "Come back in an hour" is worth more to the caller than "tried often enough".
            return match error.retry() {
                Retry::After(_) => Err(error),
                _ => Err(error.with_retry(Retry::Exhausted)),
            };
        }
        tracing::debug!(%error, attempt = self.made, ?delay, "will be repeated");
        sleep(delay).await;
        Ok(())
    }
}

fn watched(body: BodyStream, progress: Arc<AtomicU64>) -> reqwest::Body {
    reqwest::Body::wrap_stream(body.inspect_ok(move |chunk| {
        // One more than the length, so that an empty piece is progress, too.
        progress.fetch_add(chunk.len() as u64 + 1, Ordering::Relaxed);
    }))
}
