//! Regular files and block devices as disks.
//!
//! A [`FileDisk`] is opened either to be read or to be written; only one process writes to it at a
//! time (an exclusive lock, `flock`, and `O_EXCL` on a block device). Requests run on threads of the
//! disk's own, because a file can always block: several for reads, one for everything that writes,
//! since the kernel lets only one writer at a time into a file anyway. What is known not to block is done
//! right where it is asked for: reads of bytes that are in the page cache, and anything at all on the
//! threads that move data.

mod cached;
mod extent;
mod fed;
mod lane;
mod open;
mod spliced;
mod zero;

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::lane::Lane;
pub(crate) use self::lane::{allow_blocking, once};
use self::zero::Zeroing;
use crate::block::{BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ZeroMode};
use crate::{Error, ErrorKind, Result};

/// Threads that read one disk.
const READERS: usize = 4;

/// A regular file or a block device.
///
/// The lock of a disk that is written is given back when the disk is dropped and its last request
/// has ended.
pub struct FileDisk {
    opened: Arc<Opened>,
    reads: Lane,
    writes: Option<Lane>,
}

/// The file and what was learnt when it was opened.
struct Opened {
    file: File,
    path: PathBuf,
    kind: FileKind,
    size: u64,
    /// Not a byte of it was ever written: it is one hole.
    untouched: AtomicBool,
    zeroing: Zeroing,
    /// The file system cannot tell what is cached.
    uncached: AtomicBool,
    /// Data, as far as it goes around where it was looked for last.
    run: Mutex<ByteRange>,
    /// Held while a regular file is written. The kernel lets one write at a time into it, and whoever waits there
    /// spins; here it sleeps. Two threads that write 2 GiB to a file in tmpfs by turns take twice the
    /// processor time of one.
    writing: Mutex<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Regular,
    /// A block device and its logical sector.
    Device {
        sector: u32,
    },
}

impl FileDisk {
    /// Opens a file or a device to read it; it takes no lock.
    ///
    /// # Errors
    /// It does not exist, cannot be read, or is neither a regular file nor a block device.
    pub async fn open_source(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let opened = lane::once(move || open::source(path)).await?;
        Ok(Self::over(opened, false))
    }

    /// Opens a file or a device to write `size` bytes to it.
    ///
    /// A file that does not exist or is empty becomes a sparse file of exactly `size` bytes. A larger
    /// file or device keeps its size, and what it has beyond is not touched.
    ///
    /// # Errors
    /// It is smaller than `size` (a `Config` error that names both), it is being written by somebody
    /// else, it cannot be written, or it is neither a regular file nor a block device.
    pub async fn open_sink(path: impl AsRef<Path>, size: u64) -> Result<Self> {
        Self::open_sink_within(path, size, Duration::ZERO).await
    }

    /// The same, waiting up to `wait` for somebody else to let go of it.
    ///
    /// # Errors
    /// As for `open_sink`.
    pub async fn open_sink_within(path: impl AsRef<Path>, size: u64, wait: Duration) -> Result<Self> {
        let opened = open::sink(path.as_ref(), size, wait).await?;
        Ok(Self::over(opened, true))
    }

    /// Its path, as it was opened.
    pub fn path(&self) -> &Path {
        &self.opened.path
    }

    fn over(opened: Opened, writable: bool) -> Self {
        Self {
            opened: Arc::new(opened),
            reads: Lane::new("osm-read", READERS),
            writes: writable.then(|| Lane::new("osm-write", 1).or_inline()),
        }
    }

    /// Runs `request` on the threads of `lane`; errors learn the operation and where it happened.
    async fn run<T: Send + 'static>(
        &self,
        lane: &Lane,
        operation: &'static str,
        range: ByteRange,
        request: impl FnOnce(&Opened) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.opened.check(range).map_err(|error| error.with_operation(operation))?;
        let opened = Arc::clone(&self.opened);
        lane.run(move || request(&opened).map_err(|error| opened.at(error, range).with_operation(operation)))
            .await
    }

    fn writer(&self, operation: &'static str) -> Result<&Lane> {
        self.writes.as_ref().ok_or_else(|| {
            let error = Error::new(ErrorKind::ReadOnly, "the disk was opened to be read");
            self.opened.on_path(error).with_operation(operation)
        })
    }

    fn capabilities(&self) -> Capabilities {
        let regular = self.opened.kind == FileKind::Regular;
        Capabilities {
            // The page cache is between us and the sectors: any byte can be addressed.
            block_size: BlockSize { minimum: 1, preferred: 4 << 10, maximum: 1 << 30 },
            parallel: READERS,
            extents: regular,
            fast_zero: self.opened.zeroing.is_fast(),
            trim: self.opened.zeroing.is_fast(),
            starts_zeroed: self.opened.untouched.load(Ordering::Acquire),
            splice: false,
        }
    }
}

