//! The machine type, and what else of the image metadata Nova runs a guest with: captured by the
//! export, shown in the file, edited there, set on the copies before the server is made.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use osm_lab::{Fault, FaultKind, RecordedRequest, Service};
use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile, Server};
use osm_openstack::block_storage::CreateVolume;
use stage::{Stage, lines, success, text};

const LEGACY: &str = "pc-i440fx-rhel7.6.0";

/// A small tenant whose volumes have this image metadata, exported.
async fn stage_with(boot: &[(&str, &str)], data: &[(&str, &str)]) -> Stage {
    let stage = Stage::small();
    let storage = stage.session("src").await.block_storage().await.unwrap();
    for (id, metadata) in stage.volumes("src", "small").await.iter().zip([boot, data]) {
        for key in storage.volume(id).await.unwrap().unwrap().volume_image_metadata.keys() {
            storage.unset_image_metadata(id, key).await.unwrap();
        }
        let pairs = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let metadata: BTreeMap<String, String> = pairs.collect();
        if !metadata.is_empty() {
            storage.set_image_metadata(id, &metadata).await.unwrap();
        }
    }
    stage.succeeds(&[
        "export",
        "workloads",
        "--name",
        "small",
        "--data-dir",
        data_dir(&stage).as_str(),
        "--src",
        "src",
    ]);
    stage.forget_requests();
    stage
}

fn data_dir(stage: &Stage) -> String {
    stage.data_dir().to_str().unwrap().to_owned()
}

fn exported(stage: &Stage) -> Server {
    let text = fs::read_to_string(stage.data_dir().join("workloads.yml")).unwrap();
    let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
    let found = file.resources.into_iter().find_map(|resource| match resource {
        Resource::Server(server) if server.params.name.as_deref() == Some("small") => Some(server),
        _ => None,
    });
    found.unwrap()
}

/// What Cinder says of the copies, boot disk first.
async fn copies(stage: &Stage) -> Vec<BTreeMap<String, String>> {
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let mut found = Vec::new();
    for id in stage.volumes("dst", "small").await {
        found.push(storage.volume(&id).await.unwrap().unwrap().volume_image_metadata);
    }
    found
}

fn machine_type(metadata: &BTreeMap<String, String>) -> Option<&str> {
    metadata.get("hw_machine_type").map(String::as_str)
}

/// The place of the first request to `service` that a closure picks.
fn place(requests: &[RecordedRequest], service: Service, pick: impl Fn(&RecordedRequest) -> bool) -> usize {
    requests.iter().position(|it| it.service == service && pick(it)).expect("it was asked for")
}

