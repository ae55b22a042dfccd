//! Errors as each service words them.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::cloud::Service;

/// A request that is not granted.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    status: u16,
    body: Body,
    retry_after: Option<u64>,
    challenge: Option<String>,
}

#[derive(Debug, Clone)]
enum Body {
    Json(Value),
    Html(String),
}

impl Refusal {
    /// The refusal of `service` with this status and message.
    pub(crate) fn new(service: Service, status: u16, message: impl AsRef<str>) -> Self {
        let message = message.as_ref();
        let body = match service {
            Service::Keystone => Body::Json(keystone(status, message)),
            Service::Nova | Service::Cinder => {
                let mut inner = json!({"code": status, "message": message});
                if status == 413 {
                    inner["retryAfter"] = json!("0");
                }
                Body::Json(json!({fault_name(status): inner}))
            }
            Service::Neutron => Body::Json(neutron(http_type(status), message)),
            Service::Glance => Body::Html(html(status, message)),
        };
        let retry_after = (status == 413).then_some(0);
        Self { status, body, retry_after, challenge: None }
    }

    /// A refusal of Neutron, which names the kind of error.
    pub(crate) fn neutron(status: u16, kind: &str, message: impl AsRef<str>) -> Self {
        let body = Body::Json(neutron(kind, message.as_ref()));
        Self { status, body, retry_after: None, challenge: None }
    }

    /// The refusal of a request without a good token: the same words at every service.
    pub(crate) fn unauthorized(auth_url: &str) -> Self {
        let body = json!({"error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }});
        let challenge = Some(format!("Keystone uri=\"{auth_url}\""));
        Self { status: 401, body: Body::Json(body), retry_after: None, challenge }
    }

    /// The same refusal with the advice to wait.
    pub(crate) fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds.or(self.retry_after);
        self
    }

    /// The message, for a service that passes on another one's refusal.
    pub(crate) fn message(&self) -> String {
        let inner = match &self.body {
            Body::Html(text) => return text.clone(),
            Body::Json(Value::Object(map)) => map.values().next().cloned().unwrap_or_default(),
            Body::Json(_) => Value::Null,
        };
        inner["message"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match self.body {
            Body::Json(body) => (status, axum::Json(body)).into_response(),
            Body::Html(body) => (status, [(CONTENT_TYPE, "text/html; charset=UTF-8")], body).into_response(),
        };
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(Ok(challenge)) = self.challenge.map(HeaderValue::try_from) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

fn keystone(status: u16, message: &str) -> Value {
    json!({"error": {"code": status, "message": message, "title": reason(status)}})
}

fn neutron(kind: &str, message: &str) -> Value {
    json!({"NeutronError": {"type": kind, "message": message, "detail": ""}})
}

/// What Nova and Cinder call the object around an error.
fn fault_name(status: u16) -> &'static str {
    match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}

/// The type Neutron gives an error that is only a status.
fn http_type(status: u16) -> &'static str {
    match status {
        400 => "HTTPBadRequest",
        403 => "HTTPForbidden",
        404 => "HTTPNotFound",
        409 => "HTTPConflict",
        503 => "HTTPServiceUnavailable",
        _ => "HTTPInternalServerError",
    }
}

fn html(status: u16, message: &str) -> String {
    let title = format!("{status} {}", reason(status));
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#x27;");
    format!(
        "<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  {message}<br /><br \
         />\n\n\n\n </body>\n</html>"
    )
}
