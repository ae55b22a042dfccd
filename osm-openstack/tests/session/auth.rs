//! Getting a token, and keeping it fresh.

use osm_openstack::{CloudConfig, ErrorKind, Method, Retry, ServiceKind, Session};
use serde_json::{Value, json};
use wiremock::matchers::{header as has_header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{config, header, hurried, keystone, requests, token_answer, v3};

/// The body sent to Keystone by a cloud with `text` for settings.
async fn sent_by(text: &str) -> Value {
    let server = MockServer::start().await;
    keystone(&server, &[]).await;
    let text = text.replace("URL", &v3(&server));
    let config = hurried(CloudConfig::from_yaml("src", &text, "test").unwrap());
    Session::connect(config).await.unwrap();
    let sent = requests(&server, "/v3/auth/tokens").await;
    assert_eq!(sent.len(), 1);
    serde_json::from_slice(&sent[0].body).unwrap()
}

#[tokio::test]
async fn a_password_is_sent_as_keystone_wants_it() {
    let sent = sent_by("auth: {auth_url: URL, username: u, password: s, user_domain_name: D, project_name: p, project_domain_id: d}").await;
    assert_eq!(
        sent,
        json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": "u", "domain": {"name": "D"}, "password": "s"}}},
            "scope": {"project": {"name": "p", "domain": {"id": "d"}}},
        }})
    );
    let sent = sent_by("auth: {auth_url: URL, user_id: u, password: s, project_id: p}").await;
    assert_eq!(
        sent,
        json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"id": "u", "password": "s"}}},
            "scope": {"project": {"id": "p"}},
        }})
    );
    let sent = sent_by("auth: {auth_url: URL, user_id: u, password: s, system_scope: all}").await;
    assert_eq!(sent["auth"]["scope"], json!({"system": {"all": true}}));
    let sent = sent_by("auth: {auth_url: URL, user_id: u, password: s, domain_name: D}").await;
    assert_eq!(sent["auth"]["scope"], json!({"domain": {"name": "D"}}));
}

#[tokio::test]
async fn a_token_is_sent_as_keystone_wants_it() {
    let sent = sent_by("auth_type: v3token\nauth: {auth_url: URL, token: t, project_id: p}").await;
    let expected = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": "t"}},
        "scope": {"project": {"id": "p"}},
    }});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn an_application_credential_is_sent_as_keystone_wants_it() {
    let head = "auth_type: v3applicationcredential\n";
    let sent = sent_by(&format!(
        "{head}auth: {{auth_url: URL, application_credential_id: a, application_credential_secret: s}}"
    ))
    .await;
    assert_eq!(
        sent,
        json!({"auth": {"identity": {"methods": ["application_credential"],
            "application_credential": {"id": "a", "secret": "s"}}}})
    );
    let sent = sent_by(&format!(
        "{head}auth: {{auth_url: URL, application_credential_name: a, application_credential_secret: s, username: u, user_domain_id: d}}"
    ))
    .await;
    assert_eq!(
        sent["auth"]["identity"]["application_credential"],
        json!({"name": "a", "secret": "s", "user": {"name": "u", "domain": {"id": "d"}}})
    );
}

