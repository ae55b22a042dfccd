//! Block Storage.

use std::collections::BTreeMap;
use std::time::Duration;

use osm_openstack::ErrorKind;
use osm_openstack::block_storage::{CreateVolume, Filter};
use serde_json::json;

use crate::support::Cloud;
use crate::{Script, written};

const LIMIT: Duration = Duration::from_secs(5);
const BASE: &str = "/block-storage/v3/27d981bfd3244e928e255311efd7fb87";

fn metadata() -> BTreeMap<String, String> {
    BTreeMap::from([("hw_machine_type".to_owned(), "pc".to_owned())])
}

#[tokio::test]
async fn a_new_volume_names_only_what_is_chosen() {
    let cloud =
        Cloud::answering(Script::new([(202, json!({"volume": {"id": "v", "bootable": "false"}}))])).await;
    let cinder = cloud.session.block_storage().await.unwrap();
    let volume = CreateVolume {
        name: Some("data".to_owned()),
        size: 3,
        image_id: Some("i".to_owned()),
        metadata: metadata(),
        ..CreateVolume::default()
    };
    assert!(!cinder.create_volume(&volume).await.unwrap().bootable);
    let (head, body) = written(&cloud).await;
    assert_eq!(head, format!("POST {BASE}/volumes"));
    let expected = json!({"volume": {"name": "data", "size": 3, "imageRef": "i", "metadata": {"hw_machine_type": "pc"}}});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn actions_have_the_bodies_of_the_api() {
    let cloud = Cloud::answering(Script::new([(200, json!({"metadata": {}}))])).await;
    let cinder = cloud.session.block_storage().await.unwrap();
    cinder.set_image_metadata("v", &metadata()).await.unwrap();
    cinder.set_bootable("v", true).await.unwrap();
    cinder.update_metadata("v", &metadata()).await.unwrap();
    let bodies = [
        json!({"os-set_image_metadata": {"metadata": {"hw_machine_type": "pc"}}}),
        json!({"os-set_bootable": {"bootable": true}}),
        json!({"metadata": {"hw_machine_type": "pc"}}),
    ];
    let paths = ["volumes/v/action", "volumes/v/action", "volumes/v/metadata"];
    let expected = paths.iter().zip(bodies).map(|(path, body)| format!("POST {BASE}/{path} {body}"));
    assert_eq!(cloud.writes().await, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn force_is_said_only_when_it_is_meant() {
    for force in [false, true] {
        let cloud =
            Cloud::answering(Script::new([(202, json!({"snapshot": {"id": "s", "volume_id": "v"}}))])).await;
        let cinder = cloud.session.block_storage().await.unwrap();
        cinder.create_snapshot("v", "n", force, &BTreeMap::new()).await.unwrap();
        let (_, body) = written(&cloud).await;
        assert_eq!(body["snapshot"].get("force"), force.then_some(&json!(true)));
    }
}

#[tokio::test]
async fn volumes_are_found_by_metadata_even_where_the_cloud_does_not_filter() {
    let list = json!({"volumes": [
        {"id": "1", "name": null, "metadata": {"osm_job": "a", "x": "y"}, "bootable": "true"},
        {"id": "2", "name": "b", "metadata": {"osm_job": "b"}, "attachments": null},
    ]});
    let cloud = Cloud::answering(Script::new([(200, list)])).await;
    let cinder = cloud.session.block_storage().await.unwrap();
    let found = cinder.volumes(&Filter::with_metadata("osm_job", "a")).await.unwrap();
    assert_eq!(found.iter().map(|volume| volume.id.as_str()).collect::<Vec<_>>(), ["1"]);
    assert!(found[0].bootable);
    let requests = cloud.server.received_requests().await.unwrap();
    let query = requests.last().unwrap().url.query_pairs().next().unwrap();
    assert_eq!(query, ("metadata".into(), r#"{"osm_job":"a"}"#.into()));
}

#[tokio::test]
async fn waiting_ends_with_a_wanted_status_or_an_error_status() {
    let in_status = |status: &str| (200, json!({"volume": {"id": "v", "status": status}}));
    let cloud = Cloud::answering(Script::new([in_status("creating"), in_status("available")])).await;
    let cinder = cloud.session.block_storage().await.unwrap();
    assert_eq!(cinder.wait_volume("v", &["available", "in-use"], LIMIT).await.unwrap().status, "available");
    let cloud = Cloud::answering(Script::new([in_status("error_restoring")])).await;
    let cinder = cloud.session.block_storage().await.unwrap();
    let error = cinder.wait_volume("v", &["available"], LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.to_string().contains("error_restoring"), "{error}");
    let gone = (404, json!({"itemNotFound": {"message": "no"}}));
    let cloud = Cloud::answering(Script::new([in_status("deleting"), gone])).await;
    cloud.session.block_storage().await.unwrap().wait_volume_gone("v", LIMIT).await.unwrap();
}

#[tokio::test]
async fn quotas_are_read_by_type_and_a_policy_may_hide_them() {
    let set = json!({"quota_set": {
        "id": "27d981bfd3244e928e255311efd7fb87",
        "volumes": {"limit": 10, "in_use": 2, "reserved": 1},
        "gigabytes_ssd": {"limit": -1, "in_use": 7, "reserved": 0},
    }});
    let cloud = Cloud::answering(Script::new([(200, set)])).await;
    let quota = cloud.session.block_storage().await.unwrap().quota().await.unwrap();
    assert_eq!(quota.keys().collect::<Vec<_>>(), ["gigabytes_ssd", "volumes"]);
    let volumes = quota["volumes"];
    assert_eq!((volumes.limit, volumes.in_use, volumes.reserved), (10, 2, 1));
    let requests = cloud.server.received_requests().await.unwrap();
    assert_eq!(requests.last().unwrap().url.query(), Some("usage=true"));

    let hidden = json!({"forbidden": {"code": 403, "message": "Policy doesn't allow it."}});
    let cloud = Cloud::answering(Script::new([(403, hidden)])).await;
    let cinder = cloud.session.block_storage().await.unwrap();
    assert!(cinder.quota().await.unwrap().is_empty());
    assert_eq!(cinder.default_volume_type().await.unwrap(), None);
}
