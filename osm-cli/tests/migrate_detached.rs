//! Volumes that no server has, moved by the real program: once, with their bytes, whatever happens.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use osm_lab::{Fault, FaultKind, Service};
use osm_openstack::block_storage::{BlockStorage, CreateVolume, Filter, Volume};
use serde_json::Value;
use stage::{Stage, lines, success, text};

const LIMIT: Duration = Duration::from_secs(20);

/// The tenant's one detached volume.
const NAME: &str = "archive";

struct Archive {
    stage: Stage,
    /// The source volume.
    id: String,
}

impl Archive {
    fn open() -> Self {
        let stage = Stage::small_with_detached(NAME);
        let id = stage.lab.src().volume_id(NAME).unwrap();
        stage.forget_requests();
        Self { stage, id }
    }

    fn migrate(&self) -> Command {
        let mut command = self.stage.migrate();
        command.arg("--detached-volumes");
        command
    }

    fn moves(&self) -> Vec<Value> {
        success(&self.migrate().output().unwrap())
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.stage.data_dir().join("detached_volumes.yml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no `{from}` in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    async fn storage(&self, cloud: &str) -> BlockStorage {
        self.stage.session(cloud).await.block_storage().await.unwrap()
    }

    /// Everything that passes for a copy.
    async fn copies(&self) -> Vec<Volume> {
        let ours = Filter::with_metadata("osm_source_volume", &self.id);
        self.storage("dst").await.volumes(&ours).await.unwrap()
    }

    /// There is one copy, complete, equal, in nobody's hands; the source is free, and nothing is left.
    async fn moved_once(&self) -> Volume {
        let mut copies = self.copies().await;
        assert_eq!(copies.len(), 1, "{copies:?}");
        let copy = copies.remove(0);
        assert_eq!(copy.metadata.get("osm_state").map(String::as_str), Some("complete"));
        assert_eq!((copy.status.as_str(), copy.attachments.len()), ("available", 0));
        let source = self.storage("src").await.volume(&self.id).await.unwrap().unwrap();
        assert_eq!((source.status.as_str(), source.attachments.len()), ("available", 0));
        let one = stage::hash(&self.stage.lab.src().volume_file(&self.id)).await;
        let other = stage::hash(&self.stage.lab.dst().volume_file(&copy.id)).await;
        assert_eq!(one, other);
        self.stage.no_orphans(0, 1, 0, 0);
        self.stage.no_agents();
        copy
    }
}

fn outcome(events: &[Value]) -> &Value {
    let told = |event: &&Value| event["event"] == "imported" && event["kind"] == "detached_volumes";
    events.iter().find(told).expect("the volume is told of")
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    outcome(&lines(output))["error"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_volume_moves_once_with_its_bytes_and_a_second_run_writes_nothing() {
    let archive = Archive::open();
    let events = archive.moves();
    let copy = archive.moved_once().await;
    assert_eq!(outcome(&events)["outcome"], "created");
    assert_eq!(outcome(&events)["destination_id"], copy.id.as_str());
    assert_eq!(copy.name.as_deref(), Some(NAME));
    assert!(events.iter().any(|event| event["event"] == "disk_verified"), "{events:?}");

    archive.stage.forget_requests();
    let again = archive.moves();
    assert_eq!(outcome(&again)["outcome"], "unchanged");
    assert_eq!(outcome(&again)["destination_id"], copy.id.as_str());
    assert_eq!(archive.stage.changes(), 0, "nothing is asked for");
    archive.stage.lose_state();
    archive.moves();
    assert_eq!(archive.moved_once().await.id, copy.id, "the clouds know it without the state");
    assert_eq!(archive.stage.changes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_was_edited_to_arrives() {
    let archive = Archive::open();
    let metadata = "{hw_machine_type: q35, hw_disk_bus: scsi, image_id: x}";
    archive.edit("volume_image_metadata: null", &format!("volume_image_metadata: {metadata}"));
    archive.edit("name: archive", "name: cellar");
    archive.edit("description: null", "description: moved");
    archive.edit("volume_type: nfs", "volume_type: ssd");
    archive.moves();
    let copy = archive.moved_once().await;
    assert_eq!((copy.name.as_deref(), copy.description.as_deref()), (Some("cellar"), Some("moved")));
    assert_eq!((copy.volume_type.as_deref(), copy.availability_zone.as_deref()), (Some("ssd"), Some("nova")));
    let image: Vec<_> =
        copy.volume_image_metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(image, ["hw_disk_bus=scsi", "hw_machine_type=q35"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_and_bootable_flag_of_a_detached_volume_are_carried_over() {
    let archive = Archive::open();
    let storage = archive.storage("src").await;
    storage.set_bootable(&archive.id, true).await.unwrap();
    let metadata = [("hw_machine_type".to_owned(), "pc-i440fx-6.2".to_owned())].into();
    storage.set_image_metadata(&archive.id, &metadata).await.unwrap();
    archive.stage.forget_requests();
    archive.moves();
    let copy = archive.moved_once().await;
    assert!(copy.bootable);
    assert_eq!(copy.volume_image_metadata, metadata);
    let requests = archive.stage.lab.dst().requests();
    let place = |name: &str| requests.iter().position(|it| it.body.contains(name)).expect(name);
    assert!(place("os-set_bootable") < place("os-set_image_metadata"));
    let attached = requests.iter().position(|it| it.path.ends_with("/os-volume_attachments")).unwrap();
    assert!(place("os-set_image_metadata") < attached, "before any byte is copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_zones_are_mapped() {
    let archive = Archive::open();
    archive.stage.lab.dst().set_zones(&["az1", "az2"]);
    archive.stage.lab.dst().set_volume_types(&["ceph", "tape"]);
    let error = refusal(&archive.migrate().output().unwrap());
    assert!(error.contains("no volume type `nfs`; it has ceph, tape"), "{error}");
    assert!(error.contains("no availability zone `nova` for volumes; it has az1, az2"), "{error}");
    assert_eq!(archive.stage.changes(), 0);
    let maps = ["--volume-type-map", "nfs=tape", "--zone-map", "nova=az2"];
    success(&archive.migrate().args(maps).output().unwrap());
    let copy = archive.moved_once().await;
    assert_eq!((copy.volume_type.as_deref(), copy.availability_zone.as_deref()), (Some("tape"), Some("az2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_volumes_move() {
    let archive = Archive::open();
    let events = success(&archive.migrate().arg("another").output().unwrap());
    assert!(!events.iter().any(|event| event["event"] == "imported"), "{events:?}");
    assert_eq!(archive.stage.changes(), 0);
    success(&archive.migrate().args(["another", "--regex", "^arch(?!aic)"]).output().unwrap());
    archive.moved_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_a_server_has_by_now_is_refused() {
    let archive = Archive::open();
    let compute = archive.stage.session("src").await.compute().await.unwrap();
    let server = archive.stage.lab.src().server_id("small").unwrap();
    compute.attach_volume(&server, &archive.id).await.unwrap();
    archive.storage("src").await.wait_volume(&archive.id, &["in-use"], LIMIT).await.unwrap();
    archive.stage.forget_requests();
    let error = refusal(&archive.migrate().output().unwrap());
    assert!(error.contains("not detached any more") && error.contains(&server), "{error}");
    assert_eq!(archive.stage.changes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_the_same_name_is_not_doubled() {
    let archive = Archive::open();
    let wish = CreateVolume { name: Some(NAME.into()), size: 1, ..CreateVolume::default() };
    let theirs = archive.storage("dst").await.create_volume(&wish).await.unwrap();
    archive.stage.forget_requests();
    assert_eq!(outcome(&archive.moves())["outcome"], "exists");
    assert_eq!(archive.stage.changes(), 0);
    assert_eq!(archive.storage("dst").await.volumes(&Filter::named(NAME)).await.unwrap()[0].id, theirs.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_too_small_is_told_before_anything_is_touched() {
    let archive = Archive::open();
    let used = i64::try_from(archive.stage.lab.dst().counts().volumes).unwrap();
    archive.stage.lab.dst().set_quotas(|quotas| quotas.volumes = used);
    let error = refusal(&archive.migrate().output().unwrap());
    assert!(error.contains("1 volumes wanted, 0 available"), "{error}");
    assert_eq!(archive.stage.changes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_lets_go_of_both_volumes_and_the_next_run_continues() {
    for (cloud, fault) in [("src", FaultKind::AttachFails), ("dst", FaultKind::AttachFails)] {
        let archive = Archive::open();
        let lab = if cloud == "src" { archive.stage.lab.src() } else { archive.stage.lab.dst() };
        lab.fault(Fault::new(Service::Nova, fault).method("POST").path("os-volume_attachments"));
        let error = refusal(&archive.migrate().output().unwrap());
        assert!(error.contains("attach"), "{error}");
        archive.stage.free_hosts();
        archive.stage.source_counts();
        assert!(archive.copies().await.len() <= 1);
        archive.moves();
        archive.moved_once().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_after_its_copy_is_told_and_the_copy_is_kept() {
    let archive = Archive::open();
    archive.moves();
    let copy = archive.moved_once().await;
    // Seconds are what Cinder's clock may show.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    archive.storage("src").await.rename_volume(&archive.id, NAME, Some("written to")).await.unwrap();
    archive.stage.forget_requests();
    let events = archive.moves();
    let warning = events.iter().find(|event| event["event"] == "warning").expect("it is told");
    let message = warning["message"].as_str().unwrap();
    assert!(message.contains("has changed since") && message.contains(&copy.id), "{message}");
    assert_eq!(archive.stage.changes(), 0);
    archive.moved_once().await;
}

/// Killed at every line of the story, and run again: one copy, equal, nothing left over.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_the_same_command_again_continues() {
    let story: Vec<Value> = {
        let archive = Archive::open();
        archive
            .moves()
            .into_iter()
            .filter(|it| it["event"] == "step_started" || it["event"] == "step_done")
            .collect()
    };
    assert!(story.len() >= 18, "{story:?}");
    for (index, line) in story.iter().enumerate() {
        let archive = Archive::open();
        let mut child = archive.migrate().stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut steps = 0;
        for told in lines {
            let event: Value = serde_json::from_str(&told.unwrap()).unwrap();
            if event["event"] != "step_started" && event["event"] != "step_done" {
                continue;
            }
            if steps == index {
                assert_eq!((&event["event"], &event["step"]), (&line["event"], &line["step"]));
                child.kill().unwrap();
                break;
            }
            steps += 1;
        }
        child.wait().unwrap();
        archive.moves();
        archive.moved_once().await;
    }
}
