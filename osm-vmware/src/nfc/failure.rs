//! Why a connection ended: told to everybody who waited for it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use osm_transfer::Retry;

use crate::{Error, ErrorKind};

/// An error that can be told several times.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    fn lost(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unreachable, retry: Retry::Safe, message: message.into(), source: None }
    }

    /// The disk was closed.
    pub(super) fn closed() -> Self {
        Self::lost("the connection was closed")
    }

    /// The host closed the connection between two messages.
    pub(super) fn hung_up() -> Self {
        Self::lost("the host closed the connection")
    }

    /// The host neither sent nor took a byte.
    pub(super) fn silent(timeout: Duration) -> Self {
        Self::lost(format!("the host stood still for {} s", timeout.as_secs_f32()))
    }

    /// The host answers others and leaves one request out.
    pub(super) fn starved(waited: Duration) -> Self {
        Self::lost(format!("the host left a request unanswered for {} s", waited.as_secs_f32()))
    }

    /// The host broke the protocol: `rule` is what does not hold.
    pub(super) fn broken(rule: impl Into<String>) -> Self {
        let message = format!("the host breaks the NFC protocol: {}", rule.into());
        Self { kind: ErrorKind::BadResponse, retry: Retry::Never, message, source: None }
    }

    /// The host said no.
    pub(super) fn refused(message: String) -> Self {
        Self { kind: ErrorKind::Refused, retry: Retry::Never, message, source: None }
    }

    /// What others are told who waited for the same.
    pub(super) fn of(error: &Error) -> Self {
        Self { kind: error.kind(), retry: error.retry(), message: error.to_string(), source: None }
    }

    /// The error of one of those who are told.
    pub(super) fn error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone()).with_retry(self.retry);
        match &self.source {
            Some(source) => error.with_source(Arc::clone(source)),
            None => error,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        let message = match source.kind() {
            io::ErrorKind::UnexpectedEof => "the host closed the connection in the middle of a message",
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => "the host closed the connection",
            _ => "the connection to the host failed",
        };
        Self { source: Some(Arc::new(source)), ..Self::lost(message) }
    }
}
