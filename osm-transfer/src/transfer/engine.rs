//! The seam between a transfer and what moves its bytes.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::checkpoint;
use super::delta;
use super::drive::drive;
use super::engine_hash::Hashing;
use super::engine_rw::ReadWrite;
use super::engine_splice::Splice;
use super::plan;
use super::progress::{Advance, Progress};
use crate::block::{BlockSink, BlockSource, ByteRange, Capabilities};
use crate::hash::{DiskHash, HashOptions};
use crate::journal::Journal;
use crate::{Error, ErrorKind, Result, runtime};

/// A transfer, checked and sized.
pub(super) struct Job {
    pub(super) source: Arc<dyn BlockSource>,
    pub(super) sink: Arc<dyn BlockSink>,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) engine: Engine,
    /// The sink reads as zeroes wherever this job does not write.
    pub(super) starts_zeroed: bool,
    /// Everything before it is in the sink already.
    pub(super) start: u64,
    /// Bytes of the source.
    pub(super) size: u64,
    /// What of it is moved, in order.
    pub(super) areas: Vec<ByteRange>,
    /// The areas are said to have changed: mostly data, whatever the extents.
    pub(super) changed: bool,
    /// Every request begins at a multiple of this, and ends at one or at the end of the source.
    pub(super) align: u64,
    /// Bytes of a request that carries data.
    pub(super) request: u64,
    /// Bytes of a request that only zeroes.
    pub(super) zero_request: u64,
    /// Bytes of data under way at once.
    pub(super) in_flight: u64,
    /// Requests under way at once.
    pub(super) requests: usize,
    /// Where the source could not be read, if that is no error.
    pub(super) bad: Option<std::sync::Mutex<Vec<ByteRange>>>,
    /// What is told how far the transfer is.
    pub(super) journal: Option<Mutex<Journal>>,
    /// Bytes between two checkpoints.
    pub(super) checkpoint_every: u64,
}

/// What moves the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Reads into buffers and writes them: works with every pair of disks.
    ReadWrite,
    /// Reads and writes likewise, and hashes on the way: each piece is a chunk of the hash, of so many bytes.
    Hashing(u64),
    /// Lets the kernel move them, where both disks can.
    Splice,
}

impl Engine {
    /// The best engine for a pair of disks.
    fn for_pair(source: &Capabilities, sink: &Capabilities) -> Self {
        // Without extents, zeroes are only seen by who looks at the bytes.
        if source.splice && sink.splice && source.extents { Self::Splice } else { Self::ReadWrite }
    }

    /// Bytes of a request, unless a disk prefers more.
    fn request(self) -> u32 {
        match self {
            Self::ReadWrite | Self::Hashing(_) => 256 << 10,
            Self::Splice => 512 << 10,
        }
    }
}

/// Moves everything, and flushes it; gives the hash of what was moved if it was asked for.
pub(super) async fn run(job: &Arc<Job>) -> Result<(Advance, Option<DiskHash>)> {
    let job = Arc::clone(job);
    runtime::run(async move {
        let (done, hash) = match job.engine {
            Engine::Hashing(chunk) => {
                let hashing = Hashing::new(&job, chunk)?;
                (drive(&job, &hashing).await?, Some(hashing.finish().await?))
            }
            Engine::ReadWrite => (drive(&job, &ReadWrite::new(&job)?).await?, None),
            Engine::Splice => (drive(&job, &Splice(&job)).await?, None),
        };
        match job.journal {
            Some(_) => checkpoint::save(&job, job.size, done).await?,
            None => job.sink.flush().await?,
        }
        Ok((done, hash))
    })
    .await
}

impl Job {
    /// The same job for these areas only.
    pub(super) fn limited(self, ranges: Vec<ByteRange>) -> Result<Self> {
        let areas = delta::areas(ranges, self.size, self.align)?;
        // Small and scattered: waiting, not copying, is what they cost.
        Ok(Self { areas, changed: true, engine: Engine::ReadWrite, ..self })
    }

    /// The same job, hashing what it moves.
    pub(super) fn hashing(self) -> Self {
        // Whole chunks, and every request aligned as the disks want it.
        let chunk = HashOptions::default().chunk_size.max(self.align);
        let request = self.request.min(chunk);
        Self { request, engine: Engine::Hashing(chunk), ..self }
    }

    /// Bytes of a chunk, if what is moved is hashed.
    pub(super) fn chunk(&self) -> Option<u64> {
        match self.engine {
            Engine::Hashing(chunk) => Some(chunk),
            Engine::ReadWrite | Engine::Splice => None,
        }
    }

    /// The same job, leaving out what cannot be read.
    pub(super) fn skipping_bad(self) -> Self {
        Self { bad: Some(std::sync::Mutex::default()), engine: Engine::ReadWrite, ..self }
    }

    /// The same job from where the journal says.
    pub(super) fn resumed(mut self, journal: Journal) -> Self {
        let done = journal.mark().done;
        let align = self.chunk().unwrap_or(self.align);
        self.start = if done < self.size { done - done % align } else { self.size };
        self.areas = Vec::from([ByteRange::new(self.start, self.size - self.start)]);
        self.journal = Some(Mutex::new(journal));
        self
    }

    pub(super) fn new(
        source: Arc<dyn BlockSource>,
        sink: Arc<dyn BlockSink>,
        request: Option<u32>,
        in_flight: usize,
    ) -> Result<Self> {
        let size = source.size();
        let from = source.capabilities();
        let to = sink.capabilities();
        let align = u64::from(from.block_size.minimum.max(to.block_size.minimum).max(1));
        if !align.is_power_of_two() {
            return Err(misfit(format!("a disk has blocks of {align} bytes, which is no power of two")));
        }
        // A block that the source has only a part of would need bytes that are not the source's.
        if !size.is_multiple_of(u64::from(to.block_size.minimum.max(1))) {
            let block = to.block_size.minimum;
            return Err(misfit(format!("the source has {size} bytes, the target takes blocks of {block}")));
        }
        let longest = u64::from(from.block_size.maximum.min(to.block_size.maximum));
        let longest = longest - longest % align;
        if longest == 0 {
            return Err(misfit(format!(
                "no request suits both disks: one takes blocks of {align} bytes only"
            )));
        }
        let engine = Engine::for_pair(&from, &to);
        let preferred = from.block_size.preferred.max(to.block_size.preferred).max(engine.request());
        let request = u64::from(request.unwrap_or(preferred)).clamp(align, longest);
        let zero_request = u64::from(to.block_size.maximum);
        Ok(Self {
            progress: Arc::new(()),
            engine,
            starts_zeroed: to.starts_zeroed,
            start: 0,
            size,
            areas: Vec::from([ByteRange::new(0, size)]),
            changed: false,
            align,
            request: request - request % align,
            zero_request: (zero_request - zero_request % align).min(plan::WORK_RANGE),
            in_flight: in_flight as u64,
            requests: (from.parallel + to.parallel).max(1),
            bad: None,
            journal: None,
            checkpoint_every: checkpoint::EVERY,
            source,
            sink,
        })
    }
}

fn misfit(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}
