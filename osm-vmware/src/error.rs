//! The one error type of this crate: kind, retry, context, source.

use std::error::Error as StdError;
use std::fmt;

use osm_transfer::Retry;

/// What went wrong, coarse enough to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The user is not let in, or lacks a privilege.
    Auth,
    /// An answer cannot be understood.
    BadResponse,
    /// A line of changes was begun anew, or is not kept.
    CbtReset,
    /// The machine keeps no record of changes.
    CbtUnavailable,
    /// What was configured cannot be used.
    Config,
    /// There is no such machine, disk or snapshot.
    NotFound,
    /// vSphere refuses what was asked.
    Refused,
    /// What was asked for was not done in time.
    Timeout,
    /// vSphere cannot be reached.
    Unreachable,
    /// This vSphere does not know how.
    Unsupported,
}

/// An error of a VMware source.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    object: Option<String>,
    hint: Option<String>,
    fault: Option<Box<Told>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a fault of vSphere tells besides its text.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Its type: `FileFault`.
    pub(crate) kind: String,
    /// The keys of its messages.
    pub(crate) keys: Vec<String>,
    /// The property that is wrong, of an `InvalidArgument`.
    pub(crate) property: Option<String>,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `message` says what failed.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = if kind == ErrorKind::Unreachable { Retry::Safe } else { Retry::Never };
        Self { kind, retry, message: message.into(), object: None, hint: None, fault: None, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with what it happened to.
    #[must_use]
    pub fn with_object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// The same error with what the operator can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with what the fault tells that vSphere ended the call with.
    #[must_use]
    pub(crate) fn with_fault(mut self, fault: Told) -> Self {
        self.fault = Some(Box::new(fault));
        self
    }

    pub(crate) fn keys(&self) -> &[String] {
        self.fault.as_ref().map_or(&[], |fault| &fault.keys)
    }

    pub(crate) fn property(&self) -> Option<&str> {
        self.fault.as_ref()?.property.as_deref()
    }

    /// The same error with another retry advice.
    #[must_use]
    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same error, of another kind.
    #[must_use]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The type of the fault that vSphere ended the call with: `ApplicationQuiesceFault`.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_ref().map(|fault| fault.kind.as_str())
    }

    /// What went wrong, for control flow.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// What the operator can do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.object {
            Some(object) => write!(f, ", on {object}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Error> for osm_transfer::Error {
    fn from(error: Error) -> Self {
        let retry = error.retry;
        Self::new(osm_transfer::ErrorKind::Io, "vSphere gave no bytes").with_retry(retry).with_source(error)
    }
}
