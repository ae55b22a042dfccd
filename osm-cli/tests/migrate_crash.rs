//! `kill -9` at any point, and the same command again: the workload has moved once, its disks are
//! equal, nothing is left over, and the source has its volumes back.
//!
//! The real program is killed as soon as the clouds have seen its n-th change, for every n; some of
//! the clouds' work is then still under way, as it would be.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stage::{Stage, success};

/// A migration of the small tenant takes a second or two.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts a migration and kills it at the n-th change; false when it ended before.
fn kill_at(stage: &Stage, n: usize) -> bool {
    stage.forget_requests();
    let mut child = stage.migrate().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + LIMIT;
    while stage.changes() < n {
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
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", volumes).await;
    stage.equal_disks("small", volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many changes a migration asks for when nothing disturbs it.
fn undisturbed() -> usize {
    let stage = Stage::small();
    stage.forget_requests();
    success(&stage.migrate().output().unwrap());
    stage.changes()
}

#[test]
fn killed_at_any_change_it_continues() {
    let total = undisturbed();
    eprintln!("a migration asks for {total} changes");
    assert!(total > 20, "{total} changes: a migration of two disks cannot do with fewer");
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n > total {
                        return;
                    }
                    let stage = Stage::small();
                    let runtime = runtime();
                    let volumes = runtime.block_on(stage.volumes("src", "small"));
                    kill_at(&stage, n);
                    if n.is_multiple_of(3) {
                        // What the clouds know is enough.
                        lose_state(&stage);
                    }
                    runtime.block_on(ends_well(&stage, &volumes));
                }
            });
        }
    });
}

#[test]
fn killed_again_and_again_it_ends() {
    let stage = Stage::small();
    let runtime = runtime();
    let volumes = runtime.block_on(stage.volumes("src", "small"));
    let mut kills = 0;
    while kill_at(&stage, 2) {
        kills += 1;
        assert!(kills < 60, "it does not get on");
    }
    assert!(kills > 5, "killed {kills} times only");
    runtime.block_on(ends_well(&stage, &volumes));
}

/// The state store is gone; everything else of the data directory stays.
fn lose_state(stage: &Stage) {
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let gone = std::fs::remove_file(stage.data_dir().join(name));
        assert!(gone.is_ok() || name != "state.db", "there was no state to lose");
    }
}
