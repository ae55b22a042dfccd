//! Cinder: volumes and snapshots, their states and their bytes.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use osm_lab::Service::Cinder;
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{User, stage, stage_with, text};

fn write(path: &std::path::Path, offset: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

fn read(path: &std::path::Path, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fs::File::open(path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

#[tokio::test]
async fn a_volume_is_a_sparse_file_of_its_real_size() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let (status, made) =
        user.ask(Cinder, Method::POST, "volumes", json!({"volume": {"name": "a", "size": 3}})).await;
    assert_eq!((status, &made["volume"]["status"]), (202, &json!("creating")));
    let id = text(&made["volume"]["id"]);
    assert_eq!(user.volume_is(&id, "available").await.last().unwrap(), "available");
    let file = fs::metadata(user.cloud.volume_file(&id)).unwrap();
    assert_eq!(file.len(), 3 << 30);
    assert!(file.blocks() < 100);
    let found = user.get(Cinder, "volumes/detail?name=a").await;
    assert_eq!(found["volumes"][0]["id"], id.as_str());
    assert_eq!(user.delete(Cinder, &format!("volumes/{id}")).await, 202);
    user.gone(Cinder, &format!("volumes/{id}")).await;
    assert!(!user.cloud.volume_file(&id).exists());
}

#[tokio::test]
async fn a_snapshot_freezes_bytes_and_a_volume_of_it_has_them() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let id = user.volume(json!({"name": "a", "size": 1})).await;
    let file = user.cloud.volume_file(&id);
    write(&file, 5_000_001, b"before");
    let snapshot = json!({"snapshot": {"volume_id": id, "name": "s", "metadata": {"osm_job": "1"}}});
    let made = user.post(Cinder, "snapshots", snapshot).await;
    let snapshot_id = text(&made["snapshot"]["id"]);
    let path = format!("snapshots/{snapshot_id}");
    user.wait(Cinder, &path, "snapshot", |snapshot| snapshot["status"] == "available").await;
    write(&file, 5_000_001, b"after!");
    let copy = user.volume(json!({"snapshot_id": snapshot_id, "size": 2})).await;
    let copied = user.cloud.volume_file(&copy);
    assert_eq!(read(&copied, 5_000_001, 6), b"before");
    assert_eq!(fs::metadata(copied).unwrap().len(), 2 << 30);
    let (status, body) = user.ask(Cinder, Method::DELETE, &format!("volumes/{id}"), Value::Null).await;
    assert_eq!(status, 400);
    assert!(text(&body["badRequest"]["message"]).contains("have snapshots"));
    assert_eq!(user.delete(Cinder, &path).await, 202);
    user.gone(Cinder, &path).await;
    assert_eq!(user.delete(Cinder, &format!("volumes/{id}")).await, 202);
}

#[tokio::test]
async fn image_metadata_is_an_action_and_no_part_of_the_create_body() {
    let stage = stage();
    let mut user = User::tenant(stage.lab.src()).await;
    let body = json!({"volume": {"size": 1, "volume_image_metadata": {"hw_machine_type": "q35"}}});
    let (status, answer) = user.ask(Cinder, Method::POST, "volumes", body.clone()).await;
    assert_eq!(status, 400);
    assert!(text(&answer["badRequest"]["message"]).contains("volume_image_metadata"));
    // Before 3.53 it is overlooked.
    user.volume = "3.52";
    let made = user.post(Cinder, "volumes", body).await;
    let id = text(&made["volume"]["id"]);
    user.volume_is(&id, "available").await;
    let path = format!("volumes/{id}");
    assert!(user.get(Cinder, &path).await["volume"].get("volume_image_metadata").is_none());
    let action = format!("{path}/action");
    let set = json!({"os-set_image_metadata": {"metadata": {"hw_machine_type": "q35", "os_type": "linux"}}});
    assert_eq!(user.ask(Cinder, Method::POST, &action, set).await.0, 200);
    let wrong = json!({"os-set_image_metadata": {"hw_machine_type": "q35"}});
    assert_eq!(user.ask(Cinder, Method::POST, &action, wrong).await.0, 400);
    let unset = json!({"os-unset_image_metadata": {"key": "os_type"}});
    assert_eq!(user.ask(Cinder, Method::POST, &action, unset).await.0, 200);
    let bootable = json!({"os-set_bootable": {"bootable": true}});
    assert_eq!(user.ask(Cinder, Method::POST, &action, bootable).await.0, 200);
    let volume = user.get(Cinder, &path).await["volume"].take();
    assert_eq!(volume["volume_image_metadata"], json!({"hw_machine_type": "q35"}));
    assert_eq!(volume["bootable"], "true");
}

#[tokio::test]
async fn quotas_answer_413_with_retry_after() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    user.cloud.set_quotas(|quotas| {
        quotas.volumes = 2;
        quotas.gigabytes = 5;
    });
    user.volume(json!({"size": 4})).await;
    let response = user.send(Cinder, Method::POST, "volumes", &json!({"volume": {"size": 2}})).await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["retry-after"], "0");
    let body: Value = response.json().await.unwrap();
    assert!(text(&body["overLimit"]["message"]).starts_with("VolumeSizeExceedsAvailableQuota"));
    user.volume(json!({"size": 1})).await;
    let (status, body) = user.ask(Cinder, Method::POST, "volumes", json!({"volume": {"size": 1}})).await;
    assert_eq!(status, 413);
    assert!(text(&body["overLimit"]["message"]).starts_with("VolumeLimitExceeded"));
    let limits = user.get(Cinder, "limits").await;
    assert_eq!(limits["limits"]["absolute"]["totalGigabytesUsed"], 5);
}

