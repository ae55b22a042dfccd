//! Finding services, their versions and microversions.

use osm_openstack::{ErrorKind, Method, Microversion, Result, Service, ServiceKind, Session};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{PROJECT, config, header, keystone, requests, v3};

async fn get(server: &MockServer, at: &str, status: u16, body: Value) {
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

/// The service of `kind`, with `endpoint` (below the server) in the catalog under `name`.
async fn find(
    server: &MockServer,
    kind: ServiceKind,
    name: &str,
    endpoint: &str,
    rest: &str,
) -> Result<Service> {
    let url = format!("{}{endpoint}", server.uri());
    keystone(server, &[(name, &url)]).await;
    Session::connect(config(&v3(server), rest)).await?.service(kind).await
}

/// Where a request to `service` for `x` arrives.
async fn arrives(server: &MockServer, service: &Service) -> String {
    let _ = service.request("ask", Method::GET, "x").send().await;
    let all = server.received_requests().await.unwrap();
    all.last().unwrap().url.path().to_owned()
}

fn nova(max: &str) -> Value {
    json!({"version": {"id": "v2.1", "version": max, "min_version": "2.1", "status": "CURRENT", "links": []}})
}

fn cinder(max: &str) -> Value {
    json!({"versions": [{"id": "v3.0", "version": max, "min_version": "3.0", "status": "CURRENT", "links": []}]})
}

#[tokio::test]
async fn compute_agrees_on_the_newest_both_know_and_says_it() {
    for (max, agreed) in [("2.79", "2.79"), ("2.93", "2.90"), ("2.100", "2.90")] {
        let server = MockServer::start().await;
        get(&server, "/v2.1/", 200, nova(max)).await;
        let compute = find(&server, ServiceKind::Compute, "compute", "/v2.1", "").await.unwrap();
        assert_eq!(compute.microversion().unwrap().to_string(), agreed);
        assert_eq!(arrives(&server, &compute).await, "/v2.1/x");
        let older = compute.with_microversion(Microversion::new(2, 10));
        assert_eq!(arrives(&server, &older).await, "/v2.1/x");
        // More than the server speaks cannot be had.
        let newer = compute.with_microversion(Microversion::new(2, 200));
        assert_eq!(newer.microversion().unwrap().to_string(), max);
        let seen = requests(&server, "/v2.1/x").await;
        for (request, microversion) in seen.iter().zip([agreed, "2.10"]) {
            let named = format!("compute {microversion}");
            assert_eq!(header(request, "openstack-api-version"), Some(named.as_str()));
            assert_eq!(header(request, "x-openstack-nova-api-version"), Some(microversion));
            assert!(header(request, "x-openstack-request-id").unwrap().starts_with("req-"));
            assert!(header(request, "user-agent").unwrap().starts_with("osm/"));
            assert_eq!(header(request, "x-auth-token"), Some("token-1"));
        }
    }
}

#[tokio::test]
async fn compute_is_found_at_a_root_and_asked_once() {
    let server = MockServer::start().await;
    let link =
        |version: &str| json!([{"rel": "self", "href": format!("{}/compute/{version}/", server.uri())}]);
    let versions = json!({"versions": [
        {"id": "v2.0", "version": "", "min_version": "", "links": link("v2")},
        {"id": "v2.1", "version": "2.60", "min_version": "2.1", "links": link("v2.1")},
    ]});
    get(&server, "/compute/", 200, versions).await;
    let compute = find(&server, ServiceKind::Compute, "compute", "/compute", "").await.unwrap();
    let all = (0..5).map(|_| compute.session().service(ServiceKind::Compute));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(compute.microversion().unwrap().to_string(), "2.60");
    assert_eq!(requests(&server, "/compute/").await.len(), 1);
    assert_eq!(arrives(&server, &compute).await, "/compute/v2.1/x");
}

#[tokio::test]
async fn block_storage_keeps_the_project_in_its_address() {
    let server = MockServer::start().await;
    get(&server, "/v3/", 200, cinder("3.71")).await;
    let endpoint = format!("/v3/{PROJECT}");
    let volumes = find(&server, ServiceKind::BlockStorage, "volumev3", &endpoint, "").await.unwrap();
    assert_eq!(volumes.microversion().unwrap().to_string(), "3.70");
    assert_eq!(arrives(&server, &volumes).await, format!("/v3/{PROJECT}/x"));
    let seen = requests(&server, &endpoint).await;
    assert_eq!(header(&seen[0], "openstack-api-version"), Some("volume 3.70"));
    assert_eq!(header(&seen[0], "x-openstack-nova-api-version"), None);
}

#[tokio::test]
async fn block_storage_without_project_gets_it_only_where_needed() {
    for (max, expected) in [("3.59", format!("/v3/{PROJECT}/x")), ("3.70", "/v3/x".to_owned())] {
        let server = MockServer::start().await;
        // This one hides its version's description, but not the list at its root.
        get(&server, "/", 300, cinder(max)).await;
        let volumes = find(&server, ServiceKind::BlockStorage, "block-storage", "/v3", "").await.unwrap();
        assert_eq!(volumes.microversion().unwrap().to_string(), max);
        assert_eq!(arrives(&server, &volumes).await, expected);
    }
}

#[tokio::test]
async fn an_endpoint_of_an_older_version_leads_to_the_right_one() {
    let server = MockServer::start().await;
    get(&server, "/", 300, cinder("3.60")).await;
    let endpoint = format!("/v2/{PROJECT}");
    let volumes = find(&server, ServiceKind::BlockStorage, "volume", &endpoint, "").await.unwrap();
    assert_eq!(volumes.microversion().unwrap().to_string(), "3.60");
    assert_eq!(arrives(&server, &volumes).await, format!("/v3/{PROJECT}/x"));
}

#[tokio::test]
async fn the_others_need_no_version_in_their_address() {
    for (kind, name, version) in [
        (ServiceKind::Network, "network", "v2.0"),
        (ServiceKind::Image, "image", "v2"),
        (ServiceKind::Identity, "identity", "v3"),
    ] {
        let expected = format!("/{version}/x");
        // With a list of versions,
        let server = MockServer::start().await;
        let link = json!([{"rel": "self", "href": format!("{}/{version}/", server.uri())}]);
        let id = if kind == ServiceKind::Image { "v2.9" } else { version };
        get(&server, "/", 300, json!({"versions": [{"id": id, "links": link}]})).await;
        let service = find(&server, kind, name, "", "").await.unwrap();
        assert_eq!((arrives(&server, &service).await, service.microversion()), (expected.clone(), None));
        // without one,
        let server = MockServer::start().await;
        let service = find(&server, kind, name, "", "").await.unwrap();
        assert_eq!(arrives(&server, &service).await, expected);
        // and with the version in the address, nothing is asked at all.
        let server = MockServer::start().await;
        let service = find(&server, kind, name, &format!("/{version}"), "").await.unwrap();
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
        assert_eq!(arrives(&server, &service).await, expected);
    }
}

#[tokio::test]
async fn a_service_without_microversions_is_used_without() {
    let server = MockServer::start().await;
    let compute = find(&server, ServiceKind::Compute, "compute", "/v2/p", "").await.unwrap();
    assert_eq!(compute.microversion(), None);
    assert_eq!(compute.with_microversion(Microversion::new(2, 10)).microversion(), None);
    assert_eq!(arrives(&server, &compute).await, "/v2/p/x");
    assert_eq!(header(&requests(&server, "/v2/p/x").await[0], "openstack-api-version"), None);
}

#[tokio::test]
async fn a_service_that_fails_is_not_taken_for_one_without_microversions() {
    let server = MockServer::start().await;
    get(&server, "/v2.1/", 503, json!({})).await;
    let error = find(&server, ServiceKind::Compute, "compute", "/v2.1", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerFault);
}

#[tokio::test]
async fn a_missing_service_names_what_was_looked_for_and_what_there_is() {
    let server = MockServer::start().await;
    let error =
        find(&server, ServiceKind::Image, "compute", "/v2.1", "interface: internal\n").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "the catalog has no internal endpoint of the image service in region r1; it offers: compute (public in r1); \
         check `region_name` and `interface`, or set `image_endpoint_override`, image"
    );
}

