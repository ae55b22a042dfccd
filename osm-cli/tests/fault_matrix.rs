//! Every step of a move, and everything that can happen in it: the program is killed, a cloud answers with
//! errors, connections break, an agent dies, a conversion host dies. Then the same command again: the workload
//! has moved once, its disks are equal, nothing is left over, and the source has its volumes back.
//!
//! A hook holds the move where the step begins, until the fault is in place.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use osm_lab::{Cloud, Fault, FaultKind, Service};
use osm_migrate::Step;
use stage::trial::{Trial, at_each};
use stage::{Stage, success, text};

/// A move of the small tenant takes a second or two; one that meets faults is patient.
const LIMIT: Duration = Duration::from_secs(120);

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mishap {
    /// `kill -9` of the program.
    Kill,
    /// Both clouds answer with errors for a while.
    ApiError,
    /// Both clouds break connections for a while, before and after a request has taken effect.
    Drop,
    /// Agents are killed as soon as they are there.
    AgentDeath,
    /// The destination's conversion host is shut off, with its agents.
    HostDeath,
}

const MISHAPS: [Mishap; 5] =
    [Mishap::Kill, Mishap::ApiError, Mishap::Drop, Mishap::AgentDeath, Mishap::HostDeath];

/// How the workload is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Cold,
    Seeded,
}

#[derive(Debug, Clone, Copy)]
struct Point(Move, Step, Mishap);

/// How the runs ended that met a mishap.
#[derive(Debug, Default)]
struct Counts {
    /// The run was killed.
    killed: usize,
    /// It failed, and put the source back or left it for the next run.
    failed: usize,
    /// It got over it.
    survived: usize,
}

/// A move held by a hook.
struct Held {
    child: Child,
    go: PathBuf,
}

