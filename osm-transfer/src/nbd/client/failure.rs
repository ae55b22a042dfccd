//! Why a connection ended: told to every request that was under way, and to all that follow.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::super::wire::{Broken, MalformedMessage, PeerMisbehaved};
use crate::{Error, ErrorKind, Retry};

/// An error that can be told many times.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    fn new(kind: ErrorKind, retry: Retry, message: impl Into<String>) -> Self {
        Self { kind, retry, message: message.into(), source: None }
    }

    /// The caller closed the connection.
    pub(super) fn closed() -> Self {
        Self::new(ErrorKind::Interrupted, Retry::Never, "the NBD connection was closed")
    }

    /// The server closed the connection between two replies.
    pub(super) fn hung_up() -> Self {
        Self::new(ErrorKind::Io, Retry::Safe, "the NBD server closed the connection")
    }

    /// The server neither sent nor took a byte.
    pub(super) fn silent(timeout: Duration) -> Self {
        let message = format!("the NBD server stood still for {} s", timeout.as_secs_f32());
        Self::new(ErrorKind::Io, Retry::Safe, message)
            .with_source(Arc::new(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// The server answers others and leaves one request out.
    pub(super) fn starved(waited: Duration) -> Self {
        let message = format!("the NBD server left a request unanswered for {} s", waited.as_secs_f32());
        Self::new(ErrorKind::Io, Retry::Safe, message)
            .with_source(Arc::new(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// The stream failed, or ended within a reply.
    pub(super) fn stream(error: io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the NBD server closed the connection in the middle of a reply",
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                "the NBD server closed the connection"
            }
            _ => "the connection to the NBD server failed",
        };
        Self::new(ErrorKind::Io, Retry::Safe, message).with_source(Arc::new(error))
    }

    fn with_source(mut self, source: Arc<dyn StdError + Send + Sync>) -> Self {
        self.source = Some(source);
        self
    }

    pub(super) fn kind(&self) -> ErrorKind {
        self.kind
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

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        let message = broken.summary();
        let failure = Self::new(ErrorKind::Protocol, Retry::Never, message);
        match broken {
            Broken::Malformed(source) => failure.with_source(Arc::new(source)),
            Broken::Misbehaved(source) => failure.with_source(Arc::new(source)),
        }
    }
}

impl From<MalformedMessage> for Failure {
    fn from(source: MalformedMessage) -> Self {
        Broken::from(source).into()
    }
}

impl From<PeerMisbehaved> for Failure {
    fn from(source: PeerMisbehaved) -> Self {
        Broken::from(source).into()
    }
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::stream(source)
    }
}
