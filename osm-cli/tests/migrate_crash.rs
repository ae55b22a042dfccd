//! `kill -9` at any point, and the same command again: the workload has moved once, its disks are
//! equal, nothing is left over, and the source has its volumes back.
//!
//! The real program is killed at every line of its story that begins or ends a step, at every other
//! change it asks the clouds for, and in the middle of what takes the clouds time.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use osm_lab::Service;
use osm_migrate::Step;
use stage::trial::{Line, at_each, kill_at_line, runtime};
use stage::{Stage, success};

/// A migration of the small tenant takes a second or two.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a cloud takes for a change that shall still be under way when the next run looks.
const SLOW: Duration = Duration::from_millis(500);

/// A change that a cloud is asked for: the cloud, the service, the method, a part of the path.
#[derive(Debug, Clone, Copy)]
struct Change(&'static str, Service, &'static str, &'static str);

/// What takes the clouds time, in the order in which it is asked for.
const CHANGES: [Change; 12] = [
    Change("src", Service::Nova, "POST", "/action"),
    Change("src", Service::Cinder, "POST", "/snapshots"),
    Change("src", Service::Cinder, "POST", "/volumes"),
    Change("src", Service::Nova, "DELETE", "/os-volume_attachments/"),
    Change("src", Service::Nova, "POST", "/os-volume_attachments"),
    Change("dst", Service::Cinder, "POST", "/volumes"),
    Change("dst", Service::Nova, "POST", "/os-volume_attachments"),
    Change("dst", Service::Nova, "DELETE", "/os-volume_attachments/"),
    Change("dst", Service::Nova, "POST", "/servers"),
    Change("src", Service::Cinder, "DELETE", "/metadata/osm_lent"),
    Change("src", Service::Cinder, "DELETE", "/volumes/"),
    Change("src", Service::Cinder, "DELETE", "/snapshots/"),
];

impl Change {
    fn was_asked_of(self, stage: &Stage) -> bool {
        let Self(cloud, service, method, path) = self;
        let cloud = if cloud == "src" { stage.lab.src() } else { stage.lab.dst() };
        let ends = path.starts_with("/servers") || path.starts_with("/volumes") && method == "POST";
        cloud.requests().iter().any(|request| {
            let fits = if ends { request.path.ends_with(path) } else { request.path.contains(path) };
            request.service == service && request.method == method && fits
        })
    }
}

/// Starts a migration and kills it as soon as the clouds have seen something; false when it ended
/// before.
fn kill_when(stage: &Stage, seen: impl Fn() -> bool) -> bool {
    stage.forget_requests();
    let mut child = stage.migrate().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + LIMIT;
    while !seen() {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "a migration that was not killed failed");
            return false;
        }
        assert!(Instant::now() < deadline, "the migration hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(&mut child);
    true
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn ends_well(stage: &Stage, volumes: &[String]) {
    let events = success(&stage.migrate().output().unwrap());
    assert_eq!(events.last().unwrap()["failed"], 0);
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
    stage.no_agents();
    let jobs = stage.succeeds(&["status", "--data-dir", stage.data_dir().to_str().unwrap()]);
    let jobs: Vec<_> = jobs.iter().filter(|job| job["workload"] == "small").collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["status"], "done", "{jobs:?}");
}

#[test]
fn killed_where_a_step_begins_or_ends_it_continues() {
    let lines: Vec<Line> = Step::ALL
        .into_iter()
        .filter(|step| step.is_of_workloads() && *step != Step::CheckBoot)
        .flat_map(|step| [Line::Started(step), Line::Done(step)])
        .collect();
    assert_eq!(lines.len(), 34);
    at_each(2, &lines, Stage::small, |trial, line| {
        kill_at_line(trial.stage.migrate(), line);
        trial.run(ends_well(trial.stage, trial.volumes));
    });
}

#[test]
fn killed_at_every_other_change_it_continues() {
    let stage = Stage::small();
    stage.forget_requests();
    success(&stage.migrate().output().unwrap());
    let total = stage.changes();
    eprintln!("a migration asks for {total} changes");
    assert!(total > 20, "{total} changes: a migration of two disks cannot do with fewer");
    let changes: Vec<usize> = (1..=total).step_by(2).collect();
    at_each(2, &changes, Stage::small, |trial, n| {
        let stage = trial.stage;
        kill_when(stage, || stage.changes() >= n);
        if n.is_multiple_of(3) {
            // What the clouds know is enough.
            stage.lose_state();
        }
        trial.run(ends_well(stage, trial.volumes));
    });
}

#[test]
fn killed_while_a_cloud_works_it_waits_for_the_cloud() {
    at_each(
        CHANGES.len(),
        &CHANGES,
        || Stage::small_and_slow(SLOW),
        |trial, change| {
            let stage = trial.stage;
            assert!(kill_when(stage, || change.was_asked_of(stage)), "{change:?} was not asked for");
            trial.run(ends_well(stage, trial.volumes));
        },
    );
}

#[test]
fn killed_again_and_again_it_ends() {
    let stage = Stage::small();
    let runtime = runtime();
    let volumes = runtime.block_on(stage.volumes("src", "small"));
    let mut kills = 0;
    // Two to claim the source: the mark of the run before goes, its own comes.
    while kill_when(&stage, || stage.changes() >= 4) {
        kills += 1;
        assert!(kills < 60, "it does not get on");
    }
    assert!(kills > 5, "killed {kills} times only");
    runtime.block_on(ends_well(&stage, &volumes));
}
