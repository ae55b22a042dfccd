//! A Keystone and services to speak to.

use std::time::Duration;

use osm_openstack::{CloudConfig, RetryPolicy, Service, ServiceKind, Session};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(crate) const PROJECT: &str = "27d981bfd3244e928e255311efd7fb87";

/// A configuration for the Keystone at `url`, in a hurry.
pub(crate) fn config(url: &str, rest: &str) -> CloudConfig {
    let text = format!(
        "region_name: r1\nauth:\n  auth_url: {url}\n  username: u\n  password: hunter2\n  project_name: p\n{rest}"
    );
    hurried(CloudConfig::from_yaml("src", &text, "test").unwrap())
}

/// The same configuration with short pauses and limits.
pub(crate) fn hurried(config: CloudConfig) -> CloudConfig {
    let retry = RetryPolicy {
        attempts: 4,
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(5),
        total: Duration::from_secs(5),
    };
    config.with_retry(retry).with_timeout(Duration::from_secs(5))
}

pub(crate) fn v3(server: &MockServer) -> String {
    format!("{}/v3", server.uri())
}

/// The body of Keystone's answer; the token holds for `seconds`.
pub(crate) fn token_body(services: &[(&str, &str)], seconds: i64) -> Value {
    let issued: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let expires = issued + jiff::SignedDuration::from_secs(seconds);
    let catalog: Vec<Value> = services
        .iter()
        .map(|(kind, url)| {
            json!({"type": kind, "endpoints": [{"interface": "public", "region_id": "r1", "url": url}]})
        })
        .collect();
    json!({"token": {
        "issued_at": issued.to_string(),
        "expires_at": expires.to_string(),
        "methods": ["password"],
        "user": {"id": "uid", "name": "u", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": PROJECT, "name": "p", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "1", "name": "member"}],
        "catalog": catalog,
    }})
}

pub(crate) fn token_answer(token: &str, services: &[(&str, &str)], seconds: i64) -> ResponseTemplate {
    ResponseTemplate::new(201)
        .insert_header("X-Subject-Token", token)
        .set_body_json(token_body(services, seconds))
}

/// Lets Keystone at `server` give out `token`, for an hour.
pub(crate) async fn keystone(server: &MockServer, services: &[(&str, &str)]) {
    Mock::given(method("POST"))
        .and(path("/v3/auth/tokens"))
        .respond_with(token_answer("token-1", services, 3600))
        .mount(server)
        .await;
}

/// A session whose network service is `server` itself.
pub(crate) async fn network(server: &MockServer) -> Service {
    let url = format!("{}/v2.0", server.uri());
    keystone(server, &[("network", &url)]).await;
    let session = Session::connect(config(&v3(server), "")).await.unwrap();
    session.service(ServiceKind::Network).await.unwrap()
}

/// The requests that `server` got for paths beginning with `start`.
pub(crate) async fn requests(server: &MockServer, start: &str) -> Vec<Request> {
    let all = server.received_requests().await.unwrap();
    all.into_iter().filter(|request| request.url.path().starts_with(start)).collect()
}

pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}
