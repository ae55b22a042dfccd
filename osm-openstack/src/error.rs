//! The one error type of this crate: kind, retry, context, source.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

/// What went wrong, coarse enough to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request was sent, its answer was lost, and repeating it could do
    /// the thing twice: look for the effect first.
    Ambiguous,
    /// The credentials or the token were refused.
    Auth,
    /// The service refused the request as malformed or not possible.
    BadRequest,
    /// The service answered with something that cannot be understood.
    BadResponse,
    /// What the caller or the configuration asks for cannot be asked for.
    Config,
    /// The object is in a state that does not allow this.
    Conflict,
    /// The user may not do this.
    Forbidden,
    /// There is no such object.
    NotFound,
    /// The project's quota is used up.
    Quota,
    /// The session only reads; the request was not sent.
    ReadOnly,
    /// Too many requests were made.
    RateLimited,
    /// The service failed or could not be reached.
    ServerFault,
    /// An object went into a state from which it will not reach the wanted one.
    State,
    /// The answer did not come in time.
    Timeout,
}

/// Whether trying again can help; decided where the fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again, or must not be repeated blindly.
    Never,
    /// The same call may be repeated at once.
    Safe,
    /// The same call may be repeated after this time.
    After(Duration),
    /// It was retried already, as often as allowed.
    Exhausted,
}

/// Where it went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The service asked: `compute`, `network`.
    pub service: Option<&'static str>,
    /// What was being done: `create server`.
    pub operation: Option<&'static str>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The address asked, without its query.
    pub url: Option<String>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The request's id in the service's logs.
    pub request_id: Option<String>,
}

/// An error of the configuration, a session or a service.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    context: Context,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `message` says what failed, without context.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            retry: Retry::Never,
            message: message.into(),
            context: Context::default(),
            source: None,
        };
        Self { inner: Box::new(inner) }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error with another retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// The same error of another kind, for a caller who knows better what an answer means.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// The same error naming the service.
    #[must_use]
    pub fn with_service(mut self, service: &'static str) -> Self {
        self.inner.context.service = Some(service);
        self
    }

    /// The same error naming the operation that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.inner.context.operation = Some(operation);
        self
    }

    /// The same error naming the request: its method and its address without the query.
    #[must_use]
    pub fn with_request(mut self, method: &reqwest::Method, url: &url::Url) -> Self {
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        // Only an address without host has no place for these, and nothing to hide.
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        self.inner.context.method = Some(method.to_string());
        self.inner.context.url = Some(shown.to_string());
        self
    }

    /// The same error with the status of the answer.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.context.status = Some(status.as_u16());
        self
    }

    /// The same error with the request's id.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.inner.context.request_id = Some(request_id.into());
        self
    }

    /// The same error saying what the operator can do.
    #[must_use]
    pub(crate) fn with_advice(mut self, advice: &str) -> Self {
        self.inner.message = format!("{}; {advice}", self.inner.message);
        self
    }

    /// The same error with the context of another.
    #[must_use]
    pub(crate) fn with_context(mut self, context: Context) -> Self {
        self.inner.context = context;
        self
    }

    /// What went wrong, for control flow.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// Where it went wrong.
    pub fn context(&self) -> &Context {
        &self.inner.context
    }

    /// What failed, without context: for a service's refusal, the service's own words.
    pub fn message(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = &self.inner.context;
        let message = self.inner.message.as_str();
        // Services end their messages with a full stop; here the line goes on.
        let goes_on = *context != Context::default();
        f.write_str(if goes_on { message.trim_end_matches('.') } else { message })?;
        match (context.service, context.operation) {
            (Some(service), Some(operation)) => write!(f, ", {service}: {operation}")?,
            (Some(name), None) | (None, Some(name)) => write!(f, ", {name}")?,
            (None, None) => {}
        }
        if let (Some(method), Some(url)) = (&context.method, &context.url) {
            write!(f, ", {method} {url}")?;
        }
        if let Some(status) = context.status {
            write!(f, ", status {status}")?;
        }
        if let Some(request_id) = &context.request_id {
            write!(f, ", request id {request_id}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, retry, message, context, source } = &*self.inner;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("retry", retry)
            .field("message", message)
            .field("context", context)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
