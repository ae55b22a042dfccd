//! The engine: moves a source to a sink.
//!
//! ```text
//!   source --extents--> plan --pieces--> engine --reads, writes, zeroes--> sink --flush--> report
//!                                          |
//!                                       Progress
//! ```
//!
//! A transfer is sized before it begins: a sink that is too small gets no byte. The first error ends
//! it and is the error that is returned; there is no partial success. Success means that the sink
//! was flushed after its last write. With a journal, the next transfer continues where this one was
//! safe, however it ended.

mod bad;
mod cancel;
mod checkpoint;
mod delta;
mod drive;
mod engine;
mod engine_hash;
mod engine_rw;
mod engine_splice;
mod plan;
mod progress;
mod resume;
mod same;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::cancel::CancelFlag;
use self::engine::Job;
pub use self::progress::{Advance, Progress};
use crate::block::{BlockSink, BlockSource, ByteRange};
use crate::endpoint::too_small;
use crate::hash::Digest;
use crate::journal::Journal;
use crate::{Error, ErrorKind, Result};

/// Bytes under way at once.
const IN_FLIGHT: usize = 8 << 20;

/// How a copy is proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// It is not: the disks are trusted.
    #[default]
    None,
    /// The source is hashed while it is moved: its hash is in the report. With
    /// [`verify_with`](Builder::verify_with) the copy is read after the flush, and its hash compared. The
    /// source is read once.
    Inline,
    /// Source and copy are read again after the flush, and their hashes compared.
    ReadBack,
}

/// What a transfer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Bytes of the source.
    pub size: u64,
    /// Bytes that were read and written.
    pub copied: u64,
    /// Bytes that are zeroes and were not read, or not written.
    pub zeroed: u64,
    /// Bytes that earlier runs had moved, as the journal said; they are counted above, too.
    pub resumed: u64,
    /// What could not be read, in order, if that was no error ([`skip_bad`](Builder::skip_bad)): it is counted
    /// as zeroes above, and the copy has zeroes there.
    pub bad: Vec<ByteRange>,
    /// How long it took, flush and verification included.
    pub elapsed: Duration,
    /// The root of the disk's hash, if it was hashed; where the copy was read, that has the same.
    pub digest: Option<Digest>,
}

/// A source, a sink, and how to move one to the other.
pub struct Transfer {
    job: Arc<Job>,
    resume_with: Option<Arc<dyn BlockSource>>,
    verify_with: Option<Arc<dyn BlockSource>>,
    cancel: CancelFlag,
}

/// Builds a [`Transfer`].
#[derive(Default)]
pub struct Builder {
    source: Option<Arc<dyn BlockSource>>,
    sink: Option<Arc<dyn BlockSink>>,
    in_flight: Option<usize>,
    request: Option<u32>,
    verify: Verify,
    verify_with: Option<Arc<dyn BlockSource>>,
    areas: Option<Vec<ByteRange>>,
    journal: Option<(Journal, Arc<dyn BlockSource>)>,
    checkpoint_every: Option<u64>,
    skip_bad: bool,
    progress: Option<Arc<dyn Progress>>,
    cancel: CancelFlag,
}

impl Transfer {
    /// A transfer to be described.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Moves the disk.
    ///
    /// # Errors
    /// The first error of a request, with the range it happened at; `Interrupted` once the flag is
    /// raised; `Mismatch` when verification finds a difference.
    ///
    /// # Cancel safety
    /// May be dropped at any time; requests that the disks have begun may still end. The sink then
    /// holds a part of the source, and was not flushed.
    pub async fn run(self) -> Result<Report> {
        let Self { job, resume_with, verify_with, cancel } = self;
        let work = async {
            let started = Instant::now();
            if let Some(copy) = &resume_with {
                resume::check_tail(&job.source, copy, job.start).await?;
            }
            let (done, hash) = engine::run(&job).await?;
            let digest = match (hash, &verify_with) {
                (Some(hash), Some(copy)) => Some(verify::read_copy(&hash, copy).await?),
                (Some(hash), None) => Some(hash.root),
                (None, Some(copy)) => Some(verify::read_back(&job.source, copy, job.size).await?),
                (None, None) => None,
            };
            Ok(Report {
                size: job.size,
                copied: done.copied,
                zeroed: done.zeroed,
                resumed: job.start,
                bad: job.bad.as_ref().map(bad::joined).unwrap_or_default(),
                elapsed: started.elapsed(),
                digest,
            })
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::new(ErrorKind::Interrupted, "the transfer was cancelled")),
            report = work => report,
        }
    }
}

