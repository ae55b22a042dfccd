//! Turns what went wrong with an exchange into an [`Error`].

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use rustls::{AlertDescription, CertificateError};

use crate::error::{Error, ErrorKind, Retry};
use crate::http::call::Sent;
use crate::http::retry;

mod refusal;

/// The id the service gave the request in its logs.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-openstack-request-id", "x-compute-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())
        .map(ToOwned::to_owned)
}

/// The error that an answer of a status other than 2xx is.
pub(super) fn of_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    sent: &Sent,
    idempotent: bool,
    now: Timestamp,
) -> Error {
    let refusal = refusal::read(body);
    let after = retry::retry_after(headers, now).or(refusal.retry_after);
    let kind = kind_of(status, &refusal, after, idempotent);
    let mut message = if refusal.message.is_empty() {
        format!("the service answered {status}")
    } else {
        refusal.message.clone()
    };
    if kind == ErrorKind::Ambiguous {
        message = format!("{message}; the request may have been carried out");
    }
    if status.is_redirection() {
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("elsewhere");
        message = format!("the endpoint redirects to {target}; configure the address it should have");
    }
    sent.describe(Error::new(kind, message))
        .with_status(status)
        .with_retry(retry::advice(kind, status, after, idempotent))
}

fn kind_of(
    status: StatusCode,
    refusal: &refusal::Refusal,
    after: Option<Duration>,
    idempotent: bool,
) -> ErrorKind {
    match status.as_u16() {
        // Nova says 403, Cinder and Glance 413, Neutron 409.
        403 | 409 | 413 if refusal.is_quota() => ErrorKind::Quota,
        401 => ErrorKind::Auth,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        409 | 412 | 423 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        413 if after.is_some() || refusal.is_over_limit() => ErrorKind::RateLimited,
        408 => ErrorKind::Timeout,
        400..=499 => ErrorKind::BadRequest,
        502 | 504 if !idempotent => ErrorKind::Ambiguous,
        504 => ErrorKind::Timeout,
        500..=599 => ErrorKind::ServerFault,
        _ => ErrorKind::BadResponse,
    }
}

/// The error when no answer came within `limit`.
pub(super) fn of_silence(limit: Duration, sent: &Sent, idempotent: bool) -> Error {
    let error = if idempotent {
        Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}")).with_retry(Retry::Safe)
    } else {
        let message = format!("no answer within {limit:?}; the request may have been carried out");
        Error::new(ErrorKind::Ambiguous, message)
    };
    sent.describe(error)
}

/// The error when the connection failed.
pub(super) fn of_transport(error: reqwest::Error, sent: &Sent, idempotent: bool) -> Error {
    // The address is in the context, without its query.
    let error = error.without_url();
    let origin = sent.url.origin().ascii_serialization();
    if let Some(advice) = tls_cause(&error).and_then(|cause| tls_advice(cause, &origin)) {
        return sent.describe(Error::new(ErrorKind::Config, advice).with_source(error));
    }
    let failed = if error.is_builder() {
        Error::new(ErrorKind::Config, "the request cannot be made")
    } else if error.is_connect() {
        let how = if error.is_timeout() { "no connection in time" } else { "no connection" };
        Error::new(ErrorKind::ServerFault, format!("cannot reach {origin}: {how}")).with_retry(Retry::Safe)
    } else if !idempotent {
        let message = "the connection broke before the answer came; the request may have been carried out";
        Error::new(ErrorKind::Ambiguous, message)
    } else {
        Error::new(ErrorKind::ServerFault, "the connection broke before the answer came")
            .with_retry(Retry::Safe)
    };
    sent.describe(failed.with_source(error))
}

fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An `io::Error` hides what it wraps from `source`.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            let inner: &'a (dyn StdError + 'static) = inner;
            if let Some(tls) = tls_cause(inner) {
                return Some(tls);
            }
        }
        next = error.source();
    }
    None
}

fn tls_advice(cause: &rustls::Error, origin: &str) -> Option<String> {
    use CertificateError as Bad;
    match cause {
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            Some(format!(
                "the TLS certificate of {origin} is for another name; use the name it was made for in the address"
            ))
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => Some(format!(
            "the TLS certificate of {origin} has expired; it must be renewed, or this machine's clock is wrong"
        )),
        rustls::Error::InvalidCertificate(_) => Some(format!(
            "the TLS certificate of {origin} is not trusted; set `cacert` of the cloud to the PEM file of its \
             authority, or `verify: false` to trust anybody"
        )),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown,
        ) => Some(format!(
            "{origin} does not accept this side's TLS certificate; set `cert` and `key` of the cloud to a \
             certificate it knows"
        )),
        rustls::Error::InvalidMessage(_) => {
            Some(format!("{origin} does not speak TLS; its address should perhaps begin with http:"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
