use reqwest::Method;
use reqwest::header::HeaderValue;

use super::*;
use crate::error::Error;

fn answer(status: u16, body: &str, headers: &[(&'static str, &'static str)], idempotent: bool) -> Error {
    let sent = Sent {
        service: "compute",
        operation: "create server",
        method: Method::POST,
        url: "http://h:8774/v2.1/servers?x=1".parse().unwrap(),
        request_id: Some("req-1".to_owned()),
    };
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), HeaderValue::from_static(value))
        })
        .collect();
    let now = "2026-11-21T05:00:00Z".parse().unwrap();
    of_answer(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), &sent, idempotent, now)
}

#[test]
fn the_message_of_each_services_form_is_found() {
    let cases = [
        // Nova and Cinder.
        (
            400,
            r#"{"badRequest": {"code": 400, "message": "Invalid flavor."}}"#,
            ErrorKind::BadRequest,
            "Invalid flavor.",
        ),
        (
            404,
            r#"{"itemNotFound": {"message": "No server.", "code": 404}}"#,
            ErrorKind::NotFound,
            "No server.",
        ),
        (
            409,
            r#"{"conflictingRequest": {"code": 409, "message": "in task_state"}}"#,
            ErrorKind::Conflict,
            "in task_state",
        ),
        (500, r#"{"computeFault": {"code": 500, "message": "Boom."}}"#, ErrorKind::ServerFault, "Boom."),
        // Neutron.
        (
            409,
            r#"{"NeutronError": {"type": "IpAddressInUse", "message": "Address taken.", "detail": ""}}"#,
            ErrorKind::Conflict,
            "Address taken.",
        ),
        (400, r#"{"NeutronError": "old form"}"#, ErrorKind::BadRequest, "old form"),
        (
            400,
            r#"{"NeutronError": {"type": "X", "message": "a", "detail": "b"}}"#,
            ErrorKind::BadRequest,
            "a (b)",
        ),
        // Keystone.
        (
            403,
            r#"{"error": {"code": 403, "message": "You are not authorized.", "title": "Forbidden"}}"#,
            ErrorKind::Forbidden,
            "You are not authorized.",
        ),
        (
            401,
            r#"{"error": {"code": 401, "message": "No.", "title": "Unauthorized"}}"#,
            ErrorKind::Auth,
            "No.",
        ),
        // Glance and proxies.
        (
            404,
            "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image \
             found with ID x<br /><br />\n\n </body>\n</html>",
            ErrorKind::NotFound,
            "404 Not Found No image found with ID x",
        ),
        (503, "upstream  is\n away", ErrorKind::ServerFault, "upstream is away"),
        (410, "", ErrorKind::NotFound, "the service answered 410 Gone"),
        (504, "", ErrorKind::Timeout, "the service answered 504 Gateway Timeout"),
        // Placement.
        (409, r#"{"errors": [{"title": "Conflict", "detail": "again"}]}"#, ErrorKind::Conflict, "again"),
    ];
    for (status, body, kind, message) in cases {
        let error = answer(status, body, &[], true);
        assert_eq!((error.kind(), error.message()), (kind, message), "{status} {body}");
    }
}

#[test]
fn a_used_up_quota_is_no_rate_limit_and_no_lack_of_rights() {
    let quota = [
        (
            403,
            r#"{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"}}"#,
        ),
        (
            413,
            r#"{"overLimit": {"code": 413, "message": "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'.", "retryAfter": "0"}}"#,
        ),
        (
            413,
            r#"{"overLimit": {"code": 413, "message": "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 10G, quota is 5G and 2G has been consumed."}}"#,
        ),
        (
            409,
            r#"{"NeutronError": {"type": "OverQuota", "message": "No more resources for port.", "detail": ""}}"#,
        ),
        (413, "<html><body>Denying attempt to upload image because it exceeds the quota: 1</body></html>"),
    ];
    for (status, body) in quota {
        let error = answer(status, body, &[("retry-after", "0")], true);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Quota, Retry::Never), "{body}");
    }
    let policy = r#"{"forbidden": {"message": "Policy doesn't allow os_compute_api:os-quota-sets:update to be performed."}}"#;
    assert_eq!(answer(403, policy, &[], true).kind(), ErrorKind::Forbidden);
    let limit = r#"{"overLimit": {"code": 413, "message": "Only 10 POST requests can be made every minute.", "retryAfter": "7"}}"#;
    let error = answer(413, limit, &[], false);
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::After(Duration::from_secs(7))));
}

#[test]
fn what_may_be_repeated() {
    use Retry::{Never, Safe};
    // Status, then the advice for harmless requests and for others.
    for (status, harmless, other) in [
        (400, Never, Never),
        (401, Never, Never),
        (403, Never, Never),
        (404, Never, Never),
        (408, Safe, Never),
        (409, Never, Never),
        (413, Never, Never),
        (429, Safe, Safe),
        (500, Safe, Never),
        (501, Never, Never),
        (502, Safe, Never),
        (503, Safe, Safe),
        (504, Safe, Never),
    ] {
        assert_eq!(answer(status, "", &[], true).retry(), harmless, "{status}");
        assert_eq!(answer(status, "", &[], false).retry(), other, "{status}");
    }
    for status in [502, 504] {
        let error = answer(status, "", &[], false);
        assert_eq!(error.kind(), ErrorKind::Ambiguous);
        assert!(error.message().contains("may have been carried out"), "{error}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let after = |value| answer(429, "", &[("retry-after", value)], false).retry();
    assert_eq!(after("17"), Retry::After(Duration::from_secs(17)));
    assert_eq!(after("Sat, 21 Nov 2026 05:01:30 GMT"), Retry::After(Duration::from_secs(90)));
    assert_eq!(after("Sat, 21 Nov 2026 04:00:00 GMT"), Retry::After(Duration::ZERO));
    assert_eq!(after("soon"), Retry::Safe);
}

#[test]
fn one_line_says_what_where_and_which_request() {
    let error = answer(400, r#"{"badRequest": {"message": "Invalid\nflavor."}}"#, &[], false);
    assert_eq!(
        error.to_string(),
        "Invalid flavor, compute: create server, POST http://h:8774/v2.1/servers, status 400, request id req-1"
    );
    let page = format!("<html><body>{}</body></html>", "x".repeat(10_000));
    assert!(answer(500, &page, &[], false).to_string().len() < 1000);
    let error = answer(302, "", &[("location", "https://h/")], true);
    assert_eq!(error.kind(), ErrorKind::BadResponse);
    assert!(error.message().contains("redirects to https://h/"), "{error}");
}
