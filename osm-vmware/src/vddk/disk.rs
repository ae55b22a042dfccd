//! An open disk, as the engine sees it.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;

use async_trait::async_trait;
use osm_transfer::block::{BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent};
use tokio::sync::oneshot;

use super::Link;
use super::allocation::{Allocation, SECTOR, SMALLEST_CHUNK};
use super::ffi;
use super::library;
use super::options::VddkCompression;
use super::worker::{Event, LONGEST, UNDER_WAY, Worker};
use crate::{Error, ErrorKind, Result};

/// A disk of the snapshot. It is closed when it is dropped, and when what it still reads has ended.
pub struct VddkDisk {
    path: String,
    size: u64,
    extents: bool,
    transport: Option<String>,
    worker: mpsc::Sender<Event>,
}

impl VddkDisk {
    /// Opens a disk; the control thread does that.
    pub(super) fn open(link: &Arc<Link>, path: &str, compression: VddkCompression) -> Result<Self> {
        let Some(connection) = &link.connection else { return Err(super::control::ended()) };
        let disk = connection.open(path, flags(compression))?;
        let sectors = match disk.capacity() {
            Ok(sectors) => sectors,
            Err(failure) => return Err(given_up(disk, Error::from(failure).with_object(path))),
        };
        let Some(size) = sectors.checked_mul(SECTOR) else {
            let error = Error::new(ErrorKind::BadResponse, format!("a disk of {sectors} sectors"));
            return Err(given_up(disk, error.with_object(path)));
        };
        let transport = disk.transport();
        let extents = answers(&disk, sectors);
        tracing::debug!(path, size, extents, transport, "a disk is open");
        let (worker, sender) = Worker::new(disk, Arc::clone(link), Allocation::new(sectors));
        thread::Builder::new()
            .name("vddk-disk".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| Error::new(ErrorKind::Config, "no thread for a disk").with_source(error))?;
        Ok(Self { path: path.to_owned(), size, extents, transport, worker: sender })
    }

    /// Which way the bytes come: `nbdssl`, `file`; none when VDDK does not tell.
    pub fn transport(&self) -> Option<&str> {
        self.transport.as_deref()
    }

    fn at(&self, error: osm_transfer::Error, operation: &'static str) -> osm_transfer::Error {
        error.with_operation(operation).with_endpoint(self.path.clone())
    }

    /// Checks a range before VDDK sees it.
    fn check(&self, range: ByteRange, operation: &'static str) -> osm_transfer::Result<()> {
        let wrong = match () {
            () if range.offset.checked_add(range.len).is_none_or(|end| end > self.size) => {
                format!("the disk has {} bytes", self.size)
            }
            () if !range.offset.is_multiple_of(SECTOR) || !range.len.is_multiple_of(SECTOR) => {
                format!("sectors of {SECTOR} bytes are read as a whole")
            }
            () => return Ok(()),
        };
        let error = osm_transfer::Error::new(osm_transfer::ErrorKind::OutOfBounds, wrong);
        Err(self.at(error, operation).with_range(range.offset, range.len))
    }

    fn ended(&self, operation: &'static str) -> osm_transfer::Error {
        let error = osm_transfer::Error::new(osm_transfer::ErrorKind::Io, "the thread of the disk has ended");
        self.at(error, operation)
    }
}

#[async_trait]
impl BlockSource for VddkDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn capabilities(&self) -> Capabilities {
        let longest = LONGEST as u32;
        Capabilities {
            block_size: BlockSize { minimum: SECTOR as u32, preferred: longest, maximum: 2 * longest },
            parallel: UNDER_WAY,
            extents: self.extents,
            fast_zero: false,
            trim: false,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> osm_transfer::Result<Buffer> {
        self.check(ByteRange::new(offset, buffer.len() as u64), "read")?;
        if buffer.is_empty() {
            return Ok(buffer);
        }
        let (reply, answer) = oneshot::channel();
        drop(self.worker.send(Event::Read { offset, buffer, reply }));
        match answer.await {
            Ok(result) => result.map_err(|error| error.with_endpoint(self.path.clone())),
            Err(_) => Err(self.ended("read")),
        }
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        let end = range.offset.checked_add(range.len);
        if range.is_empty() || end.is_none_or(|end| end > self.size) {
            let message = format!("the disk has {} bytes", self.size);
            let error = osm_transfer::Error::new(osm_transfer::ErrorKind::OutOfBounds, message);
            return Err(self.at(error, "extents").with_range(range.offset, range.len));
        }
        let (reply, answer) = oneshot::channel();
        drop(self.worker.send(Event::Extents { range, reply }));
        answer.await.map_err(|_| self.ended("extents"))
    }
}

impl Drop for VddkDisk {
    fn drop(&mut self) {
        drop(self.worker.send(Event::Close));
    }
}

impl fmt::Debug for VddkDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VddkDisk").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}

fn flags(compression: VddkCompression) -> u32 {
    match compression {
        VddkCompression::None => 0,
        VddkCompression::Zlib => ffi::OPEN_ZLIB,
        VddkCompression::FastLz => ffi::OPEN_FASTLZ,
        VddkCompression::SkipZ => ffi::OPEN_SKIPZ,
    }
}

/// Whether VDDK tells what is allocated of this disk. It is asked, for not every way of reading can.
fn answers(disk: &library::Disk, sectors: u64) -> bool {
    if sectors < SMALLEST_CHUNK || !disk.library().tells_allocated() {
        return false;
    }
    match disk.allocated(0, SMALLEST_CHUNK, SMALLEST_CHUNK) {
        Ok(_) => true,
        Err(failure) => {
            tracing::debug!(code = failure.code, %failure, "VDDK does not tell what is allocated");
            false
        }
    }
}

fn given_up(disk: library::Disk, error: Error) -> Error {
    if let Err(failure) = disk.close() {
        tracing::warn!(%failure, "a disk is not closed as it should be");
    }
    error
}
