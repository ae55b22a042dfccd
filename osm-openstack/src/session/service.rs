//! One service of a cloud.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;
use url::Url;

use crate::discovery::{Microversion, MicroversionRange};
use crate::error::Result;
use crate::http::{Pages, Request};
use crate::session::{Endpoint, ServiceKind, Session};

/// One service of a cloud, at the version and microversion agreed on.
#[derive(Clone, Debug)]
pub struct Service {
    session: Session,
    endpoint: Arc<Endpoint>,
    microversion: Option<Microversion>,
}

impl Service {
    pub(crate) fn new(session: Session, endpoint: Arc<Endpoint>) -> Self {
        let microversion = endpoint.microversion;
        Self { session, endpoint, microversion }
    }

    /// Which service it is.
    pub fn kind(&self) -> ServiceKind {
        self.endpoint.kind
    }

    /// The session it belongs to.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The microversion used; `None` for services without microversions.
    pub fn microversion(&self) -> Option<Microversion> {
        self.microversion
    }

    /// The microversions the service speaks.
    pub fn microversions(&self) -> Option<MicroversionRange> {
        self.endpoint.range
    }

    /// The same service at another microversion, or the nearest one that it speaks.
    #[must_use]
    pub fn with_microversion(&self, microversion: Microversion) -> Self {
        let microversion = self.endpoint.range.map(|range| range.nearest(microversion));
        Self { microversion, ..self.clone() }
    }

    /// Waits for a turn at the service, which ends when it is dropped. A closed queue, which there is none
    /// of, would let all pass.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.endpoint.turns.acquire().await.ok()
    }

    /// Begins a request; `path` is relative to the versioned endpoint and may
    /// have a query: `servers/ID/action`.
    pub fn request(&self, operation: &'static str, method: Method, path: impl Into<String>) -> Request {
        Request::new(self.clone(), operation, method, &path.into())
    }

    /// All items of a list, over all its pages; `key` names the list in the answer.
    ///
    /// # Errors
    /// As [`Request::send`]; `BadResponse` when a page is not what it should
    /// be, or when the pages go in a circle.
    pub async fn list<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        query: &[(&str, &str)],
        key: &str,
    ) -> Result<Vec<T>> {
        let first = self.request(operation, Method::GET, path);
        let mut request = query.iter().fold(first, |request, (name, value)| request.query(name, value));
        let mut items = Vec::new();
        let mut pages = Pages::default();
        loop {
            let url = request.url().clone();
            let response = request.send().await?;
            let (page, next) = pages.read::<T>(&response, &url, key)?;
            items.extend(page);
            let Some(next) = next else { return Ok(items) };
            request = self.request(operation, Method::GET, path).at(next);
        }
    }

    /// The address of `path`.
    pub(crate) fn url(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.endpoint.url.clone();
        url.set_path(&format!("{}{}", url.path(), path.trim_start_matches('/')));
        url.set_query(query);
        url
    }

    /// The headers that every request to this service carries.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(microversion) = self.microversion else {
            return headers;
        };
        let named = format!("{} {microversion}", self.kind().microversion_name());
        if let Ok(value) = HeaderValue::from_str(&named) {
            headers.insert(HeaderName::from_static("openstack-api-version"), value);
        }
        if self.kind() == ServiceKind::Compute
            && let Ok(value) = HeaderValue::from_str(&microversion.to_string())
        {
            // Nova before Newton knows this one only.
            headers.insert(HeaderName::from_static("x-openstack-nova-api-version"), value);
        }
        headers
    }
}
