//! The one error type of this crate: kind, retry, context, source.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

/// What went wrong, coarse enough to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What the caller asked for cannot be asked for.
    Config,
    /// The operation was cancelled before it ended.
    Interrupted,
    /// The operating system or the network failed.
    Io,
    /// Two ends that should be equal are not.
    Mismatch,
    /// The target has no room for what should be written.
    NoSpace,
    /// An offset or a length lies outside the disk.
    OutOfBounds,
    /// The peer lacks a feature that is needed.
    PeerUnsupported,
    /// The peer broke the NBD protocol.
    Protocol,
    /// The target refuses writes.
    ReadOnly,
}

/// Whether trying again can help; decided where the fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again.
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
    /// What was being done: `read`, `handshake`, `open`.
    pub operation: Option<&'static str>,
    /// The endpoint: a path or an NBD URI.
    pub endpoint: Option<String>,
    /// The first byte concerned.
    pub offset: Option<u64>,
    /// How many bytes were concerned.
    pub len: Option<u64>,
}

/// An error of a disk, a connection or a transfer.
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

    /// The same error naming the operation that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.inner.context.operation = Some(operation);
        self
    }

    /// The same error naming the endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.inner.context.endpoint = Some(endpoint.into());
        self
    }

    /// The same error naming the bytes concerned.
    #[must_use]
    pub fn with_range(mut self, offset: u64, len: u64) -> Self {
        self.inner.context.offset = Some(offset);
        self.inner.context.len = Some(len);
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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        let context = &self.inner.context;
        if let Some(operation) = context.operation {
            write!(f, ", during {operation}")?;
        }
        if let Some(endpoint) = &context.endpoint {
            write!(f, ", on {endpoint}")?;
        }
        match (context.offset, context.len) {
            (Some(offset), Some(len)) => write!(f, ", at bytes {offset}..{}", offset.saturating_add(len)),
            (Some(offset), None) => write!(f, ", at byte {offset}"),
            _ => Ok(()),
        }
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

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            _ => ErrorKind::Io,
        };
        Self::new(kind, "input/output error").with_source(source)
    }
}
