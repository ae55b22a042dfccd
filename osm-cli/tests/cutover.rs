//! The cutover: when it may begin, who is asked, and what happens when the new server does not come up.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Instant;

use osm_migrate::{Event, Step};
use stage::{Stage, success, text};

async fn moved(stage: &Stage, volumes: &[String]) {
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

/// The source runs with its volumes; of the destination only seeds are left.
async fn rolled_back(stage: &Stage, volumes: &[String]) {
    let here = stage.server("src", "small").await.expect("the source server is there");
    assert_eq!(here.status, "ACTIVE");
    assert!(!here.metadata.keys().any(|key| key.starts_with("osm_")), "{:?}", here.metadata);
    assert_eq!(stage.volumes("src", "small").await, volumes);
    assert!(stage.server("dst", "small").await.is_none());
    stage.no_orphans(0, volumes.len(), 0, 0);
    stage.no_agents();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_up_stays() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let events = success(&stage.work("migrate", &["--check-console", "login:"]).output().unwrap());
    let checked = events.iter().find(|it| it["event"] == "step_done" && it["step"] == "check_boot").unwrap();
    assert_eq!(checked["detail"], "the console says `login:`, it is ACTIVE");
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_come_up_goes_and_the_source_runs_again() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    success(&stage.work("seed", &[]).output().unwrap());
    let words = ["--check-console", "no such text", "--check-wait", "2"];
    let output = stage.work("cutover", &words).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("did not come up"), "{}", text(&output));
    assert!(text(&output).contains("ends with `small login: `"), "{}", text(&output));
    rolled_back(&stage, &volumes).await;

    success(&stage.work("cutover", &["--check-console", "login:"]).output().unwrap());
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rejected_guest_wrote_is_not_in_the_next_copy() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    // The source was stopped by its owner, so no restart tells that the copies are of another time.
    let compute = stage.session("src").await.compute().await.unwrap();
    let id = stage.lab.src().server_id("small").unwrap();
    compute.stop_server(&id).await.unwrap();
    compute.wait_server(&id, "SHUTOFF", std::time::Duration::from_secs(20)).await.unwrap();
    let mut child = stage
        .work("migrate", &["--check-console", "no such text", "--check-wait", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        let event: Event = serde_json::from_str(&line.unwrap()).unwrap();
        if matches!(event, Event::StepStarted { step: Step::CheckBoot, .. }) {
            break;
        }
    }
    for volume in stage.volumes("dst", "small").await {
        let file = fs::File::options().write(true).open(stage.lab.dst().volume_file(&volume)).unwrap();
        file.write_all_at(b"the guest wrote this before it was rejected", 5 << 20).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let words = ["--check-console", "no such text", "--check-wait", "1"];
    let output = stage.work("migrate", &words).output().unwrap();
    assert!(text(&output).contains("did not come up"), "{}", text(&output));
    stage.no_orphans(0, 2, 0, 0);
    success(&stage.migrate().output().unwrap());
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_waited_for_and_one_that_is_over_is_not_used() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let begun = Instant::now();
    let output = stage.work("migrate", &["--at", &soon.to_string()]).output().unwrap();
    let events = success(&output);
    assert!(begun.elapsed().as_secs() >= 2, "{:?}", begun.elapsed());
    assert!(text(&output).contains("waiting for the window to open at"), "{events:?}");
    moved(&stage, &volumes).await;

    for words in [["--at", "noon"], ["--between", "25:00-26:00"]] {
        let output = stage.work("migrate", &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_told_and_may_say_no() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let told = stage.dir.path().join("told");
    let no = r#"before:stop_source=echo '{"proceed": false, "reason": "change freeze"}'"#;
    let output = stage.work("migrate", &["--hook", no]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("change freeze"), "{}", text(&output));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);

    let writes = |when: &str| format!("{when}=cat >> {}; echo >> {}", told.display(), told.display());
    let (before, after) = (writes("before:stop_source"), writes("after:create_server"));
    success(&stage.work("migrate", &["--hook", &before, "--hook", &after]).output().unwrap());
    moved(&stage, &volumes).await;
    let told: Vec<serde_json::Value> =
        fs::read_to_string(told).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["when"], &told[0]["step"]), (&"before".into(), &"stop_source".into()));
    let there = stage.lab.dst().server_id("small").unwrap();
    assert_eq!((&told[1]["workload"], &told[1]["detail"]), (&"small".into(), &there.into()));
    let wrong = stage.work("migrate", &["--hook", "before:lunch=true"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
}
