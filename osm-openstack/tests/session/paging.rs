//! Lists over several pages.

use osm_openstack::{ErrorKind, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use wiremock::matchers::{path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{header, network, requests};

#[derive(Debug, Deserialize, PartialEq)]
struct Thing {
    id: u32,
}

async fn page(server: &MockServer, marker: Option<&str>, body: Value) {
    let mock = Mock::given(path("/v2.0/things"));
    let mock = match marker {
        Some(marker) => mock.and(query_param("marker", marker)),
        None => mock.and(query_param_is_missing("marker")),
    };
    mock.respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(server).await;
}

async fn list(server: &MockServer) -> osm_openstack::Result<Vec<u32>> {
    let network = network(server).await;
    let things: Vec<Thing> = network.list("list things", "things", &[("name", "a&b")], "things").await?;
    Ok(things.into_iter().map(|thing| thing.id).collect())
}

#[tokio::test]
async fn links_of_each_form_are_followed_on_the_endpoints_host() {
    // Nova, Cinder, Neutron; Keystone; Glance. All name a host that is not there.
    let forms: [fn(&str) -> Value; 4] = [
        |next| json!({"things_links": [{"rel": "prev", "href": "x"}, {"rel": "next", "href": format!("http://inside:1/v2.0/{next}")}]}),
        |next| json!({"links": {"self": "http://inside:1", "previous": null, "next": format!("http://inside:1/{next}")}}),
        |next| json!({"next": format!("/image/{next}"), "first": "/image", "schema": "/schemas"}),
        |next| json!({"next": next}),
    ];
    for form in forms {
        let server = MockServer::start().await;
        let mut first = form("things?name=a%26b&marker=2");
        first["things"] = json!([{"id": 1}, {"id": 2}]);
        page(&server, None, first).await;
        let mut second = form("things?name=a%26b&marker=3");
        second["things"] = json!([{"id": 3}]);
        page(&server, Some("2"), second).await;
        page(&server, Some("3"), json!({"things": [], "links": {"next": null}})).await;
        assert_eq!(list(&server).await.unwrap(), [1, 2, 3]);
        let seen = requests(&server, "/v2.0/things").await;
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|request| request.url.query().unwrap().starts_with("name=a%26b")));
        assert!(seen.iter().all(|request| header(request, "x-auth-token") == Some("token-1")));
    }
}

#[tokio::test]
async fn pages_in_a_circle_are_an_error() {
    let server = MockServer::start().await;
    page(&server, None, json!({"things": [{"id": 1}], "next": "?marker=1"})).await;
    page(&server, Some("1"), json!({"things": [{"id": 2}], "next": "?marker=2"})).await;
    page(&server, Some("2"), json!({"things": [{"id": 1}], "next": "?marker=1"})).await;
    let error = list(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResponse);
    assert!(error.to_string().contains("go in a circle"), "{error}");
    assert_eq!(requests(&server, "/v2.0/things").await.len(), 3);
}

#[tokio::test]
async fn a_list_cut_short_is_an_error() {
    let server = MockServer::start().await;
    page(&server, None, json!({"things": [{"id": 1}], "links": {"next": null}, "truncated": true})).await;
    let error = list(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadResponse);
    assert!(error.to_string().contains("cut the list short"), "{error}");
}

#[tokio::test]
async fn an_answer_of_another_form_is_an_error_that_says_where() {
    for (body, expected) in [
        (json!({"others": []}), "the answer has no `things`"),
        (json!({"things": [{"id": "x"}]}), "the answer is not what this request should get"),
        (json!([]), "the answer is not what this request should get"),
    ] {
        let server = MockServer::start().await;
        page(&server, None, body).await;
        let error = list(&server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadResponse);
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.context().request_id.as_deref().unwrap().starts_with("req-"));
    }
}

#[tokio::test]
async fn single_objects_are_read_and_may_be_absent() {
    let server = MockServer::start().await;
    let network = network(&server).await;
    Mock::given(path("/v2.0/things/1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"thing": {"id": 1}})))
        .mount(&server)
        .await;
    let get = |path: &'static str| network.request("get thing", Method::GET, path);
    assert_eq!(get("things/1").keyed::<Thing>("thing").await.unwrap(), Thing { id: 1 });
    assert_eq!(get("things/1").optional::<Thing>("thing").await.unwrap(), Some(Thing { id: 1 }));
    assert_eq!(get("things/2").optional::<Thing>("thing").await.unwrap(), None);
    assert_eq!(get("things/1").keyed::<Thing>("other").await.unwrap_err().kind(), ErrorKind::BadResponse);
}
