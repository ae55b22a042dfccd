//! The map of ids: what each object of the source became, with the real program on the lab.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use osm_openstack::network::{NetworkObject, Port};
use serde_json::Value;
use stage::{Stage, success, text};

fn map(stage: &Stage) -> PathBuf {
    stage.data_dir().join("id_map.yaml")
}

fn entries(stage: &Stage) -> Vec<Value> {
    stage.succeeds(&["id-map", "--data-dir", stage.data_dir().to_str().unwrap()])
}

fn printed(stage: &Stage, format: &str) -> String {
    let data = stage.data_dir();
    let words = ["id-map", "--data-dir", data.to_str().unwrap(), "--format", format, "--output", "text"];
    let output = stage.osm(&words[..5]).args(&words[5..]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn of<'a>(entries: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is = |entry: &&Value| entry["kind"] == kind && entry["name"] == name;
    entries.iter().find(is).unwrap_or_else(|| panic!("no {kind} {name}: {entries:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_moved_has_its_ids_of_both_clouds() {
    let stage = Stage::small_with_detached("archive");
    assert!(success(&stage.migrate().output().unwrap()).iter().all(|event| event["event"] != "warning"));
    success(&stage.migrate().arg("--detached-volumes").output().unwrap());
    let entries = entries(&stage);

    let (src, dst) = (stage.session("src").await, stage.session("dst").await);
    let network = |session: osm_openstack::Session| async move {
        let networks = session.network().await.unwrap().list_own::<NetworkObject>().await.unwrap();
        networks.into_iter().find(|network| network.name == "small-net").unwrap().id
    };
    let entry = of(&entries, "networks", "small-net");
    assert_eq!(entry["source_id"], network(src.clone()).await);
    assert_eq!(entry["destination_id"], network(dst.clone()).await);

    let moved = entries.iter().find(|entry| entry["kind"] == "workloads").unwrap();
    let name = moved["name"].as_str().unwrap();
    assert_eq!(moved["source_id"], stage.server("src", name).await.unwrap().id);
    let server = stage.server("dst", name).await.unwrap().id;
    assert_eq!(moved["destination_id"], server);
    let ids = |kind: &str, side: &str| -> Vec<String> {
        let of_kind = entries.iter().filter(|entry| entry["kind"] == kind);
        let mut ids: Vec<_> = of_kind.map(|entry| entry[side].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    for (cloud, side) in [("src", "source_id"), ("dst", "destination_id")] {
        let mut volumes = stage.volumes(cloud, name).await;
        volumes.sort();
        assert_eq!(ids("volumes", side), volumes, "{cloud}");
    }
    let ports: Vec<Port> = dst.network().await.unwrap().list(&[("device_id", &server)]).await.unwrap();
    assert_eq!(ids("ports", "destination_id"), [ports[0].id.clone()]);
    assert_ne!(of(&entries, "detached_volumes", "archive")["destination_id"], Value::Null);

    // A second run of everything leaves the file alone.
    let before = (fs::read(map(&stage)).unwrap(), fs::metadata(map(&stage)).unwrap().ino());
    let data = stage.data_dir();
    let regex = "^(?!os_migrate_conv)";
    stage.succeeds(&["import", "--regex", regex, "--data-dir", data.to_str().unwrap(), "--dst", "dst"]);
    success(&stage.migrate().output().unwrap());
    assert!(before == (fs::read(map(&stage)).unwrap(), fs::metadata(map(&stage)).unwrap().ino()));

    // Lost, it is written again.
    fs::remove_file(map(&stage)).unwrap();
    stage.succeeds(&["import", "--regex", regex, "--data-dir", data.to_str().unwrap(), "--dst", "dst"]);
    success(&stage.migrate().output().unwrap());
    success(&stage.migrate().arg("--detached-volumes").output().unwrap());
    assert!(before.0 == fs::read(map(&stage)).unwrap());
}

#[test]
fn it_is_printed_as_yaml_table_and_import_blocks() {
    let stage = Stage::small();
    let entries = entries(&stage);
    let network = of(&entries, "networks", "small-net");
    let [source, destination] = ["source_id", "destination_id"].map(|side| network[side].as_str().unwrap());
    assert_eq!(printed(&stage, "yaml"), fs::read_to_string(map(&stage)).unwrap());
    let row = format!("networks,small-net,{source},{destination}\r\n");
    assert!(printed(&stage, "csv").contains(&row), "{row}");
    let block = format!(
        "import {{\n  to = openstack_networking_network_v2.small-net\n  id = \"{destination}\"\n}}\n"
    );
    assert!(printed(&stage, "terraform").contains(&block), "{block}");
}

#[test]
fn what_is_made_again_gets_its_new_id_and_a_check_notes_nothing() {
    let stage = Stage::small();
    let data = stage.data_dir();
    let data = data.to_str().unwrap();
    let networks = || {
        let entries = entries(&stage);
        entries.into_iter().filter(|entry| entry["kind"] == "networks").collect::<Vec<_>>()
    };
    let before = networks();
    assert!(!before.is_empty());
    fs::remove_file(map(&stage)).unwrap();
    stage.succeeds(&["import", "networks", "--check", "--data-dir", data, "--dst", "dst"]);
    assert!(!map(&stage).exists());
    stage.succeeds(&["import", "networks", "--data-dir", data, "--dst", "dst"]);
    assert_eq!(networks(), before);
    // An entry of a destination that is no more.
    let text = fs::read_to_string(map(&stage)).unwrap();
    let id = before[0]["destination_id"].as_str().unwrap();
    fs::write(map(&stage), text.replace(&format!("destination_id: {id}"), "destination_id: gone")).unwrap();
    stage.succeeds(&["import", "networks", "--data-dir", data, "--dst", "dst"]);
    assert_eq!(networks(), before);
}

#[test]
fn a_map_that_is_not_there_or_broken_is_an_error_with_its_fix() {
    let stage = Stage::small();
    let data = stage.data_dir();
    let data = data.to_str().unwrap();
    fs::remove_file(map(&stage)).unwrap();
    let output = stage.osm(&["id-map", "--data-dir", data]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("import or migrate something"), "{}", text(&output));
    fs::write(map(&stage), "moved: none\n").unwrap();
    let output = stage.osm(&["id-map", "--data-dir", data]).output().unwrap();
    assert!(!output.status.success());
    assert!(
        text(&output).contains("id_map.yaml") && text(&output).contains("delete the file"),
        "{}",
        text(&output)
    );
    // Nothing fails because of it, and it is told.
    let events = stage.succeeds(&["import", "networks", "--data-dir", data, "--dst", "dst"]);
    assert!(events.iter().any(
        |event| event["event"] == "warning" && event["message"].as_str().unwrap().contains("map of ids")
    ));
}
