//! Seeding and cutover: what a guest writes until it is stopped is in the destination, whatever happens
//! on the way there.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use std::sync::Arc;

use osm_lab::Cloud;
use osm_migrate::Step;
use serde_json::Value;
use stage::trial::{Line, kill_at_line};
use stage::{Stage, lines, success, text};

/// Where the guest writes: at the begin of the disk, and scattered.
const STAMPS: [u64; 4] = [0, 3 << 20, (200 << 20) + 4096, 900 << 20];

/// A guest that writes a growing number to each of its disks, at several places, as long as it runs.
struct Guest {
    quit: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Guest {
    fn start(cloud: &Cloud, server: &str, volumes: &[String]) -> Self {
        let quit = Arc::new(AtomicBool::new(false));
        let (cloud, server, volumes, told) =
            (cloud.clone(), server.to_owned(), volumes.to_vec(), Arc::clone(&quit));
        let thread = thread::spawn(move || {
            let mut written = 0;
            for stamp in 1_u64.. {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                let all = volumes.iter().all(|volume| {
                    STAMPS
                        .iter()
                        .all(|at| cloud.guest_write(&server, volume, *at, &stamp.to_be_bytes()).unwrap())
                });
                if all {
                    written = stamp;
                }
                thread::sleep(Duration::from_millis(2));
            }
            written
        });
        Self { quit, thread }
    }

    /// The last number that is on all disks.
    fn last(self) -> u64 {
        self.quit.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn stamp(cloud: &Cloud, volume: &str, at: u64) -> u64 {
    let mut bytes = [0; 8];
    File::open(cloud.volume_file(volume)).unwrap().read_exact_at(&mut bytes, at).unwrap();
    u64::from_be_bytes(bytes)
}

fn passes(events: &[Value]) -> Vec<(u64, u64, u64)> {
    let done = events.iter().filter(|event| event["event"] == "pass_done");
    done.map(|event| {
        let of = |name: &str| event[name].as_u64().unwrap();
        (of("pass"), of("copied"), of("size"))
    })
    .collect()
}

/// The source runs with its volumes, and nothing is left but seeds.
async fn only_seeded(stage: &Stage, volumes: &[String]) {
    let here = stage.server("src", "small").await.expect("the source server is there");
    assert_eq!(here.status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    assert!(stage.server("dst", "small").await.is_none());
    stage.no_orphans(0, volumes.len(), 0, 0);
    stage.no_agents();
}

async fn moved(stage: &Stage, volumes: &[String]) {
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
    stage.no_agents();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_writes_until_it_is_stopped_is_there() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let server = stage.lab.src().server_id("small").unwrap();
    let guest = Guest::start(stage.lab.src(), &server, &volumes);
    let seeded = success(&stage.work("seed", &["--passes", "3"]).output().unwrap());
    assert_eq!(seeded.last().unwrap()["seeded"], 1);
    let passes = passes(&seeded);
    assert_eq!(passes.iter().map(|(pass, ..)| *pass).collect::<Vec<_>>(), [1, 2, 3]);
    for (_, copied, size) in &passes[1..] {
        assert!(*copied > 0 && *copied < 8 << 20 && *size >= 2 << 30, "{passes:?}");
    }
    only_seeded(&stage, &volumes).await;

    let events = success(&stage.work("cutover", &[]).output().unwrap());
    let last = guest.last();
    assert!(last > 10, "the guest wrote {last} times");
    moved(&stage, &volumes).await;
    for (source, copy) in volumes.iter().zip(stage.volumes("dst", "small").await) {
        for at in STAMPS {
            let (here, there) = (stamp(stage.lab.src(), source, at), stamp(stage.lab.dst(), &copy, at));
            assert!(there >= last, "{there} of {last} at {at}");
            assert_eq!(here, there);
        }
    }
    let copied = events.iter().filter(|event| event["event"] == "disk_verified").count();
    assert_eq!(copied, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_was_not_seeded_is_not_cut_over() {
    let stage = Stage::small();
    let output = stage.work("cutover", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("has not been seeded"), "{}", text(&output));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_was_spoilt_is_mended_by_the_cutover() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    success(&stage.work("seed", &[]).output().unwrap());
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    for volume in storage.volumes(&Default::default()).await.unwrap() {
        if volume.metadata.contains_key("osm_job") {
            let file = File::options().write(true).open(stage.lab.dst().volume_file(&volume.id)).unwrap();
            file.write_all_at(&[0xee; 10_000], 77 << 20).unwrap();
        }
    }
    success(&stage.work("cutover", &[]).output().unwrap());
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_go_on_until_the_downtime_is_short_enough() {
    let stage = Stage::small();
    let seeded = success(&stage.work("seed", &["--max-downtime", "300"]).output().unwrap());
    assert_eq!(passes(&seeded).len(), 2, "the first pass cannot tell");
    let never = success(&stage.work("seed", &["--max-downtime", "0", "--passes", "2"]).output().unwrap());
    assert_eq!(passes(&never).iter().map(|(pass, ..)| *pass).collect::<Vec<_>>(), [3, 4]);
    let warned =
        never.iter().any(|event| event["message"].as_str().unwrap_or("").contains("would still take"));
    assert!(warned, "{never:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_snapshots_nothing_is_begun() {
    let stage = Stage::small();
    stage.lab.src().set_quotas(|quotas| quotas.snapshots = 0);
    stage.forget_requests();
    let output = stage.work("seed", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("2 snapshots wanted, 0 available"), "{}", text(&output));
    assert_eq!(stage.changes(), 0);
}

/// Starts a verb and kills it when this step begins, or is done.
fn kill_at(stage: &Stage, verb: &str, step: Step, done: bool) {
    kill_at_line(stage.work(verb, &[]), if done { Line::Done(step) } else { Line::Started(step) });
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_pass_the_next_one_continues() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let steps = [
        Step::Snapshot,
        Step::AttachSource,
        Step::CreateVolumes,
        Step::AttachDestination,
        Step::CopyDisks,
        Step::DetachDestination,
        Step::RestoreSource,
    ];
    for step in steps {
        for done in [false, true] {
            kill_at(&stage, "seed", step, done);
        }
    }
    success(&stage.work("seed", &[]).output().unwrap());
    only_seeded(&stage, &volumes).await;
    for step in steps {
        kill_at(&stage, "cutover", step, true);
    }
    success(&stage.work("cutover", &[]).output().unwrap());
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_interrupted_is_put_back_before_the_next_pass() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    kill_at(&stage, "migrate", Step::DetachVolumes, true);
    let output = stage.work("seed", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(lines(&output).iter().any(|event| event["event"] == "workload_failed"), "{}", text(&output));
    success(&stage.work("seed", &[]).output().unwrap());
    only_seeded(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_given_up_leaves_nothing() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    success(&stage.work("seed", &[]).output().unwrap());
    only_seeded(&stage, &volumes).await;
    let cleaned = success(&stage.work("cleanup", &[]).output().unwrap());
    assert_eq!(cleaned.last().unwrap()["removed"], 1);
    stage.no_orphans(0, 0, 0, 0);
    kill_at(&stage, "migrate", Step::CreatePorts, true);
    success(&stage.work("cleanup", &[]).output().unwrap());
    stage.no_orphans(0, 0, 0, 0);
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    let again = success(&stage.work("cleanup", &[]).output().unwrap());
    assert_eq!(again.last().unwrap()["unchanged"], 1);
    success(&stage.migrate().output().unwrap());
    let moved_already = success(&stage.work("cleanup", &[]).output().unwrap());
    assert_eq!(moved_already.last().unwrap()["unchanged"], 1);
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_as_it_was_begun() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let nothing = success(&stage.work("retry", &["--failed"]).output().unwrap());
    assert_eq!(nothing.len(), 1, "{nothing:?}");
    kill_at(&stage, "seed", Step::CopyDisks, false);
    let seeded = success(&stage.work("retry", &[]).output().unwrap());
    assert_eq!(seeded.last().unwrap()["seeded"], 1);
    only_seeded(&stage, &volumes).await;
    kill_at(&stage, "cutover", Step::CopyDisks, false);
    let done = success(&stage.work("retry", &[]).output().unwrap());
    assert_eq!(done.last().unwrap()["created"], 1);
    moved(&stage, &volumes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_shows_how_the_guest_comes_up_and_leaves_nothing() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let unseeded = stage.work("rehearse", &[]).output().unwrap();
    assert!(text(&unseeded).contains("has not been seeded"), "{}", text(&unseeded));
    success(&stage.work("seed", &[]).output().unwrap());
    let silent = ["--check-console", "no such text", "--check-wait", "1"];
    let failed = stage.work("rehearse", &silent).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed));
    assert!(text(&failed).contains("the clone did not come up"), "{}", text(&failed));
    only_seeded(&stage, &volumes).await;

    let played = success(&stage.work("rehearse", &["--check-console", "login:"]).output().unwrap());
    assert_eq!(played.last().unwrap()["rehearsed"], 1);
    only_seeded(&stage, &volumes).await;

    success(&stage.work("rehearse", &["--keep"]).output().unwrap());
    let clone = stage.server("dst", "small-rehearsal").await.expect("the clone stays");
    assert_eq!(clone.status, "ACTIVE");
    assert!(clone.addresses.iter().flat_map(|(_, list)| list).any(|it| it.addr == "192.168.50.20"));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    // Its guest wrote to the clone, and not to the seeds.
    for volume in stage.volumes("dst", "small-rehearsal").await {
        let file = File::options().write(true).open(stage.lab.dst().volume_file(&volume)).unwrap();
        file.write_all_at(&[0xee; 10_000], 77 << 20).unwrap();
    }
    // The kept one goes, a new one is made.
    kill_at(&stage, "rehearse", Step::CreateServer, true);
    success(&stage.work("rehearse", &[]).output().unwrap());
    only_seeded(&stage, &volumes).await;
    success(&stage.work("cutover", &[]).output().unwrap());
    moved(&stage, &volumes).await;
}
