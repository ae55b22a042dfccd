//! `kill -9` of a copy at any moment, and the same command again: the copy ends equal, and little is
//! sent twice. `OSM_TRIALS` says how many copies are made; each is killed several times.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use osm_transfer::block::{BlockSource, Buffer, ByteRange, Capabilities, Extent};
use osm_transfer::file::FileDisk;
use osm_transfer::nbd::{Export, Server, ServerOptions};
use tempfile::TempDir;
use tokio::net::UnixListener;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 40 * MIB;
/// Bytes between checkpoints.
const STEP: u64 = MIB;
/// What the engine has under way, and what a resume reads to check: see osm-transfer.
const IN_FLIGHT: u64 = 8 * MIB;
const TAIL: u64 = 16 * MIB;

/// A disk that counts what is read and takes its time.
#[derive(Debug)]
struct Slow {
    disk: FileDisk,
    read: AtomicU64,
}

#[async_trait]
impl BlockSource for Slow {
    fn size(&self) -> u64 {
        BlockSource::size(&self.disk)
    }

    fn capabilities(&self) -> Capabilities {
        BlockSource::capabilities(&self.disk)
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> osm_transfer::Result<Buffer> {
        tokio::time::sleep(Duration::from_millis(45)).await;
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.disk.read(offset, buffer).await
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        self.disk.extents(range).await
    }
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Bench {
    dir: TempDir,
    bytes: Vec<u8>,
    source: Arc<Slow>,
}

impl Bench {
    async fn new(bytes: Vec<u8>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("source");
        fs::write(&path, &bytes).unwrap();
        let disk = FileDisk::open_source(&path).await.unwrap();
        let source = Arc::new(Slow { disk, read: AtomicU64::new(0) });
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let export = Export::read_only("", Arc::clone(&source) as _);
        let server = Server::new(vec![export], ServerOptions::default());
        tokio::spawn(async move {
            let _ = server.serve_unix(listener, std::future::pending()).await;
        });
        Self { dir, bytes, source }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn copy(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
        command.arg("copy");
        command.arg(format!("nbd+unix:///?socket={}", self.path("socket").display()));
        command.arg(self.path("copy")).arg("--journal").arg(self.path("journal"));
        command.args(["--checkpoint-mib", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// How far the journal says that the copy is safe.
fn mark(journal: &Path) -> u64 {
    let bytes = fs::read(journal).unwrap_or_default();
    let (mut rest, mut done) = (&bytes[..], 0);
    while rest.len() >= 8 {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let Some(payload) = rest.get(8..8 + length) else { break };
        if length == 16 {
            done = u64::from_le_bytes(payload[..8].try_into().unwrap());
        }
        rest = &rest[8 + length..];
    }
    done
}

/// Waits for a process for some time.
fn waited(mut child: Child, limit: Duration) -> (Child, Option<ExitStatus>) {
    let started = Instant::now();
    loop {
        let exited = child.try_wait().unwrap();
        if exited.is_some() || started.elapsed() >= limit {
            return (child, exited);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_killed_again_and_again_ends_equal() {
    let trials: u64 = std::env::var("OSM_TRIALS").map_or(4, |count| count.parse().unwrap());
    let mut dice = Dice(7);
    let bytes = (0..SIZE).map(|_| dice.below(256) as u8 | 1).collect();
    let bench = Bench::new(bytes).await;
    let mut kills = 0;
    for trial in 0..trials {
        for name in ["copy", "journal"] {
            let _ = fs::remove_file(bench.path(name));
        }
        for attempt in 0.. {
            let before = (mark(&bench.path("journal")), bench.source.read.load(Ordering::Relaxed));
            let child = bench.copy();
            // After that many it may end.
            let patience = if attempt < 20 { 20 + dice.below(180) } else { 60_000 };
            let exited = tokio::task::spawn_blocking(move || waited(child, Duration::from_millis(patience)));
            let (mut child, exited) = exited.await.unwrap();
            if let Some(status) = exited {
                let said = child.wait_with_output().unwrap();
                assert!(status.success(), "trial {trial}: {}", String::from_utf8_lossy(&said.stderr));
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            // What the killed process had asked for is answered before it is counted.
            tokio::time::sleep(Duration::from_millis(120)).await;
            let sent = bench.source.read.load(Ordering::Relaxed) - before.1;
            let sent = sent.saturating_sub(TAIL.min(before.0));
            let safe = mark(&bench.path("journal")) - before.0;
            // What is under way at the mark and at the end, and a piece each.
            assert!(
                sent <= safe + 3 * STEP + 2 * IN_FLIGHT,
                "trial {trial}, attempt {attempt} from {}: {sent} bytes sent, {safe} kept",
                before.0
            );
        }
        assert!(fs::read(bench.path("copy")).unwrap() == bench.bytes, "trial {trial}");
        assert_eq!(mark(&bench.path("journal")), SIZE);
    }
    println!("{trials} copies ended equal after {kills} kills");
    assert!(kills >= trials, "{kills} kills in {trials} trials show little");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_copy_is_not_made_again_and_another_one_is_refused() {
    let bench = Bench::new(vec![3; (3 * MIB) as usize]).await;
    assert!(bench.copy().wait().unwrap().success());
    let read = bench.source.read.load(Ordering::Relaxed);
    assert!(bench.copy().wait().unwrap().success());
    assert_eq!(bench.source.read.load(Ordering::Relaxed) - read, 3 * MIB, "the tail is read, no more");

    // Somebody wrote to the copy meanwhile.
    let mut copy = bench.bytes.clone();
    copy[MIB as usize] ^= 1;
    fs::write(bench.path("copy"), &copy).unwrap();
    let said = bench.copy().wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(4), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stderr).contains("delete the journal"));

    // The copy is another file now.
    fs::rename(bench.path("copy"), bench.path("elsewhere")).unwrap();
    let said = bench.copy().wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(2), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stderr).contains("about another transfer: its target is"));
}
