//! Faults on request, and how the lab is looked into and ended.

use std::time::{Duration, Instant};

use osm_lab::Service::{Cinder, Glance, Keystone, Neutron, Nova};
use osm_lab::{Fault, FaultKind};
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{User, http, stage, text};

#[tokio::test]
async fn a_status_with_retry_after_hits_as_often_as_asked() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let fault =
        Fault::new(Nova, FaultKind::Status(503, Some(7))).method("GET").path("servers").skip(1).times(2);
    user.cloud.fault(fault);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let response = user.send(Nova, Method::GET, "servers/detail", &Value::Null).await;
        statuses.push(response.status().as_u16());
        if response.status() == 503 {
            assert_eq!(response.headers()["retry-after"], "7");
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["serviceUnavailable"]["code"], 503);
        }
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
}

#[tokio::test]
async fn a_dropped_reply_has_taken_effect_and_a_dropped_request_has_not() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    let send =
        || user.request(Neutron, Method::POST, "networks").json(&json!({"network": {"name": "n"}})).send();
    let before = user.cloud.counts().networks;
    user.cloud.fault(Fault::new(Neutron, FaultKind::Drop).method("POST"));
    assert!(send().await.is_err());
    assert_eq!(user.cloud.counts().networks, before);
    user.cloud.fault(Fault::new(Neutron, FaultKind::DropReply).method("POST"));
    assert!(send().await.is_err());
    assert_eq!(user.cloud.counts().networks, before + 1);
    assert_eq!(send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn tokens_end_in_the_middle_and_answers_come_late() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    user.cloud.fault(Fault::new(Cinder, FaultKind::Latency(Duration::from_millis(80))));
    let start = Instant::now();
    user.get(Cinder, "volumes").await;
    assert!(start.elapsed() >= Duration::from_millis(80));
    user.cloud.fault(Fault::new(Glance, FaultKind::ExpireTokens));
    let response = user.send(Glance, Method::GET, "images", &Value::Null).await;
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("www-authenticate"));
    assert_eq!(user.ask(Nova, Method::GET, "servers", Value::Null).await.0, 401);
    User::tenant(stage.lab.src()).await.get(Nova, "servers").await;
}

#[tokio::test]
async fn volumes_fail_when_told_to() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    user.cloud.fault(Fault::new(Cinder, FaultKind::VolumeError).path("volumes"));
    let made = user.post(Cinder, "volumes", json!({"volume": {"size": 1}})).await;
    user.volume_is(&text(&made["volume"]["id"]), "error").await;
    user.volume(json!({"size": 1})).await;
}

#[tokio::test]
async fn attaching_and_detaching_fail_when_told_to() {
    let stage = stage();
    stage.lab.seed_small_tenant().unwrap();
    let user = User::tenant(stage.lab.src()).await;
    let host = user.cloud.server_id("os_migrate_conv_src").unwrap();
    let id = user.volume(json!({"size": 1})).await;
    let path = format!("servers/{host}/os-volume_attachments");
    let body = json!({"volumeAttachment": {"volumeId": id}});
    user.cloud.fault(Fault::new(Nova, FaultKind::AttachFails).method("POST"));
    user.post(Nova, &path, body.clone()).await;
    user.volume_is(&id, "available").await;
    let attachments = user.get(Nova, &path).await;
    assert_eq!(attachments["volumeAttachments"], json!([]));
    user.post(Nova, &path, body).await;
    user.volume_is(&id, "in-use").await;
    user.cloud.fault(Fault::new(Nova, FaultKind::DetachSticks).method("DELETE"));
    assert_eq!(user.delete(Nova, &format!("{path}/{id}")).await, 202);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(user.volume_is(&id, "detaching").await, ["detaching"]);
    assert_eq!(user.delete(Nova, &format!("{path}/{id}")).await, 400);
}

#[tokio::test]
async fn a_server_ends_in_error_with_a_reason() {
    let stage = stage();
    stage.lab.seed_small_tenant().unwrap();
    let user = User::tenant(stage.lab.src()).await;
    user.cloud
        .fault(Fault::new(Nova, FaultKind::ServerError("No valid host was found.".into())).method("POST"));
    let image = text(&user.get(Glance, "images?name=os_migrate_conv").await["images"][0]["id"]);
    let flavor = text(&user.get(Nova, "flavors").await["flavors"][0]["id"]);
    let network = text(&user.get(Neutron, "networks?name=small-net").await["networks"][0]["id"]);
    let body = json!({"server": {
        "name": "x", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}],
    }});
    let id = text(&user.post(Nova, "servers", body).await["server"]["id"]);
    let server = user.server_is(&id, "ERROR").await;
    assert_eq!(server["fault"]["message"], "No valid host was found.");
    assert_eq!(user.delete(Nova, &format!("servers/{id}")).await, 204);
    user.gone(Nova, &format!("servers/{id}")).await;
}

#[tokio::test]
async fn requests_are_recorded_in_order() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    user.cloud.clear_requests();
    user.post(Neutron, "networks", json!({"network": {"name": "n"}})).await;
    user.get(Nova, "servers/detail?limit=1").await;
    let requests = user.cloud.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].service, requests[0].method.as_str()), (Neutron, "POST"));
    assert_eq!(requests[0].body, r#"{"network":{"name":"n"}}"#);
    assert_eq!(requests[1].path, "/v2.1/servers/detail?limit=1");
}

#[tokio::test]
async fn nobody_answers_after_the_lab_is_dropped() {
    let stage = stage();
    let url = stage.lab.src().url(Keystone);
    assert_eq!(http().get(&url).send().await.unwrap().status(), 300);
    let start = Instant::now();
    drop(stage.lab);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(http().get(&url).send().await.is_err());
}
