//! What the NBD tests share: a disk in memory, a server on a socket, and the peers.

#![allow(dead_code, unreachable_pub)]

pub mod wire;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use osm_transfer::block::{
    BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind, ZeroMode,
};
use osm_transfer::nbd::{Export, Server, ServerOptions, Uri};
use osm_transfer::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The unit in which [`MemoryDisk`] knows holes.
pub const PAGE: usize = 4096;

/// A disk in memory that knows its holes and counts its flushes.
#[derive(Debug)]
pub struct MemoryDisk {
    pub bytes: Mutex<Vec<u8>>,
    pub allocated: Mutex<Vec<bool>>,
    pub block_size: BlockSize,
    pub flushes: AtomicUsize,
    /// Writes at this offset fail.
    pub bad: Option<u64>,
}

impl MemoryDisk {
    pub fn new(size: usize) -> Self {
        Self {
            bytes: Mutex::new(vec![0; size]),
            allocated: Mutex::new(vec![false; size.div_ceil(PAGE)]),
            block_size: BlockSize { minimum: 1, preferred: 4096, maximum: u32::MAX },
            flushes: AtomicUsize::new(0),
            bad: None,
        }
    }

    /// Every byte tells where it is.
    pub fn patterned(size: usize) -> Self {
        let disk = Self::new(size);
        *disk.bytes.lock().unwrap() = pattern(0, size);
        disk.allocated.lock().unwrap().fill(true);
        disk
    }

    fn check(&self, range: ByteRange) -> Result<std::ops::Range<usize>> {
        if range.end() > BlockSource::size(self) {
            return Err(Error::new(ErrorKind::OutOfBounds, "beyond the end"));
        }
        Ok(range.offset as usize..range.end() as usize)
    }
}

/// The bytes of a patterned disk.
pub fn pattern(offset: u64, len: usize) -> Vec<u8> {
    (offset..offset + len as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[async_trait]
impl BlockSource for MemoryDisk {
    fn size(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            block_size: self.block_size,
            parallel: 4,
            extents: true,
            fast_zero: true,
            trim: true,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        let range = self.check(ByteRange::new(offset, buffer.len() as u64))?;
        buffer.copy_from_slice(&self.bytes.lock().unwrap()[range]);
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        self.check(range)?;
        let allocated = self.allocated.lock().unwrap();
        let kind = |at: u64| if allocated[at as usize / PAGE] { ExtentKind::Data } else { ExtentKind::Hole };
        // One extent at a time: who asks must ask again.
        let mut end = range.offset;
        while end < range.end() && kind(end) == kind(range.offset) {
            end = (end / PAGE as u64 + 1) * PAGE as u64;
        }
        Ok(vec![Extent::new(range.offset, end.min(range.end()) - range.offset, kind(range.offset))])
    }
}

#[async_trait]
impl BlockSink for MemoryDisk {
    fn size(&self) -> u64 {
        BlockSource::size(self)
    }

    fn capabilities(&self) -> Capabilities {
        BlockSource::capabilities(self)
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let range = self.check(ByteRange::new(offset, buffer.len() as u64))?;
        if self.bad == Some(offset) {
            return Err(Error::new(ErrorKind::NoSpace, "the bad block"));
        }
        self.allocated.lock().unwrap()[range.start / PAGE..range.end.div_ceil(PAGE)].fill(true);
        self.bytes.lock().unwrap()[range].copy_from_slice(&buffer);
        Ok(buffer)
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        let bytes = self.check(range)?;
        let pages = bytes.start.div_ceil(PAGE)..bytes.end / PAGE;
        if !pages.is_empty() {
            self.allocated.lock().unwrap()[pages].fill(mode == ZeroMode::Allocate);
        }
        self.bytes.lock().unwrap()[bytes].fill(0);
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A server that runs until it is stopped.
pub struct Running {
    pub uri: Uri,
    pub socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
    _dir: tempfile::TempDir,
}

impl Running {
    pub fn start(exports: Vec<Export>, options: ServerOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("nbd.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(exports, options);
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server.serve_unix(listener, stopped).await
        });
        Self { uri: Uri::unix(&socket, ""), socket, stop: Some(stop), task, _dir: dir }
    }

    /// One writable export.
    pub fn of(disk: &Arc<MemoryDisk>) -> Self {
        let (source, sink) = (Arc::clone(disk), Arc::clone(disk));
        Self::start(vec![Export::writable("disk", source, sink)], ServerOptions::default())
    }

    /// Ends it with everything that is under way; the folder of its socket stays.
    pub fn cut(self) {
        self.task.abort();
        std::mem::forget(self._dir);
    }

    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap().unwrap();
    }
}

/// An error and its causes, on one line.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Whether all these programs are installed; says so if one is not.
pub fn have(programs: &[&str]) -> bool {
    for program in programs {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()) {
            assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "{program} is not installed");
            // Not through the test's captured output: a skip is seen.
            std::io::stderr().write_all(format!("skipped: {program} not installed\n").as_bytes()).unwrap();
            return false;
        }
    }
    true
}

/// A peer that is killed when the test is over.
pub struct Peer {
    child: Child,
}

impl Peer {
    /// Starts a server and waits for its socket.
    pub async fn serve(command: &mut Command, socket: &Path) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < deadline, "no socket from {command:?}");
            assert!(child.try_wait().unwrap().is_none(), "{command:?} ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { child }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end; its output, which must be a success.
pub async fn run(command: &mut Command) -> String {
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("true")));
    command.kill_on_drop(true).stdin(Stdio::null());
    let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await;
    let output = output.expect("a peer hangs").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// Polls a future once; whether it is pending.
pub async fn starts(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}
