//! A disk read over NFC, as the engine sees it.

use std::ops::Range;

use async_trait::async_trait;
use osm_transfer::block::{BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent};
use tokio::sync::Mutex;

use super::link::Link;
use super::options::NfcOptions;
use super::ticket::TicketDesk;
use crate::vddk::allocation::{Allocation, SECTOR, SMALLEST_CHUNK};
use crate::{Error, ErrorKind, Moref, Result, Session, VirtualDisk};

/// The longest request; through a vCenter no longer one is answered.
const LONGEST: u32 = 2 << 20;

/// A frozen disk, read from its ESXi host without VDDK. The host is told when this is dropped.
#[derive(Debug)]
pub struct NfcDisk {
    link: Link,
    /// The smallest unit that is asked for, in bytes.
    sector: u64,
    tells_allocated: bool,
    allocation: Mutex<Allocation>,
}

impl NfcDisk {
    /// Opens a disk of a snapshot of a machine, as it was configured then. The chain of files below it is read as one.
    ///
    /// # Errors
    /// `Unsupported`: vSphere or the host is too old, or the machine is encrypted. `Auth`: the user lacks the privilege
    /// to read disks. `Unreachable`: the host does not answer, or is not the one that vSphere names. `Refused`: it does
    /// not open the disk, which may be in use. `BadResponse`: the disk has another size than the snapshot's.
    pub async fn open(
        session: &Session,
        machine: &Moref,
        disk: &VirtualDisk,
        options: NfcOptions,
    ) -> Result<Self> {
        options.check()?;
        let named = |error: Error| error.with_object(format!("{} ({}) of {machine}", disk.label, disk.key));
        let file = disk.file.clone().filter(|file| file.starts_with('['));
        let file = file
            .ok_or_else(|| named(Error::new(ErrorKind::Unsupported, "the disk is no file of a datastore")))?;
        let desk = TicketDesk::open(session, machine).await.map_err(named)?;
        let (link, open) = Link::open(desk, file, disk.capacity, options).await?;
        let sectors = link.size / SECTOR;
        let tells_allocated = match sectors < SMALLEST_CHUNK {
            true => false,
            false => match open.allocated(0, 1, SMALLEST_CHUNK * SECTOR).await {
                Ok(_) => true,
                Err(error) => {
                    tracing::debug!(%error, "the host does not tell what is allocated");
                    false
                }
            },
        };
        tracing::debug!(file = link.path, size = link.size, tells_allocated, "a disk is open over NFC");
        let (sector, allocation) = (u64::from(open.sector), Mutex::new(Allocation::new(sectors)));
        Ok(Self { link, sector, tells_allocated, allocation })
    }

    /// Closes the disk, and waits a few seconds for the host to do so.
    pub async fn close(&self) {
        self.link.close().await;
    }

    /// Whole sectors, no longer than a request may be.
    async fn fill(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let (len, mut attempts) = (buffer.len(), self.link.attempts());
        let mut buffer = Some(buffer);
        loop {
            let open = self.link.disk(&mut attempts).await?;
            // What was asked for over a connection that is lost went with it.
            let room = buffer.take().unwrap_or_else(|| Buffer::zeroed(len));
            match open.read(offset, room).await {
                Ok(buffer) => return Ok(buffer),
                Err(error) => self.link.lost(&open, error, &mut attempts).await?,
            }
        }
    }

    /// Any range: of the sectors that it lies in what belongs to it.
    async fn patch(&self, range: ByteRange, mut buffer: Buffer) -> Result<Buffer> {
        let start = range.offset - range.offset % self.sector;
        let end = range.end().next_multiple_of(self.sector).min(self.link.size);
        let mut at = start;
        while at < end {
            let len = (end - at).min(u64::from(LONGEST));
            let piece = self.fill(at, Buffer::zeroed(usize::try_from(len).unwrap_or(0))).await?;
            if let Some(shared) = ByteRange::new(at, len).intersect(range) {
                buffer[within(shared, range.offset)].copy_from_slice(&piece[within(shared, at)]);
            }
            at += len;
        }
        Ok(buffer)
    }

    async fn query(&self, window: &Range<u64>, chunk: u64) -> Result<Vec<Range<u64>>> {
        let mut attempts = self.link.attempts();
        let (start, count) = (window.start * SECTOR, (window.end - window.start) / chunk);
        loop {
            let open = self.link.disk(&mut attempts).await?;
            match open.allocated(start, count, chunk * SECTOR).await {
                Ok(runs) => {
                    let sectors = |at: u64| window.start + at * chunk;
                    return Ok(runs.into_iter().map(|run| sectors(run.start)..sectors(run.end)).collect());
                }
                Err(error) => self.link.lost(&open, error, &mut attempts).await?,
            }
        }
    }

    /// Checks a range before the host sees it.
    fn check(&self, range: ByteRange, operation: &'static str) -> osm_transfer::Result<()> {
        if range.offset.checked_add(range.len).is_some_and(|end| end <= self.link.size) {
            return Ok(());
        }
        let message = format!("the disk has {} bytes", self.link.size);
        let error = osm_transfer::Error::new(osm_transfer::ErrorKind::OutOfBounds, message);
        Err(self.at(error, range, operation))
    }

    fn at(
        &self,
        error: osm_transfer::Error,
        range: ByteRange,
        operation: &'static str,
    ) -> osm_transfer::Error {
        let error = error.with_operation(operation).with_endpoint(self.link.path.clone());
        error.with_range(range.offset, range.len)
    }
}

#[async_trait]
impl BlockSource for NfcDisk {
    fn size(&self) -> u64 {
        self.link.size
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            block_size: BlockSize { minimum: 1, preferred: self.link.options.buffer_size, maximum: LONGEST },
            parallel: self.link.options.buffers as usize,
            extents: self.tells_allocated,
            fast_zero: false,
            trim: false,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> osm_transfer::Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        self.check(range, "read")?;
        if range.is_empty() {
            return Ok(buffer);
        }
        let is_whole = offset.is_multiple_of(self.sector) && range.len.is_multiple_of(self.sector);
        let read = match is_whole && range.len <= u64::from(LONGEST) {
            true => self.fill(offset, buffer).await,
            false => self.patch(range, buffer).await,
        };
        read.map_err(|error| self.at(error.into(), range, "read"))
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        self.check(range, "extents")?;
        if range.is_empty() {
            let error = osm_transfer::Error::new(osm_transfer::ErrorKind::OutOfBounds, "the range is empty");
            return Err(self.at(error, range, "extents"));
        }
        let mut allocation = self.allocation.lock().await;
        if let Some((window, chunk)) = allocation.question(range).filter(|_| self.tells_allocated) {
            let answer = match self.query(&window, chunk).await {
                Ok(blocks) => Some(blocks),
                Err(error) => {
                    tracing::debug!(%error, "what is allocated is not told any more");
                    None
                }
            };
            allocation.answer(window, answer);
        }
        Ok(allocation.told(range))
    }
}

/// A part of a disk as a part of a buffer that begins there.
fn within(part: ByteRange, begin: u64) -> Range<usize> {
    let index = |at: u64| usize::try_from(at - begin).unwrap_or(usize::MAX);
    index(part.offset)..index(part.end())
}
