//! Glance: images and their data.

use osm_lab::Service::Glance;
use reqwest::Method;
use serde_json::{Value, json};

use super::http::{User, stage, text};

async fn upload(user: &User, id: &str, data: &'static [u8]) -> u16 {
    let request = user.request(Glance, Method::PUT, &format!("images/{id}/file"));
    let request = request.header("content-type", "application/octet-stream").body(data);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_image_is_queued_until_it_has_data() {
    let stage = stage();
    let user = User::tenant(stage.lab.dst()).await;
    let body = json!({
        "name": "i", "disk_format": "raw", "container_format": "bare", "hw_machine_type": "q35",
        "os_hash_algo": "sha512", "os_hash_value": "00",
    });
    let made = user.post(Glance, "images", body).await;
    assert_eq!((&made["status"], &made["visibility"]), (&json!("queued"), &json!("shared")));
    assert_eq!(made["os_hash_value"], Value::Null);
    let id = text(&made["id"]);
    assert_eq!(user.ask(Glance, Method::GET, &format!("images/{id}/file"), Value::Null).await.0, 204);
    assert_eq!(upload(&user, &id, b"abc").await, 204);
    assert_eq!(upload(&user, &id, b"abc").await, 409);
    let image = user.get(Glance, &format!("images/{id}")).await;
    assert_eq!((&image["status"], &image["size"]), (&json!("active"), &json!(3)));
    assert_eq!(image["checksum"], "900150983cd24fb0d6963f7d28e17f72");
    assert!(text(&image["os_hash_value"]).starts_with("ddaf35a193617aba"));
    let response = user.send(Glance, Method::GET, &format!("images/{id}/file"), &Value::Null).await;
    assert_eq!(response.headers()["content-md5"], "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(response.headers()["content-length"], "3");
    assert_eq!(response.bytes().await.unwrap().as_ref(), b"abc");
}

#[tokio::test]
async fn an_image_is_changed_by_json_patch_only() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let id = text(&user.post(Glance, "images", json!({"name": "i", "protected": true})).await["id"]);
    let path = format!("images/{id}");
    let patch = |changes: Value| {
        let request = user.request(Glance, Method::PATCH, &path);
        let kind = "application/openstack-images-v2.1-json-patch";
        request.header("content-type", kind).body(changes.to_string()).send()
    };
    let add = json!([{"op": "add", "path": "/a~1b", "value": "c"}, {"op": "replace", "path": "/min_disk", "value": 2}]);
    let image: Value = patch(add).await.unwrap().json().await.unwrap();
    assert_eq!((&image["a/b"], &image["min_disk"]), (&json!("c"), &json!(2)));
    let read_only = patch(json!([{"op": "replace", "path": "/os_hash_algo", "value": "x"}])).await.unwrap();
    assert_eq!(read_only.status(), 403);
    let absent = patch(json!([{"op": "replace", "path": "/nope", "value": "x"}])).await.unwrap();
    assert_eq!(absent.status(), 409);
    let public = patch(json!([{"op": "replace", "path": "/visibility", "value": "public"}])).await.unwrap();
    assert_eq!(public.status(), 403);
    assert_eq!(user.ask(Glance, Method::PATCH, &path, json!([])).await.0, 415);
    let (status, page) = user.ask(Glance, Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, 403);
    assert!(text(&page).contains("is protected and cannot be deleted."));
    patch(json!([{"op": "replace", "path": "/protected", "value": false}])).await.unwrap();
    assert_eq!(user.delete(Glance, &path).await, 204);
}

#[tokio::test]
async fn properties_are_strings_and_errors_are_pages() {
    let stage = stage();
    let user = User::tenant(stage.lab.src()).await;
    let (status, page) = user.ask(Glance, Method::POST, "images", json!({"hw_cpu_cores": 2})).await;
    assert_eq!(status, 400);
    assert!(text(&page).contains("2 is not of type &#x27;string&#x27;"), "{page}");
    let (status, page) = user.ask(Glance, Method::GET, "images/gp-ami", Value::Null).await;
    assert_eq!(status, 404);
    assert!(text(&page).contains("No image found with ID gp-ami<br /><br />"));
    let images = user.get(Glance, "images?name=os_migrate_conv&visibility=public").await;
    assert_eq!(images["images"][0]["status"], "active");
}
