//! Compute.

use std::collections::BTreeMap;
use std::time::Duration;

use osm_openstack::ErrorKind;
use osm_openstack::compute::{
    BlockDeviceMapping, CreateServer, GroupName, Networks, Server, ServerFilter, ServerNetwork,
};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::Cloud;
use crate::{Script, written};

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_body_of_a_new_server_is_novas() {
    let cloud = Cloud::answering(Script::new([(202, json!({"server": {"id": "s1"}}))])).await;
    let server = CreateServer {
        name: "web".to_owned(),
        flavor_id: "f".to_owned(),
        networks: Networks::List(vec![
            ServerNetwork::Port("p".to_owned()),
            ServerNetwork::Network { id: "n".to_owned(), fixed_ip: Some("10.0.0.7".to_owned()) },
        ]),
        block_device_mapping_v2: vec![
            BlockDeviceMapping::boot_volume("v1"),
            BlockDeviceMapping::data_volume("v2"),
        ],
        security_groups: vec![GroupName { name: "g".to_owned() }],
        metadata: BTreeMap::from([("osm_job".to_owned(), "j".to_owned())]),
        config_drive: Some(true),
        disk_config: Some("MANUAL".to_owned()),
        scheduler_hints: Some(json!({"group": "x"})),
        ..CreateServer::default()
    };
    let made = cloud.session.compute().await.unwrap().create_server(&server).await.unwrap();
    assert_eq!((made.id.as_str(), made.name.as_str()), ("s1", "web"));
    let (head, body) = written(&cloud).await;
    assert_eq!(head, "POST /compute/v2.1/servers");
    let volume = |index: i32, id: &str| {
        json!({"boot_index": index, "delete_on_termination": false, "destination_type": "volume",
            "source_type": "volume", "uuid": id})
    };
    let expected = json!({
        "server": {
            "name": "web", "flavorRef": "f",
            "networks": [{"port": "p"}, {"uuid": "n", "fixed_ip": "10.0.0.7"}],
            "block_device_mapping_v2": [volume(0, "v1"), volume(-1, "v2")],
            "security_groups": [{"name": "g"}], "metadata": {"osm_job": "j"},
            "config_drive": true, "OS-DCF:diskConfig": "MANUAL",
        },
        "OS-SCH-HNT:scheduler_hints": {"group": "x"},
    });
    assert_eq!(body, expected);
}

#[test]
fn a_server_without_networks_asks_for_none() {
    let bodies =
        [Networks::List(Vec::new()), Networks::Unconnected, Networks::Auto].map(|networks| json!(networks));
    assert_eq!(bodies, [json!("none"), json!("none"), json!("auto")]);
}

#[test]
fn servers_are_read_at_every_microversion() {
    let old: Server = serde_json::from_value(json!({
        "id": "1", "name": "a", "status": "ACTIVE", "image": "", "flavor": {"id": "f", "links": []},
        "addresses": {}, "config_drive": "", "metadata": null
    }))
    .unwrap();
    assert_eq!((old.image, old.flavor.unwrap().id.as_deref()), (None, Some("f")));
    let new: Server = serde_json::from_str(
        r#"{"id": "1", "image": {"id": "i"}, "flavor": {"original_name": "m1", "vcpus": 1},
            "addresses": {"z": [{"addr": "1.1.1.1", "version": 4, "OS-EXT-IPS:type": "fixed"}],
                          "a": [{"addr": "2.2.2.2", "version": 4, "OS-EXT-IPS:type": "floating"},
                                {"addr": "3.3.3.3", "version": 4}]}}"#,
    )
    .unwrap();
    assert_eq!((new.flavor_name(), new.image.clone().unwrap().id.as_str()), (Some("m1"), "i"));
    let fixed: Vec<_> = new.addresses_of_type("fixed").map(|address| address.addr.as_str()).collect();
    assert_eq!(fixed, ["1.1.1.1", "3.3.3.3"], "in Nova's order of networks");
}