#[async_trait]
impl BlockSource for FileDisk {
    fn size(&self) -> u64 {
        self.opened.size
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities()
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        self.opened.check(range).map_err(|error| error.with_operation("read"))?;
        let done = cached::read(&self.opened.file, &self.opened.uncached, &mut buffer, offset);
        if done == buffer.len() {
            return Ok(buffer);
        }
        self.run(&self.reads, "read", range, move |opened| {
            opened.file.read_exact_at(&mut buffer[done..], offset + done as u64).map_err(open::io)?;
            Ok(buffer)
        })
        .await
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        if range.is_empty() {
            let error = Error::new(ErrorKind::OutOfBounds, "extents of no bytes");
            return Err(self.opened.at(error, range).with_operation("extents"));
        }
        self.run(&self.reads, "extents", range, move |opened| match opened.kind {
            FileKind::Regular => Ok(extent::map(opened.file.as_fd(), &opened.run, range)?),
            // Devices have no map of their holes.
            FileKind::Device { .. } => Ok(vec![Extent { range, kind: crate::block::ExtentKind::Data }]),
        })
        .await
    }

    async fn feed(&self, range: ByteRange, pipe: &Arc<OwnedFd>) -> Result<Option<u64>> {
        self.opened.check(range).map_err(|error| error.with_operation("read"))?;
        if fed::is_cached(&self.opened.file, range) {
            let fed = fed::feed(&self.opened.file, pipe.as_fd(), range);
            return fed
                .map(Some)
                .map_err(|error| self.opened.at(open::io(error), range).with_operation("read"));
        }
        let pipe = Arc::clone(pipe);
        self.run(&self.reads, "read", range, move |opened| {
            fed::feed(&opened.file, pipe.as_fd(), range).map(Some).map_err(open::io)
        })
        .await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.opened.file.as_fd())
    }
}

#[async_trait]
impl BlockSink for FileDisk {
    fn size(&self) -> u64 {
        self.opened.size
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { splice: true, ..self.capabilities() }
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        let lane = self.writer("write")?;
        self.opened.untouched.store(false, Ordering::Release);
        self.run(lane, "write", range, move |opened| {
            let _turn = opened.turn_to_write();
            opened.file.write_all_at(&buffer, offset).map_err(open::io)?;
            Ok(buffer)
        })
        .await
    }

    async fn splice(&self, range: ByteRange, pipe: &Arc<OwnedFd>) -> Result<()> {
        self.writer("write")?;
        self.opened.check(range).map_err(|error| error.with_operation("write"))?;
        self.opened.untouched.store(false, Ordering::Release);
        let _turn = self.opened.turn_to_write();
        spliced::write(&self.opened.file, pipe.as_fd(), range)
            .map_err(|error| self.opened.at(open::io(error), range).with_operation("write"))
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        self.run(self.writer("zero")?, "zero", range, move |opened| {
            opened.zeroing.zero(&opened.file, opened.kind, range, mode).map_err(open::io)
        })
        .await
    }

    async fn flush(&self) -> Result<()> {
        let whole = ByteRange::new(0, self.opened.size);
        self.run(self.writer("flush")?, "flush", whole, |opened| {
            rustix::fs::fdatasync(&opened.file).map_err(|error| open::io(error.into()))
        })
        .await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.opened.file.as_fd())
    }
}

impl Opened {
    fn turn_to_write(&self) -> Option<MutexGuard<'_, ()>> {
        let one_by_one = self.kind == FileKind::Regular;
        one_by_one.then(|| self.writing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn check(&self, range: ByteRange) -> Result<()> {
        if range.offset.checked_add(range.len).is_some_and(|end| end <= self.size) {
            return Ok(());
        }
        let message = format!("beyond the end of the disk, which has {} bytes", self.size);
        Err(self.at(Error::new(ErrorKind::OutOfBounds, message), range))
    }

    fn on_path(&self, error: Error) -> Error {
        error.with_endpoint(self.path.display().to_string())
    }

    fn at(&self, error: Error, range: ByteRange) -> Error {
        self.on_path(error).with_range(range.offset, range.len)
    }
}

impl fmt::Debug for FileDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDisk")
            .field("path", &self.opened.path)
            .field("kind", &self.opened.kind)
            .field("size", &self.opened.size)
            .field("writable", &self.writes.is_some())
            .finish_non_exhaustive()
    }
}