impl Held {
    /// Starts a move that waits where the step begins; none when it ended without coming there.
    fn start(stage: &Stage, verb: &str, step: Step) -> Option<Self> {
        let (come, go) = (stage.dir.path().join("come"), stage.dir.path().join("go"));
        for file in [&come, &go] {
            let _ = fs::remove_file(file);
        }
        let hold = format!(
            "before:{step}=touch {}; while [ ! -e {} ]; do sleep 0.01; done",
            come.display(),
            go.display()
        );
        let mut command = stage.work(verb, &["--hook", &hold, "--timeout", "8"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + LIMIT;
        while !come.exists() {
            assert!(Instant::now() < deadline, "{step} does not come");
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Some(Self { child, go })
    }

    fn go(&self) {
        fs::write(&self.go, "").unwrap();
    }

    /// Waits for the end; `meanwhile` is done again and again.
    fn end(mut self, meanwhile: impl Fn()) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the move hangs");
            meanwhile();
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Faults for the next requests of both clouds, whatever they are for.
fn faults(stage: &Stage, kinds: &[FaultKind], times: u32) {
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        for kind in kinds {
            let fault = Fault { service: None, ..Fault::new(Service::Nova, kind.clone()) };
            cloud.fault(fault.times(times));
        }
    }
}

async fn set_host(stage: &Stage, cloud: &Cloud, runs: bool) {
    const LIMIT: Duration = Duration::from_secs(20);
    let compute = stage.session(cloud.name()).await.compute().await.unwrap();
    let id = cloud.server_id(&format!("os_migrate_conv_{}", cloud.name())).unwrap();
    let (want, now) = (if runs { "ACTIVE" } else { "SHUTOFF" }, compute.server(&id).await.unwrap().unwrap());
    if now.status != want {
        let asked = if runs { compute.start_server(&id).await } else { compute.stop_server(&id).await };
        asked.unwrap();
        compute.wait_server(&id, want, LIMIT).await.unwrap();
    }
}

/// Lets a mishap meet the step; gives how the run ended, none when it was killed.
fn meet(trial: &Trial<'_>, Point(way, step, mishap): Point) -> Option<ExitStatus> {
    let stage = trial.stage;
    let verb = if way == Move::Seeded { "cutover" } else { "migrate" };
    let mut held = Held::start(stage, verb, step).unwrap_or_else(|| panic!("{step} never comes"));
    match mishap {
        Mishap::Kill => {
            held.child.kill().unwrap();
            held.child.wait().unwrap();
            // The hook of a killed run waits on; it is let go.
            held.go();
            None
        }
        Mishap::ApiError => {
            faults(stage, &[FaultKind::Status(500, None), FaultKind::Status(409, None)], 4);
            held.go();
            Some(held.end(|| {}))
        }
        Mishap::Drop => {
            faults(stage, &[FaultKind::Drop, FaultKind::DropReply], 3);
            held.go();
            Some(held.end(|| {}))
        }
        Mishap::AgentDeath => {
            let deadline = Instant::now() + Duration::from_secs(2);
            held.go();
            Some(held.end(|| {
                if Instant::now() < deadline {
                    stage.kill_agents();
                }
            }))
        }
        Mishap::HostDeath => {
            trial.run(set_host(stage, stage.lab.dst(), false));
            let deadline = Instant::now() + Duration::from_secs(2);
            held.go();
            Some(held.end(|| {
                if Instant::now() < deadline {
                    stage.kill_agents();
                }
            }))
        }
    }
}

/// The workload lives on one side, and its disks are where they belong or on their way back.
async fn lives_once(stage: &Stage, at: Point) {
    let here = stage.server("src", "small").await.expect("the source server is there");
    let there = stage.server("dst", "small").await;
    let lives_there = there.is_some_and(|server| server.status == "ACTIVE");
    assert!(!(lives_there && here.status == "ACTIVE"), "{at:?}: it runs twice");
}

fn again(stage: &Stage, way: Move) -> Command {
    stage.work(if way == Move::Seeded { "cutover" } else { "migrate" }, &[])
}

fn matrix(way: Move, steps: &[Step]) {
    let points: Vec<Point> =
        steps.iter().flat_map(|step| MISHAPS.map(|mishap| Point(way, *step, mishap))).collect();
    let counts: Mutex<BTreeMap<Mishap, Counts>> = Mutex::default();
    at_each(2, &points, Stage::small, |trial, point| {
        let (stage, Point(way, _, mishap)) = (trial.stage, point);
        if way == Move::Seeded {
            success(&stage.work("seed", &[]).output().unwrap());
        }
        let ended = meet(&trial, point);
        stage.lab.src().clear_faults();
        stage.lab.dst().clear_faults();
        trial.run(lives_once(stage, point));
        trial.run(set_host(stage, stage.lab.dst(), true));
        {
            let mut counts = counts.lock().unwrap();
            let counts = counts.entry(mishap).or_default();
            match ended {
                None => counts.killed += 1,
                Some(status) if status.success() => counts.survived += 1,
                Some(_) => counts.failed += 1,
            }
        }
        let output = again(stage, way).output().unwrap();
        assert!(output.status.success(), "{point:?}: {}", text(&output));
        trial.run(stage.moved_once("small", trial.volumes));
        trial.run(stage.equal_disks("small", trial.volumes));
        stage.no_orphans(1, 2, 1, 0);
        stage.no_agents();
    });
    let counts = counts.into_inner().unwrap();
    let total: usize = counts.values().map(|it| it.killed + it.failed + it.survived).sum();
    eprintln!("{way:?}: {} steps, {total} trials, each moved once with equal disks", steps.len());
    for (mishap, Counts { killed, failed, survived }) in &counts {
        eprintln!("  {mishap:?}: {killed} killed, {failed} failed and went on, {survived} got over it");
    }
    assert_eq!(total, points.len());
    for (mishap, counts) in &counts {
        let hurt = counts.killed + counts.failed;
        assert!(hurt > 0, "{mishap:?} hurt nothing, so it was not there");
    }
}

#[test]
fn a_cold_move() {
    // The check of the boot is only made when it is asked for.
    let steps: Vec<Step> =
        Step::ALL.into_iter().filter(|step| step.is_of_workloads() && *step != Step::CheckBoot).collect();
    matrix(Move::Cold, &steps);
}

#[test]
fn the_cutover_of_a_seeded_one() {
    let steps =
        [Step::StopSource, Step::CopyDisks, Step::VerifyDisks, Step::CreateServer, Step::RestoreSource];
    matrix(Move::Seeded, &steps);
}

#[test]
fn what_fails_for_good_leaves_the_source_as_it_was() {
    let stage = Stage::small();
    let runtime = stage::trial::runtime();
    let volumes = runtime.block_on(stage.volumes("src", "small"));
    let broken = stage.dir.path().join("agent");
    fs::copy("/bin/false", &broken).unwrap();
    let mut command = stage.migrate();
    let output = command.env("OSM_AGENT_BINARY", &broken).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let here = runtime.block_on(stage.server("src", "small")).unwrap();
    assert_eq!(here.status, "ACTIVE");
    assert!(!here.metadata.keys().any(|key| key.starts_with("osm_")), "{:?}", here.metadata);
    assert_eq!(runtime.block_on(stage.volumes("src", "small")), volumes);
    stage.source_counts();
    stage.free_hosts();
}
