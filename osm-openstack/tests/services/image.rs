//! The data of images in files.

use std::fs;

use osm_openstack::ErrorKind;
use osm_openstack::export::export_image_data;
use osm_openstack::image::{ImageObject, blob};
use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use crate::support::{self, Cloud};

const DATA: &[u8] = b"hello, glance\n";
const MD5: &str = "61c9bd389250ed65a35f41c4381222ba";
const SHA512: &str = "840654c0e0280952232b394a066e92b90799df9c5410f6d2846d7f630722159e213d72b314cedd088ad35852a32fedbd0b4c6ae5483e1a44ee7170ace693f8ac";

/// One image and its data.
struct OneImage {
    image: Value,
    data: &'static [u8],
}

impl Respond for OneImage {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        if let Some(versions) = support::versions(request.url.path(), &base) {
            return versions;
        }
        match request.url.path() {
            "/image/v2/images/i" => ResponseTemplate::new(200).set_body_json(&self.image),
            _ => ResponseTemplate::new(200).set_body_raw(self.data, "application/octet-stream"),
        }
    }
}

fn image(digests: Value) -> Value {
    let mut image = json!({"id": "i", "name": "n", "status": "active", "size": DATA.len()});
    image.as_object_mut().unwrap().extend(digests.as_object().unwrap().clone());
    image
}

#[tokio::test]
async fn data_is_written_once_when_its_digest_is_right() {
    for digests in
        [json!({"checksum": MD5}), json!({"os_hash_algo": "sha512", "os_hash_value": SHA512}), json!({})]
    {
        let cloud = Cloud::answering(OneImage { image: image(digests.clone()), data: DATA }).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("i-n");
        export_image_data(&cloud.session, "i", &path).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), DATA, "{digests}");
        let reads = cloud.reads().await;
        export_image_data(&cloud.session, "i", &path).await.unwrap();
        assert_eq!(cloud.reads().await, reads + 1, "only the image is looked at");
    }
}

#[tokio::test]
async fn broken_data_leaves_no_file() {
    let cases = [(json!({"checksum": MD5}), &b"hello, glancf\n"[..]), (json!({}), b"short")];
    for (digests, data) in cases {
        let cloud = Cloud::answering(OneImage { image: image(digests), data }).await;
        let folder = tempfile::tempdir().unwrap();
        let error = export_image_data(&cloud.session, "i", &folder.path().join("i-n")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadResponse);
        assert!(error.to_string().contains("image `n`"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_file_of_another_length_is_fetched_again() {
    let cloud = Cloud::answering(OneImage { image: image(json!({"checksum": MD5})), data: DATA }).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("i-n");
    fs::write(&path, b"hel").unwrap();
    export_image_data(&cloud.session, "i", &path).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), DATA);
}

/// How a store takes it when only the end of the data is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Store {
    /// It sends the end.
    Seeks,
    /// It sends everything and says so.
    Ignores,
    /// It sends everything and says that it is the end, as some do.
    Lies,
    /// It refuses.
    Refuses,
}

struct Ranged(Store);

impl Respond for Ranged {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let whole = OneImage { image: image(json!({"checksum": MD5})), data: DATA }.respond(request);
        let Some(range) = request.headers.get("range").filter(|_| self.0 != Store::Ignores) else {
            return whole;
        };
        let start = range.to_str().unwrap().trim_start_matches("bytes=").trim_end_matches('-');
        let start: usize = start.parse().unwrap();
        let answer = match self.0 {
            Store::Refuses => return ResponseTemplate::new(416),
            Store::Seeks => {
                ResponseTemplate::new(206).set_body_raw(&DATA[start..], "application/octet-stream")
            }
            _ => ResponseTemplate::new(206).set_body_raw(DATA, "application/octet-stream"),
        };
        answer.insert_header("content-range", format!("bytes {start}-{}/{}", DATA.len() - 1, DATA.len()))
    }
}

#[tokio::test]
async fn what_an_earlier_download_left_is_continued() {
    let cases = [
        (Store::Seeks, "hello", 1),
        // What is there is not the beginning of this image.
        (Store::Seeks, "hallo", 2),
        (Store::Ignores, "hello", 1),
        (Store::Lies, "hello", 2),
        (Store::Refuses, "hello", 2),
        (Store::Refuses, "longer than the whole", 1),
    ];
    for (store, left, downloads) in cases {
        let cloud = Cloud::answering(Ranged(store)).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("i-n");
        fs::write(folder.path().join("i-n.part"), left).unwrap();
        assert!(export_image_data(&cloud.session, "i", &path).await.unwrap());
        assert_eq!(fs::read(&path).unwrap(), DATA, "{store:?} after {left:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let asked = cloud.server.received_requests().await.unwrap();
        let asked = asked.iter().filter(|request| request.url.path().ends_with("/file")).count();
        assert_eq!(asked, downloads, "{store:?} after {left:?}");
    }
}

#[tokio::test]
async fn an_image_without_data_has_none_to_write() {
    let mut queued = image(json!({}));
    queued["status"] = json!("queued");
    let cloud = Cloud::answering(OneImage { image: queued, data: DATA }).await;
    let folder = tempfile::tempdir().unwrap();
    export_image_data(&cloud.session, "i", &folder.path().join("i-n")).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_name_holds_any_image_name() {
    assert_eq!(blob::file_name("i", "a/../b\0c"), "i-a_.._b_c");
    let long = blob::file_name("i", &"é".repeat(255));
    assert!(long.len() <= 250 && long.starts_with("i-é"), "{}", long.len());
}

#[test]
fn properties_are_what_is_not_modelled() {
    let image: ImageObject =
        serde_json::from_value(json!({"id": "i", "status": "queued", "hw_disk_bus": "scsi",
        "kernel_id": null, "tags": ["a"], "size": null, "self": "/v2/images/i"}))
        .unwrap();
    assert_eq!(image.properties.keys().collect::<Vec<_>>(), ["hw_disk_bus"]);
}
