//! Migrations over conversion hosts behind a real OpenSSH server.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod sshd;
#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sshd::Sshd;
use stage::{Stage, success, text};

/// `osm-cli migrate` with both conversion hosts behind sshd.
fn migrate(stage: &Stage, sshd: &Sshd) -> Command {
    let known = sshd.known_hosts();
    let (src, dst) = (stage.lab.src(), stage.lab.dst());
    stage.migrate_by(&sshd.spec(src, &known, ""), &sshd.spec(dst, &known, ""))
}

/// What tells whether a file was written again.
fn identity(path: &Path) -> (u64, i64, i64) {
    let meta = fs::metadata(path).unwrap();
    (meta.ino(), meta.mtime(), meta.mtime_nsec())
}

/// Waits until `done`, for a time in which it must have happened on a busy machine too.
fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_over_ssh_and_the_agent_is_copied_once() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    assert!(sshd.agent_files().is_empty());
    // The destination's host is seen for the first time, and may be.
    let fresh = sshd.no_hosts();
    let (src, dst) = (stage.lab.src(), stage.lab.dst());
    let src_host = sshd.spec(src, &sshd.known_hosts(), "");
    let dst_host = sshd.spec(dst, &fresh, ",host-key=accept-new");
    success(&stage.migrate_by(&src_host, &dst_host).output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
    assert_eq!(fs::read_to_string(&fresh).unwrap().lines().count(), 1, "the key was learnt");

    eventually("the leashes are gone", Duration::from_secs(10), || sshd.agent_files().len() == 1);
    let agent = sshd.agent_files().remove(0);
    let copied = identity(&agent);
    // From now on the learnt key is enough.
    success(&stage.migrate_by(&src_host, &sshd.spec(dst, &fresh, "")).output().unwrap());
    eventually("the leashes are gone", Duration::from_secs(10), || sshd.agent_files().len() == 1);
    assert_eq!(identity(&agent), copied, "the agent was copied again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_key_is_not_known_is_refused() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let (src, dst) = (stage.lab.src(), stage.lab.dst());
    let known = sshd.known_hosts();
    for (hosts, more) in [
        (sshd.no_hosts(), ""),
        (sshd.wrong_hosts(), ""),
        // What is accepted is a new host, not another host in the place of a known one.
        (sshd.wrong_hosts(), ",host-key=accept-new"),
    ] {
        stage.forget_requests();
        let before = fs::read_to_string(&hosts).unwrap();
        let (src_host, dst_host) = (sshd.spec(src, &known, ""), sshd.spec(dst, &hosts, more));
        let output = stage.migrate_by(&src_host, &dst_host).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        for word in
            ["os_migrate_conv_dst", "Host key verification failed", "known-hosts=FILE", "host-key=accept-new"]
        {
            assert!(text(&output).contains(word), "no `{word}` in {}", text(&output));
        }
        assert_eq!(fs::read_to_string(&hosts).unwrap(), before);
        assert_eq!(stage.changes(), 0, "the clouds were asked for changes");
    }
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    stage.no_orphans(0, 0, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_copy_it_leaves_no_agents() {
    const BYTES: u64 = 384 << 20;
    let Some(sshd) = Sshd::start() else { return };
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    fill(&stage.lab.src().volume_file(&volumes[1]), BYTES);
    let mut child = migrate(&stage, &sshd).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let under_way = lines.find(|line| {
        let event: serde_json::Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
        event["event"] == "disk_progress"
            && event["volume"] == "small-data"
            && (1..BYTES).contains(&event["copied"].as_u64().unwrap())
    });
    assert!(under_way.is_some(), "nothing was seen of the copy until it ended");
    assert!(!sshd.running_agents().is_empty(), "bytes are copied, and no agent runs");
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the agents end", Duration::from_secs(5), || sshd.running_agents().is_empty());
    eventually("the leashes are gone", Duration::from_secs(5), || sshd.agent_files().len() == 1);

    // What a plain copy began, a compressed one ends.
    success(&migrate(&stage, &sshd).arg("--compress").output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

/// Writes the first bytes of a disk, none of them zero.
fn fill(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| u8::try_from(at % 251).unwrap() + 1).collect();
    for at in (0..bytes).step_by(block.len()) {
        file.write_all_at(&block, at).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_through_a_bastion_that_is_known() {
    let (Some(sshd), Some(bastion)) = (Sshd::start(), Sshd::start()) else { return };
    bastion.lets_in(&sshd);
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let (src, dst) = (stage.lab.src(), stage.lab.dst());
    let known = sshd.known_hosts();
    let without = fs::read(&known).unwrap();
    let jump = format!(",{}", bastion.as_bastion(&known));
    let with = fs::read(&known).unwrap();
    fs::write(&known, without).unwrap();
    let by_bastion = || stage.migrate_by(&sshd.spec(src, &known, &jump), &sshd.spec(dst, &known, &jump));
    let refused = by_bastion().output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("the bastion"), "{}", text(&refused));
    assert_eq!(bastion.connections(), 0);
    fs::write(&known, with).unwrap();
    success(&by_bastion().output().unwrap());
    assert!(bastion.connections() >= 2, "both hosts were reached through it");
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
}
