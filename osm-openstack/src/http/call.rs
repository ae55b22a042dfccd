//! One HTTP request as it is sent, and what is remembered of it.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStream, TryStreamExt};
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use crate::error::Error;

/// One HTTP request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Call {
    pub(crate) fn new(service: &'static str, operation: &'static str, method: Method, url: Url) -> Self {
        let idempotent = method != Method::POST && method != Method::PATCH;
        let headers = HeaderMap::new();
        Self { service, operation, method, url, headers, body: Body::Empty, idempotent, timeout: None }
    }

    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// What a request carries.
pub(crate) enum Body {
    Empty,
    Bytes(Bytes),
    Stream(BodyStream),
    /// A stream that was sent; it cannot be had again.
    Spent,
}

pub(crate) type BodyStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Body {
    pub(crate) fn stream<S>(body: S) -> Self
    where
        S: TryStream<Ok = Bytes, Error = io::Error> + Send + 'static,
    {
        Self::Stream(Box::pin(body.into_stream()))
    }

    pub(crate) fn replayable(&self) -> bool {
        matches!(self, Self::Empty | Self::Bytes(_))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The body of an authentication holds the password.
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Bytes(_) => "Bytes(..)",
            Self::Stream(_) => "Stream(..)",
            Self::Spent => "Spent",
        })
    }
}

/// What was sent, for error messages.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) request_id: Option<String>,
}

impl Sent {
    /// The error with all that is known of the request.
    pub(crate) fn describe(&self, error: Error) -> Error {
        let error = error
            .with_service(self.service)
            .with_operation(self.operation)
            .with_request(&self.method, &self.url);
        match &self.request_id {
            Some(request_id) => error.with_request_id(request_id),
            None => error,
        }
    }
}
