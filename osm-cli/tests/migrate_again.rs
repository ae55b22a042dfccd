//! What an earlier move or an earlier run left behind is neither taken for the present nor in the way.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use osm_lab::{Fault, FaultKind, Service};
use osm_migrate::Step;
use osm_openstack::Method;
use stage::trial::{Line, kill_at_line};
use stage::{Stage, success, text};

const LIMIT: Duration = Duration::from_secs(20);

fn tags<const N: usize>(tags: [(&str, &str); N]) -> BTreeMap<String, String> {
    tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Starts a migration and kills it when this step is done.
fn kill_after(stage: &Stage, wanted: Step) {
    kill_at_line(stage.migrate(), Line::Done(wanted));
}

/// The operator does not wait for the next run: the server runs again, writes, and is stopped.
async fn source_runs_and_writes(stage: &Stage, volumes: &[String]) {
    let compute = stage.session("src").await.compute().await.unwrap();
    let id = stage.lab.src().server_id("small").unwrap();
    compute.start_server(&id).await.unwrap();
    compute.wait_server(&id, "ACTIVE", LIMIT).await.unwrap();
    for volume in volumes {
        let file = File::options().write(true).open(stage.lab.src().volume_file(volume)).unwrap();
        file.write_all_at(b"written after the first copy", 4096).unwrap();
    }
    compute.stop_server(&id).await.unwrap();
    compute.wait_server(&id, "SHUTOFF", LIMIT).await.unwrap();
}

async fn moves_what_was_written(stage: &Stage, killed_after: Step) {
    let volumes = stage.volumes("src", "small").await;
    kill_after(stage, killed_after);
    source_runs_and_writes(stage, &volumes).await;
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_an_earlier_stop_is_not_copied() {
    moves_what_was_written(&Stage::small(), Step::Snapshot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_an_earlier_stop_is_not_finished() {
    moves_what_was_written(&Stage::small(), Step::VerifyDisks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nova_does_not_tell_what_happened_nothing_old_is_trusted() {
    let stage = Stage::small();
    let hidden = Fault::new(Service::Nova, FaultKind::Status(403, None)).path("/os-instance-actions");
    stage.lab.src().fault(hidden.times(1000));
    moves_what_was_written(&stage, Step::VerifyDisks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_earlier_stop_is_not_finished() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    kill_after(&stage, Step::CreateServer);
    source_runs_and_writes(&stage, &volumes).await;
    let output = stage.migrate().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("was started after the server"), "{}", text(&output));

    let compute = stage.session("dst").await.compute().await.unwrap();
    let old = stage.lab.dst().server_id("small").unwrap();
    compute.delete_server(&old).await.unwrap();
    compute.wait_server_gone(&old, LIMIT).await.unwrap();
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ran_is_not_deleted_whatever_became_of_it() {
    let stage = Stage::small();
    kill_after(&stage, Step::CreateServer);
    let id = stage.lab.dst().server_id("small").unwrap();
    let admin = stage.session("dst-admin").await.compute().await.unwrap();
    let broken = serde_json::json!({"os-resetState": {"state": "error"}});
    let path = format!("servers/{id}/action");
    admin.service().request("reset state", Method::POST, path).json(&broken).empty().await.unwrap();
    let output = stage.migrate().output().unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    assert_eq!(stage.server("dst", "small").await.unwrap().id, id);
    assert_eq!(stage.server("src", "small").await.unwrap().status, "SHUTOFF", "two of them live");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_before_is_moved_on_and_stays() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let session = stage.session("src").await;
    let (storage, compute) = (session.block_storage().await.unwrap(), session.compute().await.unwrap());
    // As an earlier migration into this cloud left them.
    for volume in &volumes {
        let copy = tags([
            ("osm_job", "11111111-0000-4000-8000-000000000000"),
            ("osm_step", "create_volumes"),
            ("osm_source_volume", "22222222-0000-4000-8000-000000000000"),
            ("osm_state", "complete"),
        ]);
        storage.update_metadata(volume, &copy).await.unwrap();
    }
    let id = stage.lab.src().server_id("small").unwrap();
    let moved = tags([("osm_state", "complete"), ("role", "db")]);
    compute.set_server_metadata(&id, &moved).await.unwrap();
    let data = stage.data_dir();
    stage.succeeds(&[
        "export",
        "workloads",
        "--regex",
        "^small$",
        "--data-dir",
        data.to_str().unwrap(),
        "--src",
        "src",
    ]);

    // The first run makes the server, and cannot give it its place.
    let fault = Fault::new(Service::Cinder, FaultKind::Status(500, None)).method("DELETE").path("/metadata/");
    stage.lab.src().fault(fault.times(1000));
    let output = stage.migrate().output().unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    let there = stage.server("dst", "small").await.unwrap();
    assert_eq!(there.metadata.get("role").map(String::as_str), Some("db"));
    assert_eq!(there.metadata.get("osm_state"), None, "it is not moved yet");
    stage.lab.src().clear_faults();

    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}