#[tokio::test]
async fn listings_come_in_pages_newest_first() {
    let stage = stage_with(|options| options.page_size = 2);
    let user = User::tenant(stage.lab.src()).await;
    for name in ["a", "b", "c"] {
        user.volume(json!({"name": name, "size": 1, "metadata": {"osm_job": "7"}})).await;
    }
    let first = user.get(Cinder, "volumes/detail?limit=50").await;
    let names = |body: &Value| -> Vec<String> {
        body["volumes"].as_array().unwrap().iter().map(|volume| text(&volume["name"])).collect()
    };
    assert_eq!(names(&first), ["c", "b"]);
    let next = text(&first["volumes_links"][0]["href"]);
    assert_eq!(first["volumes_links"][0]["rel"], "next");
    let request = user.http.get(next).header("x-auth-token", &user.token);
    let second: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(names(&second), ["a"]);
    assert!(second.get("volumes_links").is_none());
    let filter = "volumes/detail?metadata=%7B'osm_job':%20'7'%7D&status=available";
    assert_eq!(names(&user.get(Cinder, filter).await).len(), 2);
    let none = user.get(Cinder, "volumes/detail?metadata=%7B'osm_job':%20'8'%7D").await;
    assert_eq!(none["volumes"], json!([]));
}

#[tokio::test]
async fn versions_are_negotiated() {
    let stage = stage();
    let mut user = User::tenant(stage.lab.src()).await;
    let root = user.cloud.url(Cinder);
    assert_eq!(user.http.get(format!("{root}/v3/")).send().await.unwrap().status(), 401);
    assert_eq!(user.http.get(&root).send().await.unwrap().status(), 300);
    let request = user.http.get(format!("{root}/v3/")).header("x-auth-token", &user.token);
    let body: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(body["versions"][0]["version"], "3.70");
    user.volume = "3.71";
    assert_eq!(user.ask(Cinder, Method::GET, "volumes", Value::Null).await.0, 406);
    user.volume = "3.0";
    let id = user.volume(json!({"size": 1})).await;
    let volume = user.get(Cinder, &format!("volumes/{id}")).await;
    assert!(volume["volume"].get("volume_type_id").is_none());
    let response = user.send(Cinder, Method::GET, "volumes", &Value::Null).await;
    assert_eq!(response.headers()["openstack-api-version"], "volume 3.0");
    assert!(response.headers().contains_key("x-compute-request-id"));
}

#[tokio::test]
async fn types_have_quotas_of_their_own_and_zones_are_those_given() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    user.cloud.set_volume_types(&["ceph", "tape"]);
    user.cloud.set_zones(&["az1", "az2"]);
    user.cloud.set_quotas(|quotas| quotas.by_volume_type.extend([("gigabytes_tape".to_owned(), 3)]));
    let id = user.volume(json!({"size": 2, "volume_type": "tape", "availability_zone": "az2"})).await;
    let made = user.get(Cinder, &format!("volumes/{id}")).await;
    assert_eq!(
        (&made["volume"]["volume_type"], &made["volume"]["availability_zone"]),
        (&json!("tape"), &json!("az2"))
    );
    let more = json!({"volume": {"size": 2, "volume_type": "tape"}});
    assert_eq!(user.ask(Cinder, Method::POST, "volumes", more).await.0, 413);
    let other = user.volume(json!({"size": 2})).await;
    let other = user.get(Cinder, &format!("volumes/{other}")).await;
    assert_eq!(
        (&other["volume"]["volume_type"], &other["volume"]["availability_zone"]),
        (&json!("ceph"), &json!("az1"))
    );
    let elsewhere = json!({"volume": {"size": 1, "availability_zone": "nova"}});
    assert_eq!(user.ask(Cinder, Method::POST, "volumes", elsewhere).await.0, 400);
    let quota = user.get(Cinder, &format!("os-quota-sets/{}?usage=true", user.project)).await;
    let set = &quota["quota_set"];
    assert_eq!(set["gigabytes_tape"], json!({"limit": 3, "in_use": 2, "reserved": 0}));
    assert_eq!(set["volumes_ceph"], json!({"limit": -1, "in_use": 1, "reserved": 0}));
}