#[tokio::test]
async fn the_configuration_overrides_catalog_and_agreement() {
    let server = MockServer::start().await;
    get(&server, "/elsewhere/v3/", 200, cinder("3.65")).await;
    let rest = format!(
        "block_storage_endpoint_override: {}/elsewhere/v3/%(project_id)s\nvolume_default_microversion: '3.59'\n",
        server.uri()
    );
    let volumes = find(&server, ServiceKind::BlockStorage, "volumev3", "/v3", &rest).await.unwrap();
    assert_eq!(volumes.microversion().unwrap().to_string(), "3.59");
    assert_eq!(arrives(&server, &volumes).await, format!("/elsewhere/v3/{PROJECT}/x"));

    let server = MockServer::start().await;
    get(&server, "/v2.1/", 200, nova("2.60")).await;
    let rest = "compute_default_microversion: '2.79'\n";
    let error = find(&server, ServiceKind::Compute, "compute", "/v2.1", rest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("microversions 2.1 to 2.60, not 2.79 as configured"), "{error}");
}

#[tokio::test]
async fn a_service_too_new_is_refused() {
    let server = MockServer::start().await;
    let body = json!({"version": {"id": "v2.1", "version": "2.150", "min_version": "2.120"}});
    get(&server, "/v2.1/", 200, body).await;
    let error = find(&server, ServiceKind::Compute, "compute", "/v2.1", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("2.120 to 2.150, this program only up to 2.90"), "{error}");
}
