//! What a cloud shows to some only, or has lost.

use osm_model::{Kind, Resource};
use osm_openstack::export::export_image_data;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use crate::exported;
use crate::fake::Fake;
use crate::support::{self, Cloud, PROJECT};

fn image(fake: &Fake, name: &str, status: &str, hidden: bool) -> String {
    fake.put(
        "images",
        json!({"name": name, "owner": PROJECT, "status": status, "os_hidden": hidden, "size": 3,
        "tags": []}),
    )
}

#[tokio::test]
async fn hidden_images_are_exported_once() {
    let fake = Fake::default();
    image(&fake, "seen", "active", false);
    image(&fake, "hidden", "active", true);
    let cloud = Cloud::answering(fake).await;
    let images = exported(&cloud, Kind::Image).await;
    let hidden: Vec<_> = images
        .iter()
        .filter_map(|resource| match resource {
            Resource::Image(image) => Some((image.params.name.as_deref()?, image.params.is_hidden?)),
            _ => None,
        })
        .collect();
    assert_eq!(hidden, [("seen", false), ("hidden", true)]);
}

#[tokio::test]
async fn a_queued_image_has_no_data_to_write_and_a_deleted_one_is_no_image() {
    let fake = Fake::default();
    let queued = image(&fake, "queued", "queued", false);
    image(&fake, "deleted", "deleted", false);
    let cloud = Cloud::answering(fake).await;
    let images = exported(&cloud, Kind::Image).await;
    assert_eq!(images.iter().filter_map(Resource::name).collect::<Vec<_>>(), ["queued"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    export_image_data(&cloud.session, &queued, &path).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn an_image_whose_data_is_gone_is_named_and_leaves_no_file() {
    let fake = Fake::default();
    let lost = image(&fake, "lost", "active", false);
    let cloud = Cloud::answering(fake).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    let error = export_image_data(&cloud.session, &lost, &path).await.unwrap_err();
    let said = error.to_string();
    for part in ["`lost`", lost.as_str(), "data"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // Gone meanwhile, with all of it.
    let error = export_image_data(&cloud.session, "nowhere", &path).await.unwrap_err();
    assert!(error.to_string().contains("there is no image nowhere"), "{error}");
}

/// By default Nova shows user data to administrators only.
#[tokio::test]
async fn user_data_is_exported_where_nova_shows_it() {
    for shown in [json!("IyEvYmluL3No"), json!(null)] {
        let shown_here = shown.clone();
        let server = json!({"id": "s", "name": "s", "status": "ACTIVE", "flavor": {"original_name": "f"},
            "OS-EXT-SRV-ATTR:user_data": shown_here});
        let cloud = Cloud::answering(move |request: &Request| {
            let base = format!("http://{}", request.headers["host"].to_str().unwrap());
            let body = json!({"servers": [server], "ports": [], "floatingips": [], "security_groups": []});
            support::versions(request.url.path(), &base)
                .unwrap_or_else(|| ResponseTemplate::new(200).set_body_json(body))
        })
        .await;
        let Resource::Server(server) = exported(&cloud, Kind::Workload).await.remove(0) else {
            unreachable!()
        };
        assert_eq!(server.params.user_data.as_deref(), shown.as_str());
    }
}
