//! What a service answered.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::http::call::Sent;

/// A successful answer, read to its end.
#[derive(Debug)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) sent: Sent,
}

impl Response {
    /// The status; always 2xx, or 300 where several versions are offered.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header `name`, when there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The request's id in the service's logs.
    pub fn request_id(&self) -> Option<&str> {
        self.sent.request_id.as_deref()
    }

    /// The body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The whole body as a `T`.
    ///
    /// # Errors
    /// `BadResponse` when it is none.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| self.misunderstood(error))
    }

    /// The `T` under `key` of the object that the body is.
    ///
    /// # Errors
    /// `BadResponse` when there is none.
    pub fn keyed<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let page = super::paging::read_keyed(&self.body, key).map_err(|error| self.misunderstood(error))?;
        page.ok_or_else(|| self.bad(format!("the answer has no `{key}`")))
    }

    /// An error about this answer.
    pub(crate) fn bad(&self, message: impl Into<String>) -> Error {
        self.about(Error::new(ErrorKind::BadResponse, message))
    }

    /// The same error, naming this exchange.
    pub(crate) fn about(&self, error: Error) -> Error {
        self.sent.describe(error).with_status(self.status)
    }

    pub(crate) fn misunderstood(&self, error: serde_json::Error) -> Error {
        self.bad("the answer is not what this request should get").with_source(error)
    }
}

/// A successful answer whose body is read as it comes.
///
/// Each piece must come within the request's time limit.
pub struct Download {
    pub(super) headers: HeaderMap,
    pub(super) chunks: BoxStream<'static, Result<Bytes>>,
}

impl Download {
    /// The header `name`, when there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The length of the body, when the service said it.
    pub fn len(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Whether the service said that the body is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("headers", &self.headers).finish_non_exhaustive()
    }
}
