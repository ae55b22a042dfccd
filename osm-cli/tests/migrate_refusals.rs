//! What is refused, skipped or left behind, and how it is told.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use osm_lab::{Fault, FaultKind, Service};
use stage::{Stage, lines, success, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_left_alone_when_it_must_not_be_stopped() {
    let stage = Stage::small();
    let output = stage.work("migrate", &["--no-stop"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("the source server runs"), "{}", text(&output));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_host_is_not_moved() {
    let stage = Stage::small();
    let data = stage.data_dir();
    let data = data.to_str().unwrap();
    stage.succeeds(&["export", "workloads", "--data-dir", data, "--src", "src"]);
    let events = success(&stage.migrate().output().unwrap());
    let summary = events.last().unwrap();
    assert_eq!((&summary["created"], &summary["skipped"]), (&1.into(), &1.into()), "{summary}");
    assert!(events.iter().any(|event| event["message"] == "skipped: it is a conversion host"), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_does_not_stop_the_others() {
    let stage = Stage::demo();
    let refused = Fault::new(Service::Cinder, FaultKind::VolumeError).method("POST").path("/volumes");
    stage.lab.dst().fault(refused);
    let output = stage.migrate().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let summary = lines(&output).pop().unwrap();
    assert_eq!((&summary["created"], &summary["failed"]), (&2.into(), &1.into()), "{summary}");
    let again = success(&stage.migrate().output().unwrap());
    assert_eq!(again.last().unwrap()["created"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_the_copies_are_deleted_when_wanted() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let broken = Fault::new(Service::Nova, FaultKind::AttachFails).method("POST");
    for (words, left) in [(&[][..], 2), (&["--cleanup"][..], 0)] {
        stage.lab.dst().fault(broken.clone().path("/os-volume_attachments"));
        let output = stage.work("migrate", words).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        stage.lab.dst().clear_faults();
        stage.no_orphans(0, left, 0, 0);
        assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
        assert_eq!(stage.volumes("src", "small").await, volumes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_there_is_told_before_anything_is_touched() {
    let stage = Stage::small();
    stage.forget_requests();
    let output = stage.migrate_by("local:no-such-host", "local:os_migrate_conv_dst").output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(text(&output).contains("no-such-host"), "{}", text(&output));
    assert_eq!(stage.changes(), 0);
}
