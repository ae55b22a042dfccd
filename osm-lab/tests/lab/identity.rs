//! Keystone: who gets in, with what, for how long.

use std::time::Duration;

use osm_lab::Service::Keystone;
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{User, http, password, stage, stage_with, text};

#[tokio::test]
async fn a_token_names_the_project_and_lists_the_services() {
    let stage = stage();
    let who = stage.lab.src().tenant();
    let body = password("demo", "demo-secret", "demo");
    let answer = http().post(format!("{}/auth/tokens", who.auth_url)).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(answer.headers().contains_key("x-openstack-request-id"));
    let token = answer.json::<Value>().await.unwrap()["token"].take();
    assert_eq!(token["project"]["id"], who.project_id);
    assert_eq!(token["user"]["name"], "demo");
    let kinds: Vec<&str> =
        token["catalog"].as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["identity", "block-storage", "volumev3", "image", "network", "compute"]);
    for entry in token["catalog"].as_array().unwrap() {
        let interfaces = entry["endpoints"].as_array().unwrap();
        assert_eq!(interfaces.len(), 3);
        assert!(interfaces.iter().all(|endpoint| endpoint["region"] == "RegionOne"));
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_token_get_401() {
    let stage = stage();
    let cloud = stage.lab.src();
    let body = password("demo", "wrong", "demo");
    let answer = http().post(format!("{}/auth/tokens", cloud.auth_url())).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], 401);
    assert_eq!(body["error"]["message"], "The request you have made requires authentication.");
    for service in [osm_lab::Service::Nova, osm_lab::Service::Neutron, osm_lab::Service::Glance] {
        let user = User { token: "none".into(), ..User::tenant(cloud).await };
        let (status, body) = user.ask(service, Method::GET, "images", Value::Null).await;
        assert!(status == 401 || status == 404, "{service:?}");
        assert!(status == 404 || body["error"]["title"] == "Unauthorized");
    }
}

#[tokio::test]
async fn tokens_end() {
    let stage = stage_with(|options| options.token_lifetime = Duration::from_millis(50));
    let user = User::tenant(stage.lab.src()).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(user.ask(Keystone, Method::GET, "auth/projects", Value::Null).await.0, 401);
}

#[tokio::test]
async fn an_application_credential_logs_in_to_its_project() {
    let stage = stage();
    let cloud = stage.lab.dst();
    let (id, secret) = cloud.application_credential();
    let identity = json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": secret}});
    let url = format!("{}/auth/tokens", cloud.auth_url());
    let answer = http().post(&url).json(&json!({"auth": {"identity": identity}})).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let token: Value = answer.json().await.unwrap();
    assert_eq!(token["token"]["project"]["name"], "demo");
}

#[tokio::test]
async fn a_tenant_sees_itself_and_nobody_else() {
    let stage = stage();
    let cloud = stage.lab.src();
    let user = User::tenant(cloud).await;
    let own = user.get(Keystone, &format!("projects/{}", user.project)).await;
    assert_eq!(own["project"]["name"], "demo");
    for path in ["projects", "users", "roles", "domains", "role_assignments"] {
        let (status, body) = user.ask(Keystone, Method::GET, path, Value::Null).await;
        assert_eq!(status, 403, "{path}");
        assert_eq!(body["error"]["title"], "Forbidden");
    }
    let admin = User::admin(cloud).await;
    let other = format!("projects/{}", admin.project);
    let (status, body) = user.ask(Keystone, Method::GET, &other, Value::Null).await;
    assert_eq!(status, 403);
    let message = "You are not authorized to perform the requested action: identity:get_project.";
    assert_eq!(body["error"]["message"], message);
    let projects = admin.get(Keystone, "projects?name=demo").await;
    assert_eq!(projects["projects"][0]["id"], user.project);
    assert_eq!(admin.ask(Keystone, Method::GET, "projects/nope", Value::Null).await.0, 404);
}

#[tokio::test]
async fn an_administrator_makes_projects_and_grants_roles() {
    let stage = stage();
    let admin = User::admin(stage.lab.dst()).await;
    let made = admin.post(Keystone, "projects", json!({"project": {"name": "new"}})).await;
    let user = admin.post(Keystone, "users", json!({"user": {"name": "neo", "password": "x"}})).await;
    let roles = admin.get(Keystone, "roles?name=member").await;
    let path = format!(
        "projects/{}/users/{}/roles/{}",
        text(&made["project"]["id"]),
        text(&user["user"]["id"]),
        text(&roles["roles"][0]["id"])
    );
    assert_eq!(admin.ask(Keystone, Method::PUT, &path, Value::Null).await.0, 204);
    let filter = format!("role_assignments?include_names=True&user.id={}", text(&user["user"]["id"]));
    let assignments = admin.get(Keystone, &filter).await;
    assert_eq!(assignments["role_assignments"][0]["scope"]["project"]["name"], "new");
    let again = admin.ask(Keystone, Method::POST, "projects", json!({"project": {"name": "new"}})).await;
    assert_eq!(again.0, 409);
    let body = password("neo", "x", "new");
    let url = format!("{}/auth/tokens", admin.cloud.auth_url());
    assert_eq!(http().post(url).json(&body).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn clouds_yaml_has_tenant_and_administrator_of_both_clouds() {
    let stage = stage();
    let file = stage.dir.path().join("clouds.yaml");
    stage.lab.write_clouds_yaml(&file).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    for entry in ["  src:\n", "  dst:\n", "  src-admin:\n", "  dst-admin:\n"] {
        assert!(text.contains(entry), "{text}");
    }
    assert!(text.contains(&format!("auth_url: {}\n", stage.lab.dst().auth_url())));
}
