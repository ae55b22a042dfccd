//! Disks that travel as Glance images: no conversion host is used, the result is the same.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::process::Command;

use osm_lab::{Fault, FaultKind, Service};
use osm_migrate::Step;
use stage::trial::{Line, kill_at_line};
use stage::{Stage, hash, success, text};

fn migrate(stage: &Stage, words: &[&str]) -> Command {
    let mut command = stage.osm(&["migrate", "--src", "src", "--dst", "dst", "--via", "images"]);
    command.arg("--data-dir").arg(stage.data_dir()).args(words);
    command
}

async fn moved(stage: &Stage, volumes: &[String]) {
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

/// No conversion host was asked for anything.
fn without_hosts(stage: &Stage) {
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        let host = cloud.server_id(&format!("os_migrate_conv_{}", cloud.name())).unwrap();
        let path = format!("/servers/{host}/");
        assert!(!cloud.requests().iter().any(|request| request.path.contains(&path)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_moves_without_hosts() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let events = success(&migrate(&stage, &[]).output().unwrap());
    assert_eq!(events.iter().filter(|event| event["event"] == "disk_verified").count(), 2);
    moved(&stage, &volumes).await;
    without_hosts(&stage);
    let again = success(&migrate(&stage, &[]).output().unwrap());
    assert_eq!(again.last().unwrap()["unchanged"], 1);
    let seed = stage.work("seed", &["--via", "images"]).output().unwrap();
    assert_eq!(seed.status.code(), Some(2), "{}", text(&seed));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_disk_of_a_server_moves_and_no_image_is_left() {
    let stage = Stage::demo();
    let images = stage.lab.dst().counts().images;
    let events = success(&migrate(&stage, &["web"]).output().unwrap());
    assert_eq!(events.last().unwrap()["created"], 1, "{:?}", events.last());
    stage.source_counts();
    assert_eq!(stage.lab.dst().counts().images, images);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_volume_moves_without_hosts() {
    let stage = Stage::small_with_detached("ledger");
    let here = stage.lab.src().volume_id("ledger").unwrap();
    success(&migrate(&stage, &["--detached-volumes"]).output().unwrap());
    let there = stage.lab.dst().volume_id("ledger").unwrap();
    assert_eq!(
        hash(&stage.lab.src().volume_file(&here)).await,
        hash(&stage.lab.dst().volume_file(&there)).await
    );
    let again = success(&migrate(&stage, &["--detached-volumes"]).output().unwrap());
    assert_eq!(again.last().unwrap()["unchanged"], 1);
    stage.no_orphans(0, 1, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_one_step_after_the_other_it_ends_well() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    // Each run goes on where the one before was killed.
    for at in [Line::Started(Step::CopyDisks), Line::Done(Step::CreateVolumes), Line::Done(Step::VerifyDisks)]
    {
        kill_at_line(migrate(&stage, &[]), at);
    }
    success(&migrate(&stage, &[]).output().unwrap());
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_image_puts_the_source_back_and_a_stream_that_breaks_off_is_begun_anew() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    stage.lab.src().fault(Fault::new(Service::Cinder, FaultKind::ImageKilled).path("/action"));
    let output = migrate(&stage, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    stage.source_counts();
    stage.lab.src().fault(Fault::new(Service::Glance, FaultKind::CutBody(1 << 20)).path("/file"));
    let output = migrate(&stage, &[]).output().unwrap();
    success(&output);
    assert!(text(&output).contains("is sent anew"), "{}", text(&output));
    moved(&stage, &volumes).await;
}
