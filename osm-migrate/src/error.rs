//! The one error type of this crate: kind, retry, context, source.

use std::error::Error as StdError;
use std::fmt;

use osm_transfer::Retry;
use serde::{Deserialize, Serialize};

/// What went wrong, coarse enough to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// An agent on a conversion host failed or broke its protocol.
    Agent,
    /// A cloud did not accept the credentials.
    Auth,
    /// Something stands in the way that only the operator can remove.
    Blocked,
    /// Another live process works on the same job.
    Claimed,
    /// A cloud refused or failed a request.
    Cloud,
    /// What the caller asked for cannot be asked for.
    Config,
    /// A resource file is wrong.
    Data,
    /// A conversion host cannot be reached or used.
    Host,
    /// The operation was cancelled before it ended.
    Interrupted,
    /// The local machine failed: files, processes.
    Io,
    /// A copy is not equal to its source.
    Mismatch,
    /// The claim on a job was lost to another process.
    StaleEpoch,
    /// The state store failed.
    State,
    /// Bytes could not be moved.
    Transfer,
}

/// Where it went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The workload that was being moved.
    pub workload: Option<String>,
    /// What was being done.
    pub operation: Option<&'static str>,
    /// The object concerned: `volume 4a1d...`, a path, a host.
    pub object: Option<String>,
    /// What the operator can do about it.
    pub hint: Option<String>,
}

/// An error of a flow.
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

    /// The error of something that was cancelled.
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted").with_retry(Retry::Safe)
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

    /// The same error naming the workload that was being moved.
    #[must_use]
    pub fn with_workload(mut self, workload: impl Into<String>) -> Self {
        self.inner.context.workload = Some(workload.into());
        self
    }

    /// The same error naming the operation that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.inner.context.operation = Some(operation);
        self
    }

    /// The same error naming the object concerned.
    #[must_use]
    pub fn with_object(mut self, object: impl Into<String>) -> Self {
        self.inner.context.object = Some(object.into());
        self
    }

    /// The same error saying what the operator can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.context.hint = Some(hint.into());
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

    /// The error with its causes on one line, for events and logs.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        let context = &self.inner.context;
        if let Some(operation) = context.operation {
            write!(f, ", during {operation}")?;
        }
        if let Some(object) = &context.object {
            write!(f, ", on {object}")?;
        }
        if let Some(workload) = &context.workload {
            write!(f, ", of workload {workload}")?;
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

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, "input/output error").with_source(source)
    }
}

impl From<osm_openstack::Error> for Error {
    fn from(source: osm_openstack::Error) -> Self {
        let kind = match source.kind() {
            osm_openstack::ErrorKind::Auth => ErrorKind::Auth,
            osm_openstack::ErrorKind::Config => ErrorKind::Config,
            _ => ErrorKind::Cloud,
        };
        let retry = match source.retry() {
            osm_openstack::Retry::Never => Retry::Never,
            osm_openstack::Retry::Safe => Retry::Safe,
            osm_openstack::Retry::After(time) => Retry::After(time),
            osm_openstack::Retry::Exhausted => Retry::Exhausted,
        };
        let forbidden = source.kind() == osm_openstack::ErrorKind::Forbidden;
        let error =
            Self::new(kind, "the cloud did not do what was asked").with_retry(retry).with_source(source);
        match forbidden {
            true => error.with_hint("it takes the credentials of somebody who may, such as an administrator"),
            false => error,
        }
    }
}

impl From<osm_vmware::Error> for Error {
    fn from(source: osm_vmware::Error) -> Self {
        let kind = match source.kind() {
            osm_vmware::ErrorKind::Auth => ErrorKind::Auth,
            osm_vmware::ErrorKind::Config => ErrorKind::Config,
            _ => ErrorKind::Cloud,
        };
        let (retry, hint) = (source.retry(), source.hint().map(str::to_owned));
        let error =
            Self::new(kind, "vSphere did not do what was asked").with_retry(retry).with_source(source);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl From<osm_transfer::Error> for Error {
    fn from(source: osm_transfer::Error) -> Self {
        let kind = match source.kind() {
            osm_transfer::ErrorKind::Interrupted => ErrorKind::Interrupted,
            osm_transfer::ErrorKind::Mismatch => ErrorKind::Mismatch,
            _ => ErrorKind::Transfer,
        };
        let retry = source.retry();
        Self::new(kind, "the disk transfer failed").with_retry(retry).with_source(source)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        Self::new(ErrorKind::State, "the state store failed").with_source(source)
    }
}

impl From<serde_json::Error> for Error {
    fn from(source: serde_json::Error) -> Self {
        Self::new(ErrorKind::State, "a stored record cannot be read").with_source(source)
    }
}
