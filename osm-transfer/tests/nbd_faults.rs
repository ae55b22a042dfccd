//! nbdkit's filters between us and the disk: slow, stingy, broken or standing still, and what a copy makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use nbd_support::{Peer, have, pattern};
use osm_transfer::block::{BlockSink, BlockSource};
use osm_transfer::decorate::{Patience, Reconnect};
use osm_transfer::file::FileDisk;
use osm_transfer::nbd::{Client, ClientOptions, Uri};
use osm_transfer::transfer::{Report, Transfer};
use osm_transfer::{ErrorKind, Result};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

const MIB: usize = 1 << 20;
const SIZE: usize = 16 * MIB;

/// A folder with a disk of 16 MiB of which a quarter is data, and a server of it.
struct Scene {
    folder: TempDir,
    wanted: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut wanted = vec![0; SIZE];
        let source = File::create(folder.path().join("source")).unwrap();
        source.set_len(SIZE as u64).unwrap();
        for start in (0..SIZE).step_by(4 * MIB) {
            let data = pattern(start as u64, MIB);
            source.write_all_at(&data, start as u64).unwrap();
            wanted[start..start + MIB].copy_from_slice(&data);
        }
        Self { folder, wanted }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// nbdkit on the socket `name` with these arguments.
    async fn nbdkit(&self, name: &str, arguments: &[&str]) -> (Peer, Uri) {
        let socket = self.path(name);
        let mut command = Command::new("nbdkit");
        command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket).args(arguments);
        command.current_dir(self.folder.path());
        let peer = Peer::serve(&mut command, &socket).await;
        (peer, format!("nbd+unix:///?socket={}", socket.display()).parse().unwrap())
    }

    async fn sink(&self) -> Arc<dyn BlockSink> {
        Arc::new(FileDisk::open_sink(&self.path("copy"), SIZE as u64).await.unwrap())
    }

    /// Whether a file of the folder is what the source is.
    fn is_copied(&self, name: &str) -> bool {
        std::fs::read(self.path(name)).unwrap() == self.wanted
    }
}

async fn connect(uri: &Uri, seconds: u64) -> Arc<Client> {
    let options = ClientOptions { timeout: Duration::from_secs(seconds), ..ClientOptions::default() };
    Arc::new(Client::connect(uri, &options).await.unwrap())
}

/// A copy that must end, somehow.
async fn copy(source: Arc<dyn BlockSource>, sink: Arc<dyn BlockSink>) -> Result<Report> {
    let transfer = Transfer::builder().source(source).sink(sink).build()?;
    timeout(Duration::from_secs(60), transfer.run()).await.expect("the copy hangs")
}

async fn file(path: &Path) -> Arc<dyn BlockSource> {
    Arc::new(FileDisk::open_source(path).await.unwrap())
}

#[tokio::test]
async fn slow_and_stingy_servers_are_read_right() {
    if !have(&["nbdkit"]) {
        return;
    }
    let filters: [&[&str]; 5] = [
        &["--filter=delay", "file", "source", "rdelay=20ms", "delay-extents=20ms"],
        &["--filter=rate", "file", "source", "rate=400M"],
        &["--filter=noextents", "file", "source"],
        &[
            "--filter=blocksize-policy",
            "file",
            "source",
            "blocksize-minimum=4k",
            "blocksize-preferred=64k",
            "blocksize-maximum=128k",
            "blocksize-error-policy=error",
        ],
        &["--filter=multi-conn", "file", "source", "multi-conn-mode=disable"],
    ];
    for (index, arguments) in filters.into_iter().enumerate() {
        let scene = Scene::new();
        let (_peer, uri) = scene.nbdkit(&format!("socket{index}"), arguments).await;
        let report = copy(connect(&uri, 60).await, scene.sink().await).await.unwrap();
        assert!(scene.is_copied("copy"), "{arguments:?}");
        // nbdkit calls everything data then, and what is said to be data is not looked at.
        let told = !arguments.contains(&"--filter=noextents");
        assert_eq!(report.zeroed >= 12 * MIB as u64, told, "{arguments:?}: {report:?}");
    }
}

#[tokio::test]
async fn stingy_servers_are_written_right() {
    if !have(&["nbdkit"]) {
        return;
    }
    let filters: [&[&str]; 4] = [
        &["--filter=nozero", "file", "target"],
        &["--filter=nozero", "file", "target", "zeromode=emulate"],
        &[
            "--filter=blocksize-policy",
            "file",
            "target",
            "blocksize-minimum=4k",
            "blocksize-maximum=128k",
            "blocksize-error-policy=error",
        ],
        &["--filter=delay", "file", "target", "wdelay=10ms"],
    ];
    for (index, arguments) in filters.into_iter().enumerate() {
        let scene = Scene::new();
        // What was there must not shine through.
        std::fs::write(scene.path("target"), vec![0xee; SIZE]).unwrap();
        let (_peer, uri) = scene.nbdkit(&format!("socket{index}"), arguments).await;
        copy(file(&scene.path("source")).await, connect(&uri, 60).await).await.unwrap();
        assert!(scene.is_copied("target"), "{arguments:?}");
    }
}

