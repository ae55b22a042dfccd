//! What the tests of services, export and import share: a Keystone, and a cloud that answers
//! from a function.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::time::Duration;

use osm_openstack::{CloudConfig, RetryPolicy, Session};
use serde_json::{Value, json};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) const PROJECT: &str = "27d981bfd3244e928e255311efd7fb87";
pub(crate) const USER: &str = "3e5946b089e1446c833e6ad9c679bb13";
pub(crate) const ADMINISTRATOR: &str = "f6955074fb5c45d9927d3c1690c71168";

/// The services' addresses below the server's root, as its catalog has them.
const SERVICES: [(&str, &str); 5] = [
    ("identity", "identity/v3"),
    ("compute", "compute/v2.1"),
    ("network", "network"),
    ("volumev3", "block-storage/v3/27d981bfd3244e928e255311efd7fb87"),
    ("image", "image"),
];

/// A cloud on loopback and a session in it.
pub(crate) struct Cloud {
    pub(crate) server: MockServer,
    pub(crate) session: Session,
}

impl Cloud {
    /// A cloud whose services answer with `answer`.
    pub(crate) async fn answering(answer: impl Respond + 'static) -> Self {
        Self::answering_to(USER, answer).await
    }

    /// As [`Self::answering`], for a session of this user.
    pub(crate) async fn answering_to(user: &str, answer: impl Respond + 'static) -> Self {
        let server = MockServer::start().await;
        let catalog: Vec<Value> = SERVICES
            .iter()
            .map(|(kind, at)| {
                let url = format!("{}/{at}", server.uri());
                json!({"type": kind, "endpoints": [{"interface": "public", "region_id": "r", "url": url}]})
            })
            .collect();
        let token = json!({"token": {
            "issued_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-01T08:00:00Z",
            "methods": ["password"],
            "user": {"id": user, "name": "u", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": PROJECT, "name": "p", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "1", "name": "member"}],
            "catalog": catalog,
        }});
        Mock::given(method("POST"))
            .and(path("/identity/v3/auth/tokens"))
            .respond_with(
                ResponseTemplate::new(201).insert_header("X-Subject-Token", "t").set_body_json(token),
            )
            .mount(&server)
            .await;
        Mock::given(any()).respond_with(answer).with_priority(200).mount(&server).await;
        let config = format!(
            "region_name: r\nauth:\n  auth_url: {}/identity/v3\n  username: u\n  password: x\n  project_name: p\n",
            server.uri()
        );
        let retry = RetryPolicy {
            attempts: 2,
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(2),
            total: Duration::from_secs(5),
        };
        let config = CloudConfig::from_yaml("dst", &config, "test").unwrap();
        let config = config.with_retry(retry).with_timeout(Duration::from_secs(5));
        let session = Session::connect(config).await.unwrap();
        Self { server, session }
    }

    /// The requests that were not for reading, as `METHOD PATH BODY`.
    pub(crate) async fn writes(&self) -> Vec<String> {
        let all = self.server.received_requests().await.unwrap();
        let writes = all.iter().filter(|request| {
            request.method.as_str() != "GET" && !request.url.path().ends_with("/auth/tokens")
        });
        writes.map(described).collect()
    }

    /// How many requests read something.
    pub(crate) async fn reads(&self) -> usize {
        let all = self.server.received_requests().await.unwrap();
        all.iter().filter(|request| request.method.as_str() == "GET").count()
    }
}

fn described(request: &Request) -> String {
    let body = String::from_utf8_lossy(&request.body);
    format!("{} {} {body}", request.method, request.url.path())
}

/// The documents by which services tell their versions.
pub(crate) fn versions(path: &str, base: &str) -> Option<ResponseTemplate> {
    let version = |id: &str, max: &str, at: &str| {
        json!({"id": id, "status": "CURRENT", "version": max, "min_version": "2.1",
            "links": [{"rel": "self", "href": format!("{base}/{at}/")}]})
    };
    let body = match path.trim_matches('/') {
        "identity/v3" => json!({"version": version("v3.14", "", "identity/v3")}),
        "compute/v2.1" => json!({"version": version("v2.1", "2.93", "compute/v2.1")}),
        "network" => json!({"versions": [version("v2.0", "", "network/v2.0")]}),
        "block-storage" | "block-storage/v3" => {
            let mut version = version("v3.0", "3.70", "block-storage/v3");
            version["min_version"] = json!("3.0");
            json!({"versions": [version]})
        }
        "image" => json!({"versions": [version("v2.16", "", "image/v2")]}),
        _ => return None,
    };
    Some(ResponseTemplate::new(200).set_body_json(body))
}