#[tokio::test]
async fn who_we_are_is_known() {
    let server = MockServer::start().await;
    keystone(&server, &[]).await;
    let session = Session::connect(config(&v3(&server), "")).await.unwrap();
    assert_eq!(session.cloud_name(), "src");
    assert_eq!((session.user_id(), session.user_name()), ("uid".into(), "u".into()));
    assert_eq!((session.project_id(), session.project_name()), (crate::support::PROJECT.into(), "p".into()));
    assert_eq!(session.roles(), ["member"]);
    assert!(!format!("{session:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_refused_password_is_an_auth_error_that_says_so() {
    let server = MockServer::start().await;
    let body = json!({"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}});
    let refusal =
        ResponseTemplate::new(401).insert_header("x-openstack-request-id", "req-k").set_body_json(body);
    Mock::given(path("/v3/auth/tokens")).respond_with(refusal).expect(1).mount(&server).await;
    let error = Session::connect(config(&v3(&server), "")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Auth, Retry::Never));
    assert_eq!(
        error.to_string(),
        format!(
            "Keystone refuses the user and password of cloud `src`, correct its `auth`: The request you have made requires \
             authentication, identity: authenticate, POST {}/v3/auth/tokens, status 401, request id req-k",
            server.uri()
        )
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_keystone_that_is_not_there_is_named() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Session::connect(config(&url, "")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ServerFault, Retry::Exhausted));
    let said = format!("cannot reach {url}: no connection; check `auth_url` of cloud `src`");
    assert!(error.to_string().starts_with(&said), "{error}");

    let server = MockServer::start().await;
    let error = Session::connect(config(&v3(&server), "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().starts_with("there is no Keystone at the auth_url of cloud `src`"), "{error}");
}

#[tokio::test]
async fn version_3_is_found_from_an_address_without_version() {
    let server = MockServer::start().await;
    let versions = json!({"versions": {"values": [
        {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": format!("{}/identity/v3/", server.uri())}]},
    ]}});
    Mock::given(method("GET"))
        .and(path("/"))
        .respond_with(ResponseTemplate::new(300).set_body_json(&versions))
        .mount(&server)
        .await;
    Mock::given(path("/identity/v3/auth/tokens"))
        .respond_with(token_answer("t", &[], 3600))
        .mount(&server)
        .await;
    Session::connect(config(&server.uri(), "")).await.unwrap();
    // An old address of version 2 leads to the same place.
    Session::connect(config(&format!("{}/v2.0", server.uri()), "")).await.unwrap();
}

#[tokio::test]
async fn without_a_version_document_the_usual_address_is_tried() {
    let server = MockServer::start().await;
    keystone(&server, &[]).await;
    Session::connect(config(&server.uri(), "")).await.unwrap();
}

#[tokio::test]
async fn a_keystone_of_version_2_only_is_refused() {
    let server = MockServer::start().await;
    let versions = json!({"versions": {"values": [{"id": "v2.0", "links": []}]}});
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(300).set_body_json(versions))
        .mount(&server)
        .await;
    let error = Session::connect(config(&server.uri(), "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("does not speak version 3"), "{error}");
}

/// A cloud whose Keystone gives token-1 (for `seconds`) and from then on token-2, and whose
/// network service takes only token-2.
async fn two_tokens(seconds: i64) -> (MockServer, Session) {
    let server = MockServer::start().await;
    let url = format!("{}/v2.0", server.uri());
    let services = [("network", url.as_str())];
    let tokens = || Mock::given(path("/v3/auth/tokens"));
    tokens().respond_with(token_answer("token-1", &services, seconds)).up_to_n_times(1).mount(&server).await;
    tokens().respond_with(token_answer("token-2", &services, 3600)).mount(&server).await;
    Mock::given(path("/v2.0/networks"))
        .and(has_header("x-auth-token", "token-2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"networks": []})))
        .mount(&server)
        .await;
    Mock::given(path("/v2.0/networks"))
        .respond_with(ResponseTemplate::new(401))
        .with_priority(9)
        .mount(&server)
        .await;
    let session = Session::connect(config(&v3(&server), "")).await.unwrap();
    (server, session)
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_wait() {
    let (server, session) = two_tokens(3600).await;
    let network = session.service(ServiceKind::Network).await.unwrap();
    let ask = || network.request("list networks", Method::GET, "networks").send();
    let answers = futures_util::future::join_all((0..8).map(|_| ask())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(requests(&server, "/v3/auth/tokens").await.len(), 2);
}

#[tokio::test]
async fn an_expiring_token_is_renewed_before_it_is_used() {
    let (server, session) = two_tokens(0).await;
    let network = session.service(ServiceKind::Network).await.unwrap();
    let ask = || network.request("list networks", Method::GET, "networks").send();
    let answers = futures_util::future::join_all((0..8).map(|_| ask())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(requests(&server, "/v3/auth/tokens").await.len(), 2);
    let used = requests(&server, "/v2.0/networks").await;
    assert!(used.iter().all(|request| header(request, "x-auth-token") == Some("token-2")));
}

#[tokio::test]
async fn a_token_refused_twice_is_an_auth_error() {
    let server = MockServer::start().await;
    let url = format!("{}/v2.0", server.uri());
    keystone(&server, &[("network", &url)]).await;
    Mock::given(path("/v2.0/networks"))
        .respond_with(ResponseTemplate::new(401))
        .expect(2)
        .mount(&server)
        .await;
    let session = Session::connect(config(&v3(&server), "")).await.unwrap();
    let network = session.service(ServiceKind::Network).await.unwrap();
    let error = network.request("list networks", Method::GET, "networks").send().await.unwrap_err();
    assert_eq!((error.kind(), error.context().status), (ErrorKind::Auth, Some(401)));
}

#[tokio::test]
async fn a_token_still_good_is_used_while_keystone_is_away() {
    let server = MockServer::start().await;
    let url = format!("{}/v2.0", server.uri());
    let tokens = || Mock::given(path("/v3/auth/tokens"));
    // Due at once for renewal, as it lives only two seconds: half of that is past after one.
    tokens()
        .respond_with(token_answer("token-1", &[("network", &url)], 2))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    tokens().respond_with(ResponseTemplate::new(503)).mount(&server).await;
    Mock::given(path("/v2.0/networks"))
        .and(has_header("x-auth-token", "token-1"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let session = Session::connect(config(&v3(&server), "")).await.unwrap();
    let network = session.service(ServiceKind::Network).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
    network.request("list networks", Method::GET, "networks").send().await.unwrap();
    assert!(requests(&server, "/v3/auth/tokens").await.len() > 1);
}
