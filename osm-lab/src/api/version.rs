//! Microversions of Nova and Cinder.

use std::fmt;

use axum::http::HeaderMap;

use crate::api::Refusal;
use crate::cloud::Service;

/// The API version of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Microversion(pub(crate) u16, pub(crate) u16);

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Microversion {
    /// The oldest and the newest one a service speaks.
    pub(crate) fn range(service: Service, newer: bool) -> (Self, Self) {
        match (service, newer) {
            (Service::Nova, false) => (Self(2, 1), Self(2, 93)),
            (Service::Nova, true) => (Self(2, 1), Self(2, 96)),
            (Service::Cinder, _) => (Self(3, 0), Self(3, 70)),
            _ => (Self(0, 0), Self(0, 0)),
        }
    }

    /// What the service calls itself in version headers.
    pub(crate) fn word(service: Service) -> Option<&'static str> {
        match service {
            Service::Nova => Some("compute"),
            Service::Cinder => Some("volume"),
            _ => None,
        }
    }

    /// The version a request asks for; the oldest when it asks for none.
    pub(crate) fn of(headers: &HeaderMap, service: Service, newer: bool) -> Result<Self, Refusal> {
        let (oldest, newest) = Self::range(service, newer);
        let Some(wanted) = asked(headers, service) else { return Ok(oldest) };
        if wanted == "latest" {
            return Ok(newest);
        }
        let Some(version) = parse(&wanted) else {
            let message = format!(
                "API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum."
            );
            return Err(Refusal::new(service, 400, message));
        };
        if version < oldest || version > newest {
            let message = format!(
                "Version {version} is not supported by the API. Minimum is {oldest} and maximum is {newest}."
            );
            return Err(Refusal::new(service, 406, message));
        }
        Ok(version)
    }
}

fn asked(headers: &HeaderMap, service: Service) -> Option<String> {
    let word = Microversion::word(service)?;
    let common = headers.get_all("openstack-api-version").iter().filter_map(|value| value.to_str().ok());
    let common = common.flat_map(|value| value.split(',')).find_map(|part| {
        let (name, version) = part.trim().split_once(' ')?;
        (name == word).then(|| version.trim().to_owned())
    });
    let old = (service == Service::Nova).then(|| headers.get("x-openstack-nova-api-version")).flatten();
    common.or_else(|| old.and_then(|value| value.to_str().ok()).map(str::to_owned))
}

fn parse(text: &str) -> Option<Microversion> {
    let (major, minor) = text.split_once('.')?;
    Some(Microversion(major.parse().ok()?, minor.parse().ok()?))
}
