//! A request to a service, built step by step.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStream;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, Call, Download, Response};
use crate::session::Service;

/// A request to one service; made by [`Service::request`].
///
/// It carries the token, the microversion and a request id of its own, and is
/// repeated when it fails in a way that allows it.
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    service: Service,
    call: Call,
    /// The first mistake made while building, reported when sent.
    mistake: Option<Error>,
}

impl Request {
    pub(crate) fn new(service: Service, operation: &'static str, method: Method, path: &str) -> Self {
        let url = service.url(path);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let call = Call::new(service.kind().name(), operation, method, url);
        Self { service, call: call.with_headers(headers), mistake: None }
    }

    /// Adds `key=value` to the query.
    pub fn query(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.call.url.query_pairs_mut().append_pair(key.as_ref(), value.as_ref());
        self
    }

    /// Gives the request a JSON body.
    pub fn json<B: Serialize + ?Sized>(mut self, body: &B) -> Self {
        match serde_json::to_vec(body) {
            Ok(text) => {
                self.call.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                self.call.body = Body::Bytes(text.into());
            }
            Err(error) => {
                self.note(
                    Error::new(ErrorKind::Config, "the request cannot be written as JSON").with_source(error),
                );
            }
        }
        self
    }

    /// Gives the request a body that is produced while it is sent.
    ///
    /// Such a request is sent once only: what has been streamed cannot be had again.
    pub fn stream<S>(mut self, body: S) -> Self
    where
        S: TryStream<Ok = Bytes, Error = io::Error> + Send + 'static,
    {
        self.call.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
        self.call.body = Body::stream(body);
        self
    }

    /// Sets a header, replacing the one that would be sent otherwise.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => {
                self.call.headers.insert(name, value);
            }
            _ => self.note(Error::new(ErrorKind::Config, format!("header {name} cannot be sent"))),
        }
        self
    }

    /// Says whether repeating the request is harmless; by default it is for
    /// every method but POST and PATCH.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.call.idempotent = idempotent;
        self
    }

    /// Waits for the answer at most this long instead of the cloud's `api_timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout = Some(timeout);
        self
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    /// Any status but 2xx, as the kind it means; see [`ErrorKind`].
    pub async fn send(mut self) -> Result<Response> {
        self.check()?;
        let _turn = self.service.turn().await;
        self.service.session().call(self.call, self.service.headers()).await
    }

    /// Sends the request and hands out the answer's body as it comes.
    ///
    /// # Errors
    /// As [`Request::send`]; what fails later comes out of the stream.
    pub async fn download(mut self) -> Result<Download> {
        self.check()?;
        self.service.session().download(self.call, self.service.headers()).await
    }

    /// Sends the request; the answer's whole body is a `T`.
    ///
    /// # Errors
    /// As [`Request::send`], and `BadResponse` when the body is no `T`.
    pub async fn decode<T: DeserializeOwned>(self) -> Result<T> {
        self.send().await?.decode()
    }

    /// Sends the request; the answer's body is an object that holds a `T` under `key`.
    ///
    /// # Errors
    /// As [`Request::decode`].
    pub async fn keyed<T: DeserializeOwned>(self, key: &str) -> Result<T> {
        self.send().await?.keyed(key)
    }

    /// Sends the request; whatever the answer's body is, it does not matter.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn empty(self) -> Result<()> {
        self.send().await.map(drop)
    }

    /// As [`Request::keyed`], with "there is no such object" as `None`.
    ///
    /// # Errors
    /// As [`Request::decode`], except for `NotFound`.
    pub async fn optional<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>> {
        match self.keyed(key).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same request to another address.
    pub(crate) fn at(mut self, url: Url) -> Self {
        self.call.url = url;
        self
    }

    /// The address as built so far.
    pub fn url(&self) -> &Url {
        &self.call.url
    }

    fn note(&mut self, mistake: Error) {
        if self.mistake.is_none() {
            self.mistake = Some(mistake);
        }
    }

    fn check(&mut self) -> Result<()> {
        match self.mistake.take() {
            Some(mistake) => Err(mistake
                .with_service(self.call.service)
                .with_operation(self.call.operation)
                .with_request(&self.call.method, &self.call.url)),
            None => Ok(()),
        }
    }
}
