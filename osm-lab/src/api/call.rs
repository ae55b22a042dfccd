//! One request: who asks, at which version, for what.

use axum::extract::{FromRef, FromRequestParts, Query as AxumQuery};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{Context, Microversion, Refusal};
use crate::cloud::{Cloud, Service};
use crate::fault::FaultKind;

/// Whose token the request carries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) user_id: String,
    pub(crate) project_id: String,
    pub(crate) admin: bool,
}

impl Caller {
    /// Whether the caller may see what this project has.
    pub(crate) fn sees(&self, project_id: &str) -> bool {
        self.admin || self.project_id == project_id
    }
}

/// The query of a request; names may repeat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag is set, in any of the spellings the services take.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            matches!(value.to_ascii_lowercase().as_str(), "" | "1" | "true" | "yes" | "on" | "t")
        })
    }
}

/// What was known of a request before it was routed; nested routes see a shortened URL.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) query: String,
    /// Faults that concern what the request does, not how it is answered.
    pub(super) mishaps: Vec<FaultKind>,
}

/// An authenticated request.
pub(crate) struct Call {
    pub(crate) cloud: Cloud,
    pub(crate) service: Service,
    pub(crate) caller: Caller,
    pub(crate) version: Microversion,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    pub(crate) raw_query: String,
    mishaps: Vec<FaultKind>,
}

impl Call {
    /// Refuses the request in the words of its service.
    pub(crate) fn refuse(&self, status: u16, message: impl AsRef<str>) -> Refusal {
        Refusal::new(self.service, status, message)
    }

    /// The root URL of the service that was asked.
    pub(crate) fn url(&self) -> String {
        self.cloud.url(self.service)
    }

    /// Whether the request asks for at least this version.
    pub(crate) fn at_least(&self, major: u16, minor: u16) -> bool {
        self.version >= Microversion(major, minor)
    }

    /// The fault that hits what this request does, if `pick` takes it.
    pub(crate) fn mishap<T>(&self, pick: impl Fn(&FaultKind) -> Option<T>) -> Option<T> {
        self.mishaps.iter().find_map(pick)
    }

    /// Whether a fault hits what this request does.
    pub(crate) fn struck(&self, wanted: impl Fn(&FaultKind) -> bool) -> bool {
        self.mishaps.iter().any(wanted)
    }

    /// Reads the body, or what stands under `key` in it.
    pub(crate) fn read<T: DeserializeOwned>(&self, body: &[u8], key: &str) -> Result<T, Refusal> {
        let malformed = || match self.service {
            Service::Keystone => "Expecting to find valid JSON in request body.",
            Service::Neutron => "Resource body required",
            _ => "Malformed request body",
        };
        let mut value: Value = serde_json::from_slice(body).map_err(|_| self.refuse(400, malformed()))?;
        let value = match value.get_mut(key) {
            _ if key.is_empty() => value,
            Some(inner) => inner.take(),
            None if self.service == Service::Neutron => {
                return Err(self.refuse(400, format!("Unable to find '{key}' in request body")));
            }
            None => {
                let message =
                    format!("Invalid input for field/attribute {key}. '{key}' is a required property");
                return Err(self.refuse(400, message));
            }
        };
        serde_json::from_value(value)
            .map_err(|error| self.refuse(400, self.schema_message(&error.to_string())))
    }

    /// Turns the words of serde into those of the services' schema checks.
    fn schema_message(&self, error: &str) -> String {
        let field = error.split('`').nth(1).unwrap_or_default();
        if error.starts_with("unknown field") {
            return match self.service {
                Service::Neutron => format!("Unrecognized attribute(s) '{field}'"),
                _ => format!("Additional properties are not allowed ('{field}' was unexpected)"),
            };
        }
        if error.starts_with("missing field") {
            return match self.service {
                Service::Neutron => {
                    format!("Failed to parse request. Required attribute '{field}' not specified")
                }
                _ => format!("'{field}' is a required property"),
            };
        }
        format!("Invalid input received: {error}")
    }
}

impl<S> FromRequestParts<S> for Call
where
    Context: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Context { cloud, service } = Context::from_ref(state);
        let token = parts.headers.get("x-auth-token").and_then(|token| token.to_str().ok());
        let caller = token.and_then(|token| cloud.world().keystone.caller(token));
        let caller = caller.ok_or_else(|| Refusal::unauthorized(&cloud.url(Service::Keystone)))?;
        let version = Microversion::of(&parts.headers, service, cloud.newer())?;
        let query = AxumQuery::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let query = query.map(|AxumQuery(pairs)| Query(pairs)).unwrap_or_default();
        let Asked { path, query: raw_query, mishaps } =
            parts.extensions.get::<Asked>().cloned().unwrap_or_default();
        Ok(Self {
            cloud,
            service,
            caller,
            version,
            query,
            headers: parts.headers.clone(),
            path,
            raw_query,
            mishaps,
        })
    }
}