#[tokio::test]
async fn a_name_is_exact_and_must_be_unique() {
    let server = |id: &str, name: &str| json!({"id": id, "name": name});
    let list = json!({"servers": [server("1", "web"), server("2", "web1"), server("3", "db.1")]});
    let cloud = Cloud::answering(Script::new([(200, list)])).await;
    let nova = cloud.session.compute().await.unwrap();
    assert_eq!(nova.server_by_name("web").await.unwrap().unwrap().id, "1");
    assert_eq!(nova.server_by_name("db.1").await.unwrap().unwrap().id, "3");
    assert_eq!(nova.server_by_name("absent").await.unwrap(), None);
    let requests = cloud.server.received_requests().await.unwrap();
    assert!(requests.iter().any(|request| request.url.query() == Some("name=db%5C.1")));
    let twice = json!({"servers": [server("1", "web"), server("2", "web")]});
    let cloud = Cloud::answering(Script::new([(200, twice)])).await;
    let error = cloud.session.compute().await.unwrap().server_by_name("web").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("1, 2"), "{error}");
}

#[tokio::test]
async fn servers_are_found_by_metadata() {
    let list = json!({"servers": [{"id": "1", "metadata": {"osm_job": "a"}}, {"id": "2", "metadata": {}}]});
    let cloud = Cloud::answering(Script::new([(200, list)])).await;
    let filter = ServerFilter {
        metadata: BTreeMap::from([("osm_job".to_owned(), "a".to_owned())]),
        ..ServerFilter::default()
    };
    let found = cloud.session.compute().await.unwrap().servers(&filter).await.unwrap();
    assert_eq!(found.iter().map(|server| server.id.as_str()).collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn attachments_are_read_before_and_after_microversion_2_89() {
    let list = json!({"volumeAttachments": [
        {"id": "v1", "volumeId": "v1", "serverId": "s", "device": "/dev/vda"},
        {"volumeId": "v2", "serverId": "s", "device": "/dev/vdb", "attachment_id": "a", "bdm_uuid": "b",
         "delete_on_termination": false, "tag": null},
    ]});
    let cloud = Cloud::answering(Script::new([(200, list)])).await;
    let found = cloud.session.compute().await.unwrap().attachments("s").await.unwrap();
    assert_eq!(found.iter().map(|it| it.volume_id.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
    assert_eq!((found[1].id.as_deref(), found[1].bdm_uuid.as_deref()), (None, Some("b")));
}

#[tokio::test]
async fn attaching_takes_an_answer_without_body() {
    let cloud = Cloud::answering(Script::new([(202, Value::Null)])).await;
    let made = cloud.session.compute().await.unwrap().attach_volume("s", "v").await.unwrap();
    assert_eq!((made.server_id.as_str(), made.volume_id.as_str()), ("s", "v"));
    let (head, body) = written(&cloud).await;
    assert_eq!(head, "POST /compute/v2.1/servers/s/os-volume_attachments");
    assert_eq!(body, json!({"volumeAttachment": {"volumeId": "v"}}));
}

#[tokio::test]
async fn what_is_gone_needs_no_deleting_and_what_is_stopped_no_stopping() {
    let cloud = Cloud::answering(Script::new([(404, json!({"itemNotFound": {"message": "no"}}))])).await;
    let nova = cloud.session.compute().await.unwrap();
    nova.delete_server("s").await.unwrap();
    nova.detach_volume("s", "v").await.unwrap();
    let refusal = json!({"conflictingRequest": {"code": 409, "message": "it is in vm_state stopped"}});
    let stopped = json!({"server": {"id": "s", "status": "SHUTOFF"}});
    let cloud = Cloud::answering(Script::new([(409, refusal.clone()), (200, stopped)])).await;
    cloud.session.compute().await.unwrap().stop_server("s").await.unwrap();
    let paused = json!({"server": {"id": "s", "status": "PAUSED"}});
    let cloud = Cloud::answering(Script::new([(409, refusal), (200, paused)])).await;
    let error = cloud.session.compute().await.unwrap().stop_server("s").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn waiting_ends_with_the_status_or_with_novas_fault() {
    let in_status = |status: &str, task: Value| {
        json!({"server": {"id": "s", "status": status, "OS-EXT-STS:task_state": task,
            "fault": {"code": 500, "message": "No valid host was found."}}})
    };
    let script = Script::new([
        (200, in_status("BUILD", json!("spawning"))),
        (200, in_status("ACTIVE", json!("powering-off"))),
        (200, in_status("ACTIVE", Value::Null)),
    ]);
    let cloud = Cloud::answering(script).await;
    let server = cloud.session.compute().await.unwrap().wait_server("s", "ACTIVE", LIMIT).await.unwrap();
    assert_eq!((server.status.as_str(), server.task_state), ("ACTIVE", None));
    let cloud = Cloud::answering(Script::new([(200, in_status("ERROR", Value::Null))])).await;
    let error = cloud.session.compute().await.unwrap().wait_server("s", "ACTIVE", LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.to_string().contains("No valid host was found."), "{error}");
}

#[tokio::test]
async fn the_id_of_a_new_image_is_in_the_body_or_in_the_address() {
    let metadata = BTreeMap::from([("osm_job".to_owned(), "j".to_owned())]);
    let cloud = Cloud::answering(Script::new([(202, json!({"image_id": "i1"}))])).await;
    let nova = cloud.session.compute().await.unwrap();
    assert_eq!(nova.create_image("s", "n", &metadata).await.unwrap(), "i1");
    let (_, body) = written(&cloud).await;
    assert_eq!(body, json!({"createImage": {"name": "n", "metadata": {"osm_job": "j"}}}));
    let old = ResponseTemplate::new(202).insert_header("location", "http://glance/v2/images/i2");
    let cloud = Cloud::answering(Script::of(old)).await;
    let nova = cloud.session.compute().await.unwrap();
    assert_eq!(nova.create_image("s", "n", &metadata).await.unwrap(), "i2");
}

#[tokio::test]
async fn limits_and_names_with_odd_characters() {
    let limits = json!({"limits": {"rate": [], "absolute": {"maxTotalInstances": 10, "totalInstancesUsed": 3,
        "maxTotalRAMSize": -1, "totalCoresUsed": 4}}});
    let cloud = Cloud::answering(Script::new([(200, limits)])).await;
    let limits = cloud.session.compute().await.unwrap().limits().await.unwrap();
    assert_eq!(
        (limits.max_total_instances, limits.total_instances_used, limits.max_total_ram_size),
        (10, 3, -1)
    );
    let cloud =
        Cloud::answering(Script::new([(200, json!({"keypair": {"name": "a b/c?", "public_key": "k"}}))]))
            .await;
    cloud.session.compute().await.unwrap().keypair("a b/c?", None).await.unwrap().unwrap();
    let requests = cloud.server.received_requests().await.unwrap();
    assert!(requests.iter().any(|request| request.url.path() == "/compute/v2.1/os-keypairs/a%20b%2Fc%3F"));
}

#[tokio::test]
async fn a_servers_own_image_properties_are_asked_for_where_nova_shows_them() {
    // Nova 2.93 does not, and is not asked.
    let cloud = Cloud::answering(Script::new([(200, json!({"server": {"id": "s"}}))])).await;
    let nova = cloud.session.compute().await.unwrap();
    let before = cloud.reads().await;
    assert_eq!(nova.server_image_properties("s").await.unwrap(), None);
    assert_eq!(cloud.reads().await, before);

    let newer = |request: &wiremock::Request| {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        if request.url.path().trim_matches('/') == "compute/v2.1" {
            let links = json!([{"rel": "self", "href": format!("{base}/compute/v2.1/")}]);
            let version = json!({"id": "v2.1", "status": "CURRENT", "version": "2.100", "min_version": "2.1", "links": links});
            return ResponseTemplate::new(200).set_body_json(json!({"version": version}));
        }
        if let Some(versions) = crate::support::versions(request.url.path(), &base) {
            return versions;
        }
        let properties = json!({"hw_machine_type": "pc", "hw_cpu_cores": 2});
        let image = match request.url.path().ends_with("/volume-booted") {
            true => json!(""),
            false => json!({"id": "i", "properties": properties}),
        };
        let shown =
            request.headers.get("openstack-api-version").is_some_and(|version| version == "compute 2.98");
        let image = if shown { image } else { json!({"id": "i"}) };
        ResponseTemplate::new(200).set_body_json(json!({"server": {"id": "s", "image": image}}))
    };
    let cloud = Cloud::answering(newer).await;
    let nova = cloud.session.compute().await.unwrap();
    let pairs = [("hw_cpu_cores", "2"), ("hw_machine_type", "pc")];
    let expected = BTreeMap::from(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(nova.server_image_properties("s").await.unwrap(), Some(expected));
    assert_eq!(nova.server_image_properties("volume-booted").await.unwrap(), None);
}