#[test]
fn machine_type_is_in_the_data_structures() {
    let mut server = Server::default();
    server.params.name = Some("web".into());
    server.info.id = Some("1".into());
    server.migration_params.hw_machine_type = Some("q35".into());
    let mut file = ResourceFile::new();
    file.upsert(Resource::Server(server.clone()));
    let text = file.to_yaml();
    assert!(text.contains("    hw_machine_type: q35\n"), "{text}");
    let back = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
    assert!(
        matches!(&back.resources[0], Resource::Server(found) if found.migration_params == server.migration_params)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_of_the_source_is_captured_by_the_export_and_shown_in_the_file() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    let volumes = exported(&stage).params.volumes;
    let boot = volumes.iter().find(|volume| volume.info.is_bootable == Some(true)).unwrap();
    assert_eq!(boot.params.volume_image_metadata.as_ref().unwrap()["hw_machine_type"], LEGACY);
    let text = fs::read_to_string(stage.data_dir().join("workloads.yml")).unwrap();
    let shown = format!("        volume_image_metadata:\n          hw_machine_type: {LEGACY}\n");
    assert!(text.contains(&shown), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_is_set_on_the_copy_of_the_boot_volume_and_the_server_starts_with_it() {
    let stage = stage_with(&[("hw_machine_type", "pc")], &[]).await;
    success(&stage.migrate().output().unwrap());
    let copies = copies(&stage).await;
    assert_eq!(machine_type(&copies[0]), Some("pc"));
    assert!(copies[1].is_empty(), "the data volume had none: {:?}", copies[1]);
    assert_eq!(stage.server("dst", "small").await.unwrap().status, "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_is_set_after_the_bootable_flag_and_before_the_server_is_created() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    let events = success(&stage.migrate().output().unwrap());
    let noted = |it: &serde_json::Value| it["event"] == "warning" && it.to_string().contains(LEGACY);
    assert!(events.iter().any(noted), "whether the destination has this version is not known");
    let boot = &stage.volumes("dst", "small").await[0];
    let requests = stage.lab.dst().requests();
    let action = |it: &RecordedRequest, name: &str| {
        it.path.ends_with(&format!("/volumes/{boot}/action")) && it.body.contains(name)
    };
    let created =
        place(&requests, Service::Cinder, |it| it.method == "POST" && it.path.ends_with("/volumes"));
    let bootable = place(&requests, Service::Cinder, |it| action(it, "os-set_bootable"));
    let set = place(&requests, Service::Cinder, |it| action(it, "os-set_image_metadata"));
    let server = place(&requests, Service::Nova, |it| it.method == "POST" && it.path.ends_with("/servers"));
    assert!(created < bootable && bootable < set && set < server, "{created} {bootable} {set} {server}");
    let body: serde_json::Value = serde_json::from_str(&requests[set].body).unwrap();
    assert_eq!(body["os-set_image_metadata"]["metadata"]["hw_machine_type"], LEGACY);
    assert!(!requests[created].body.contains("hw_machine_type"), "Cinder ignores or refuses it there");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_edited_from_i440fx_to_q35_in_the_file_is_applied() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    stage.edit("small", &format!("hw_machine_type: {LEGACY}"), "hw_machine_type: q35");
    success(&stage.migrate().output().unwrap());
    assert_eq!(machine_type(&copies(&stage).await[0]), Some("q35"));
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_override_of_the_workload_wins_over_its_volume() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    stage.edit(
        "small",
        "    floating_ip_mode: auto\n",
        "    floating_ip_mode: auto\n    hw_machine_type: q35\n",
    );
    success(&stage.migrate().output().unwrap());
    assert_eq!(machine_type(&copies(&stage).await[0]), Some("q35"));
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_override_of_the_run_is_a_variable_too() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    success(&stage.migrate().env("OSM_MACHINE_TYPE", "q35").output().unwrap());
    let copies = copies(&stage).await;
    assert_eq!(machine_type(&copies[0]), Some("q35"));
    assert_eq!(machine_type(&copies[1]), None, "nothing boots from it");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_absent_everywhere_sets_nothing_and_is_no_error() {
    let stage = stage_with(&[], &[]).await;
    success(&stage.migrate().output().unwrap());
    assert!(copies(&stage).await.iter().all(BTreeMap::is_empty));
    let requests = stage.lab.dst().requests();
    assert!(!requests.iter().any(|it| it.body.contains("image_metadata")), "nothing is asked for");
    assert_eq!(stage.server("dst", "small").await.unwrap().status, "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_default_of_the_operator_fills_in_where_nothing_is_known() {
    let stage = stage_with(&[], &[]).await;
    success(&stage.migrate().args(["--default-machine-type", "pc"]).output().unwrap());
    let found = copies(&stage).await;
    assert_eq!((machine_type(&found[0]), machine_type(&found[1])), (Some("pc"), None));

    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    success(&stage.migrate().args(["--default-machine-type", "pc"]).output().unwrap());
    assert_eq!(machine_type(&copies(&stage).await[0]), Some(LEGACY), "the volume knows better");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_of_a_data_volume_is_carried_over() {
    let stage = stage_with(&[("hw_machine_type", "q35")], &[("hw_machine_type", LEGACY)]).await;
    success(&stage.migrate().output().unwrap());
    let copies = copies(&stage).await;
    assert_eq!((machine_type(&copies[0]), machine_type(&copies[1])), (Some("q35"), Some(LEGACY)));
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_of_a_copied_boot_image_comes_from_the_image() {
    let stage = Stage::demo();
    stage.edit("web", "boot_disk_copy: false", "boot_disk_copy: true");
    success(&stage.migrate().arg("web").output().unwrap());
    let boot = &stage.volumes("dst", "web").await[0];
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let metadata = storage.volume(boot).await.unwrap().unwrap().volume_image_metadata;
    assert_eq!(machine_type(&metadata), Some("q35"));
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_travels_with_firmware_secure_boot_bus_scsi_video_and_rng() {
    let all = [
        ("hw_disk_bus", "scsi"),
        ("hw_firmware_type", "uefi"),
        ("hw_machine_type", "q35"),
        ("hw_rng_model", "virtio"),
        ("hw_scsi_model", "virtio-scsi"),
        ("hw_video_model", "qxl"),
        ("os_secure_boot", "required"),
    ];
    let mut there = all.to_vec();
    there.extend([("image_id", "2c9d1a53-0000-4000-8000-000000000009"), ("min_disk", "1")]);
    let stage = stage_with(&there, &[]).await;
    success(&stage.migrate().output().unwrap());
    let expected = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(copies(&stage).await[0], BTreeMap::from(expected), "all of the guest, nothing of the image");
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_that_the_destination_lacks_is_refused_before_any_data_moves() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    let output = stage.migrate().args(["--machine-types", "q35,virt*"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failed = lines(&output).into_iter().find(|it| it["event"] == "workload_failed").unwrap();
    assert_eq!(failed["step"], "preflight");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains(&format!("`{LEGACY}`")) && error.contains("q35, virt*"), "{error}");
    assert_eq!(stage.changes(), 0, "nothing was touched");
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");

    // Once the file names one that is there, it moves.
    stage.edit("small", &format!("hw_machine_type: {LEGACY}"), "hw_machine_type: q35");
    success(&stage.migrate().env("OSM_MACHINE_TYPES", "q35,virt*").output().unwrap());
    assert_eq!(machine_type(&copies(&stage).await[0]), Some("q35"));
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_edited_after_the_copy_is_applied_to_the_copy_that_is_there() {
    let stage = stage_with(&[("hw_machine_type", LEGACY), ("hw_disk_bus", "virtio")], &[]).await;
    let fails = Fault::new(Service::Nova, FaultKind::Status(403, None)).method("POST").path("/servers");
    // Attachments have such a path too, and pass; the server is refused after everything is copied.
    stage.lab.dst().fault(fails.skip(2).times(1));
    assert_eq!(stage.migrate().output().unwrap().status.code(), Some(1));
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let copies_made = storage.volumes(&Default::default()).await.unwrap().len();
    stage.lab.dst().clear_faults();
    stage.edit("small", &format!("hw_machine_type: {LEGACY}"), "hw_machine_type: q35");
    stage.edit("small", "          hw_disk_bus: virtio\n", "");
    success(&stage.migrate().output().unwrap());
    let boot = copies(&stage).await.remove(0);
    assert_eq!(boot, BTreeMap::from([("hw_machine_type".to_owned(), "q35".to_owned())]));
    assert_eq!(storage.volumes(&Default::default()).await.unwrap().len(), copies_made);
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_that_cannot_be_set_fails_the_workload_unless_nobody_asked_for_it() {
    let refused =
        || Fault::new(Service::Cinder, FaultKind::Status(400, None)).method("POST").path("/action").skip(1);
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    stage.lab.dst().fault(refused().times(1));
    let output = stage.migrate().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failed = lines(&output).into_iter().find(|it| it["event"] == "workload_failed").unwrap();
    assert_eq!(failed["step"], "create_volumes", "before any byte is copied");
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");

    // Tolerated: a note instead, and the guest does without.
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    stage.lab.dst().fault(refused().times(9));
    let events = success(&stage.migrate().arg("--tolerate-image-metadata").output().unwrap());
    assert!(events.iter().any(|it| it["event"] == "warning" && it.to_string().contains("does not take")));
    stage.lab.dst().clear_faults();
    assert!(copies(&stage).await[0].is_empty());

    // What was asked for is never done without.
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    stage.lab.dst().fault(refused().times(9));
    let output =
        stage.migrate().args(["--tolerate-image-metadata", "--machine-type", "q35"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_asked_for_is_set_on_a_named_volume_and_nothing_else_of_it_changes() {
    let stage = stage_with(&[("hw_machine_type", LEGACY)], &[]).await;
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let wish = CreateVolume { name: Some("boot".into()), size: 1, ..CreateVolume::default() };
    let id = storage.create_volume(&wish).await.unwrap().id;
    storage.wait_volume(&id, &["available"], Duration::from_secs(20)).await.unwrap();
    storage.set_bootable(&id, true).await.unwrap();
    let theirs = [("hw_disk_bus".to_owned(), "scsi".to_owned())].into();
    storage.set_image_metadata(&id, &theirs).await.unwrap();
    stage.edit("small", "data_copy: true", "data_copy: false");
    stage.edit("small", "boot_volume:\n      uuid: null", &format!("boot_volume:\n      uuid: {id}"));
    stage.edit(
        "small",
        "    floating_ip_mode: auto\n",
        "    floating_ip_mode: auto\n    hw_machine_type: q35\n",
    );
    success(&stage.migrate().output().unwrap());
    let expected = [("hw_disk_bus", "scsi"), ("hw_machine_type", "q35")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(copies(&stage).await, [BTreeMap::from(expected)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_cannot_be_asked_for_where_the_destinations_image_decides() {
    let stage = Stage::demo();
    stage.edit(
        "web",
        "    floating_ip_mode: auto\n",
        "    floating_ip_mode: auto\n    hw_machine_type: pc\n",
    );
    stage.forget_requests();
    let output = stage.migrate().arg("web").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failed = lines(&output).into_iter().find(|it| it["event"] == "workload_failed").unwrap();
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("`pc` is asked for") && error.contains("which says `q35`"), "{error}");
    assert!(error.contains("boot_disk_copy: true"), "{error}");
    assert_eq!(stage.changes(), 0);
    stage.edit("web", "boot_disk_copy: false", "boot_disk_copy: true");
    success(&stage.migrate().arg("web").output().unwrap());
    let boot = &stage.volumes("dst", "web").await[0];
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let metadata = storage.volume(boot).await.unwrap().unwrap().volume_image_metadata;
    assert_eq!(machine_type(&metadata), Some("pc"));
}
