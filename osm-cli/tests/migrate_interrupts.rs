//! What Ctrl-C and a copy that is not equal leave behind: the source as it was, and work that the
//! next run continues.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use osm_lab::{Cloud, Fault, FaultKind, Service};
use osm_migrate::{Event, Step};
use rustix::process::{Pid, Signal, kill_process};
use stage::{Stage, lines, success, text};

/// What a busy machine may need for what takes a moment.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(600);

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// The end of a program that must end soon.
fn end(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a request to a cloud.
fn wait_for_request(cloud: &Cloud, service: Service, method: &str, path: &str) {
    let deadline = Instant::now() + LIMIT;
    let asked = |request: &osm_lab::RecordedRequest| {
        request.service == service && request.method == method && request.path.contains(path)
    };
    while !cloud.requests().iter().any(asked) {
        assert!(Instant::now() < deadline, "{method} {path} was never asked for");
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn source_is_as_it_was(stage: &Stage, volumes: &[String]) {
    let server = stage.server("src", "small").await.unwrap();
    assert_eq!(server.status, "ACTIVE");
    assert_eq!(server.task_state, None);
    for key in ["osm_job", "osm_stopped"] {
        assert!(!server.metadata.contains_key(key), "{key} is left on the source");
    }
    assert_eq!(stage.volumes("src", "small").await, volumes);
    stage.source_counts();
    stage.free_hosts();
    stage.no_agents();
    assert!(stage.server("dst", "small").await.is_none());
}

async fn moves_in_the_end(stage: &Stage, volumes: &[String]) {
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

/// The agent, but once it does something else: `case` is a line of `sh` for it, with `AGENT` in the place of the program.
fn spoilt_agent(stage: &Stage, case: &str) -> PathBuf {
    let (program, mark) = (stage.dir.path().join("agent.sh"), stage.dir.path().join("rot"));
    let (agent, mark) = (env!("CARGO_BIN_EXE_osm-cli"), mark.display());
    let case = case.replace("AGENT", agent).replace("ONCE", &format!("rm {mark} 2>/dev/null"));
    fs::write(&program, format!("#!/bin/sh\ncase \"$2 $3\" in\n{case}\nesac\nexec {agent} \"$@\"\n"))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(stage.dir.path().join("rot"), "").unwrap();
    program
}

/// The destination has another byte than was copied when it is hashed after a crash.
const ROTTEN: &str = r#""hash "*/dst/volumes/*) if ONCE; then printf rot | dd of="$3" bs=1 seek=12345 conv=notrunc 2>/dev/null; fi ;;"#;

/// The copying agent reads something else back than it has written.
const FORGETFUL: &str = r#""pull "*)
    if ONCE; then
        { AGENT "$@" 2>&1 1>&3 3>&- | sed -u 's/"root":"..../"root":"dead/' >&2; } 3>&1
        exit 0
    fi ;;"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_rots_after_a_crash_is_kept_and_never_started() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let mut child = stage.migrate().stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let copied = told.find(|line| {
        let event: serde_json::Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
        event["event"] == "step_started" && event["step"] == "verify_disks"
    });
    assert!(copied.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    is_kept_and_never_started(&stage, &volumes, ROTTEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_equal_is_kept_and_never_started() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    is_kept_and_never_started(&stage, &volumes, FORGETFUL).await;
}

async fn is_kept_and_never_started(stage: &Stage, volumes: &[String], case: &str) {
    let agent = spoilt_agent(stage, case);
    let output = stage.migrate().env("OSM_AGENT_BINARY", agent).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let events = lines(&output);
    let failed = events.iter().find(|event| event["event"] == "workload_failed").unwrap();
    assert_eq!((&failed["kind"], &failed["step"]), (&"mismatch".into(), &"verify_disks".into()));
    assert!(failed["error"].as_str().unwrap().contains("small-"), "it names the disk: {failed}");
    assert!(failed["hint"].as_str().unwrap().contains("the copy is kept"), "{failed}");
    assert!(!events.iter().any(|event| event["step"] == "create_server"), "a server was made of it");
    source_is_as_it_was(stage, volumes).await;

    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let mut kept = Vec::new();
    for copy in storage.volumes(&Default::default()).await.unwrap() {
        assert_eq!(copy.metadata.get("osm_state").map(String::as_str), Some("seeding"));
        kept.push(copy.id);
    }
    assert_eq!(kept.len(), 2);
    moves_in_the_end(stage, volumes).await;
    let mut copies = stage.volumes("dst", "small").await;
    kept.sort();
    copies.sort();
    assert_eq!(copies, kept, "the kept copies were not used");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_puts_the_source_back() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    // The copy cannot begin before the volumes are there, and they take for ever.
    let slow = Fault::new(Service::Cinder, FaultKind::Latency(NEVER)).method("POST").path("/volumes");
    stage.lab.dst().fault(slow.times(9));
    let child = stage.migrate().stdout(Stdio::null()).spawn().unwrap();
    wait_for_request(stage.lab.dst(), Service::Cinder, "POST", "/volumes");
    interrupt(&child);
    assert_eq!(end(child).code(), Some(130));
    source_is_as_it_was(&stage, &volumes).await;
    stage.lab.dst().clear_faults();
    moves_in_the_end(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_while_the_cloud_works_it_puts_the_source_back() {
    let stage = Stage::small_and_slow(Duration::from_millis(300));
    let volumes = stage.volumes("src", "small").await;
    let src = stage.lab.src();
    for (service, method, path) in [
        // Not stopped yet when it is to be started again.
        (Service::Nova, "POST", "/action"),
        // Not there yet when it is to be deleted.
        (Service::Cinder, "POST", "/snapshots"),
        // Neither here nor there when it is to be given back.
        (Service::Nova, "DELETE", "/os-volume_attachments/"),
        (Service::Nova, "POST", "/os-volume_attachments"),
    ] {
        stage.forget_requests();
        let child = stage.migrate().stdout(Stdio::null()).spawn().unwrap();
        wait_for_request(src, service, method, path);
        interrupt(&child);
        assert_eq!(end(child).code(), Some(130), "{method} {path}");
        source_is_as_it_was(&stage, &volumes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_twice_it_ends_at_once_and_the_next_run_continues() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let mut child = stage.migrate().stdout(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Event = serde_json::from_str(&line.unwrap()).unwrap();
        if matches!(event, Event::StepDone { step: Step::AttachSource, .. }) {
            break;
        }
    }
    // Giving the volumes back begins with this, and does not get on.
    let stuck = Fault::new(Service::Nova, FaultKind::Latency(NEVER)).method("DELETE");
    stage.lab.src().fault(stuck.path("/os-volume_attachments/").times(9));
    stage.forget_requests();
    interrupt(&child);
    wait_for_request(stage.lab.src(), Service::Nova, "DELETE", "/os-volume_attachments/");
    interrupt(&child);
    assert_eq!(end(child).code(), Some(130));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "SHUTOFF", "nothing was put back");

    stage.lab.src().clear_faults();
    moves_in_the_end(&stage, &volumes).await;
}