/// The filter compares every write with the disk, and refuses one that would change it.
#[tokio::test]
async fn every_byte_that_is_written_is_the_right_one() {
    if !have(&["nbdkit"]) {
        return;
    }
    let scene = Scene::new();
    let (_peer, uri) = scene.nbdkit("socket", &["--filter=checkwrite", "file", "source"]).await;
    copy(file(&scene.path("source")).await, connect(&uri, 60).await).await.unwrap();
    std::fs::write(scene.path("other"), vec![7; SIZE]).unwrap();
    let error = copy(file(&scene.path("other")).await, connect(&uri, 60).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[tokio::test]
async fn a_full_or_small_target_is_said_to_be_one() {
    if !have(&["nbdkit"]) {
        return;
    }
    let scene = Scene::new();
    let full = ["--filter=error", "memory", "16M", "error-pwrite=ENOSPC", "error-pwrite-rate=100%"];
    let (_full, uri) = scene.nbdkit("full", &full).await;
    let error = copy(file(&scene.path("source")).await, connect(&uri, 60).await).await.unwrap_err();
    assert_eq!((error.kind(), error.context().offset.is_some()), (ErrorKind::NoSpace, true), "{error}");

    let (_small, uri) = scene.nbdkit("small", &["--filter=truncate", "memory", "16M", "truncate=15M"]).await;
    let error = copy(file(&scene.path("source")).await, connect(&uri, 60).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test]
async fn a_pause_is_waited_for_and_a_server_that_stands_still_is_not() {
    if !have(&["nbdkit"]) {
        return;
    }
    let scene = Scene::new();
    let arguments = ["--filter=pause", "file", "source", "pause-control=control"];
    let (_peer, uri) = scene.nbdkit("socket", &arguments).await;
    let mut control = UnixStream::connect(scene.path("control")).await.unwrap();
    let mut tell = async |word: u8, answer: u8| {
        control.write_all(&[word]).await.unwrap();
        assert_eq!(control.read_u8().await.unwrap(), answer);
    };
    let client = connect(&uri, 20).await;
    tell(b'p', b'P').await;
    let copying = tokio::spawn(copy(client, scene.sink().await));
    sleep(Duration::from_secs(1)).await;
    assert!(!copying.is_finished(), "nothing is read meanwhile");
    tell(b'r', b'R').await;
    copying.await.unwrap().unwrap();
    assert!(scene.is_copied("copy"));

    let client = connect(&uri, 1).await;
    tell(b'p', b'P').await;
    let error = copy(client, scene.sink().await).await.unwrap_err();
    assert!(nbd_support::chain(&error).contains("stood still"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_stopped_for_a_while_is_found_again() {
    if !have(&["nbdkit"]) {
        return;
    }
    let scene = Scene::new();
    let (peer, uri) = scene.nbdkit("socket", &["--filter=delay", "file", "source", "rdelay=5ms"]).await;
    let open = move || {
        let uri = uri.clone();
        async move {
            let options = ClientOptions { timeout: Duration::from_secs(1), ..ClientOptions::default() };
            Ok(Arc::new(Client::connect(&uri, &options).await?) as Arc<dyn BlockSource>)
        }
        .boxed()
    };
    let patience = Patience { attempts: 6, first_delay: Duration::from_millis(200) };
    let source = Arc::new(Reconnect::open(open, patience).await.unwrap());
    peer.signal(Signal::STOP);
    let copying = tokio::spawn(copy(source, scene.sink().await));
    sleep(Duration::from_secs(3)).await;
    peer.signal(Signal::CONT);
    copying.await.unwrap().unwrap();
    assert!(scene.is_copied("copy"));
}

#[tokio::test]
async fn a_target_that_disappears_ends_the_copy() {
    if !have(&["nbdkit"]) {
        return;
    }
    let scene = Scene::new();
    let (peer, uri) = scene.nbdkit("socket", &["--filter=delay", "memory", "16M", "wdelay=300ms"]).await;
    let copying = tokio::spawn(copy(file(&scene.path("source")).await, connect(&uri, 20).await));
    sleep(Duration::from_millis(100)).await;
    drop(peer);
    assert_eq!(copying.await.unwrap().unwrap_err().kind(), ErrorKind::Io);
}