impl Builder {
    /// What is read.
    #[must_use]
    pub fn source(mut self, source: Arc<dyn BlockSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// What is written.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn BlockSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// How many bytes may be under way at once; 8 MiB unless said otherwise. At least one request
    /// is always under way.
    #[must_use]
    pub fn in_flight(mut self, bytes: usize) -> Self {
        self.in_flight = Some(bytes);
        self
    }

    /// How many bytes one request moves, within what the disks allow; what they prefer, unless said
    /// otherwise.
    #[must_use]
    pub fn request(mut self, bytes: u32) -> Self {
        self.request = Some(bytes);
        self
    }

    /// How the copy is proven.
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// The sink's disk, opened to be read; needed to read the copy back.
    #[must_use]
    pub fn verify_with(mut self, copy: Arc<dyn BlockSource>) -> Self {
        self.verify_with = Some(copy);
        self
    }

    /// Moves these areas only, in any order and overlapping as they may be: what a hypervisor says has
    /// changed, or where two hashes differ ([`differing`](crate::hash::differing)). Everything else of
    /// the sink is taken for what it should be.
    #[must_use]
    pub fn areas(mut self, areas: Vec<ByteRange>) -> Self {
        self.areas = Some(areas);
        self
    }

    /// Continues where the journal says, and tells it how far the transfer is. `copy` is the sink's disk,
    /// opened to be read: the end of what the journal promises is compared before it is believed.
    #[must_use]
    pub fn journal(mut self, journal: Journal, copy: Arc<dyn BlockSource>) -> Self {
        self.journal = Some((journal, copy));
        self
    }

    /// How many bytes are copied between two flushes that the journal is told of; 118 MiB unless said
    /// otherwise. A crash costs twice that at most. The time between two is 5 seconds, if anything moved.
    #[must_use]
    pub fn checkpoint_every(mut self, bytes: u64) -> Self {
        self.checkpoint_every = Some(bytes);
        self
    }

    /// Leaves out, in blocks of 4 KiB, what the source cannot read, instead of failing: the copy has zeroes
    /// there, and the report names it. Such a copy cannot be verified, nor continued by a journal.
    #[must_use]
    pub fn skip_bad(mut self) -> Self {
        self.skip_bad = true;
        self
    }

    /// Who hears how far the transfer is.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// What stops the transfer.
    #[must_use]
    pub fn cancel(mut self, cancel: CancelFlag) -> Self {
        self.cancel = cancel;
        self
    }

    /// Checks that the transfer can be done at all.
    ///
    /// # Errors
    /// A `Config` error: no source or no sink, a sink that is smaller than the source or that is the
    /// source itself, or sizes of requests that do not fit.
    pub fn build(self) -> Result<Transfer> {
        let config = |message: &str| Error::new(ErrorKind::Config, message);
        let source = self.source.ok_or_else(|| config("the transfer has no source"))?;
        let sink = self.sink.ok_or_else(|| config("the transfer has no sink"))?;
        if sink.size() < source.size() {
            return Err(too_small(sink.size(), source.size()));
        }
        if same::is_same_disk(source.descriptor(), sink.descriptor()) {
            return Err(config("source and target are the same disk"));
        }
        if self.skip_bad && (self.verify != Verify::None || self.journal.is_some()) {
            return Err(config("a copy without what cannot be read is neither verified nor continued"));
        }
        let verify_with = match self.verify {
            Verify::None => None,
            Verify::ReadBack if self.verify_with.is_none() => {
                return Err(config("nothing to read the copy back with was given"));
            }
            Verify::Inline | Verify::ReadBack => self.verify_with,
        };
        if verify_with.as_ref().is_some_and(|copy| copy.size() < source.size()) {
            return Err(config("the disk to read the copy back with is smaller than the source"));
        }
        let job = Job::new(source, sink, self.request, self.in_flight.unwrap_or(IN_FLIGHT))?;
        let progress = self.progress.unwrap_or_else(|| Arc::new(()));
        let checkpoint_every = self.checkpoint_every.map_or(job.checkpoint_every, |bytes| bytes.max(1));
        let job = Job { progress, checkpoint_every, ..job };
        let job = match (self.verify, &self.areas) {
            (Verify::Inline, Some(_)) => {
                return Err(config("some areas are moved, which says nothing of the hash of the whole disk"));
            }
            (Verify::Inline, None) => job.hashing(),
            _ => job,
        };
        let job = match self.areas {
            // What a journal promises is about whole disks.
            Some(_) if self.journal.is_some() => {
                return Err(config("a journal continues the copy of a whole disk, not of some areas"));
            }
            Some(areas) => job.limited(areas)?,
            None => job,
        };
        let job = if self.skip_bad { job.skipping_bad() } else { job };
        let (job, resume_with) = match self.journal {
            Some((_, copy)) if copy.size() < job.size => {
                return Err(config("the disk to check the copy with is smaller than the source"));
            }
            Some((journal, copy)) => (job.resumed(journal), Some(copy)),
            None => (job, None),
        };
        Ok(Transfer { job: Arc::new(job), resume_with, verify_with, cancel: self.cancel })
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("source", &self.job.source)
            .field("sink", &self.job.sink)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("source", &self.source)
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}
