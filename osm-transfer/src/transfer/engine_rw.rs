//! Read and write: works with every pair of disks.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::engine::Job;
use super::plan::{self, Piece};
use super::progress::Advance;
use crate::block::{BufferPool, ByteRange, Capabilities, ZeroMode, zero_runs};
use crate::{Error, ErrorKind, Result};

/// Zeroes shorter than this are written like data: a request of their own would cost more.
const GRANULARITY: usize = 64 << 10;

/// What one request did.
struct Done {
    /// Bytes it had under way.
    weight: u64,
    copied: u64,
    zeroed: u64,
}

pub(super) async fn run(job: &Job) -> Result<Advance> {
    let engine = ReadWrite::new(job)?;
    let (send, mut pieces) = mpsc::channel(plan::AHEAD);
    let planning = plan::plan(job, send);
    tokio::pin!(planning);
    let mut planned = false;
    let mut drained = false;
    let mut weight = 0;
    let mut running = FuturesUnordered::new();
    let mut advance = Advance { copied: 0, zeroed: 0, total: job.size };
    while !(planned && drained && running.is_empty()) {
        let has_room =
            running.is_empty() || (running.len() < job.requests && weight + job.request <= job.in_flight);
        tokio::select! {
            biased;
            Some(done) = running.next() => {
                let done: Done = done?;
                weight -= done.weight;
                advance.copied += done.copied;
                advance.zeroed += done.zeroed;
                job.progress.advance(advance);
            }
            piece = pieces.recv(), if has_room && !drained => match piece {
                Some(piece) => {
                    weight += piece.weight();
                    running.push(engine.perform(piece));
                }
                None => drained = true,
            },
            plan = &mut planning, if !planned => {
                plan?;
                planned = true;
            }
        }
    }
    Ok(advance)
}

struct ReadWrite<'a> {
    job: &'a Job,
    sink: Capabilities,
    /// Data may hide zeroes that the source does not know of.
    look_for_zeroes: bool,
    granularity: usize,
    buffers: BufferPool,
}

impl<'a> ReadWrite<'a> {
    fn new(job: &'a Job) -> Result<Self> {
        let request = usize::try_from(job.request).map_err(|source| {
            Error::new(ErrorKind::Config, "a request larger than memory").with_source(source)
        })?;
        Ok(Self {
            job,
            sink: job.sink.capabilities(),
            look_for_zeroes: !job.source.capabilities().extents,
            granularity: usize::try_from(job.align).map_or(GRANULARITY, |align| align.max(GRANULARITY)),
            buffers: BufferPool::new(request),
        })
    }

    async fn perform(&self, piece: Piece) -> Result<Done> {
        let (range, done) = match piece {
            Piece::Data(range) => (range, self.copy(range).await),
            Piece::Zeroes(range) => (range, self.zero(range).await),
        };
        done.map_err(|error| match error.context().offset {
            Some(_) => error,
            None => error.with_range(range.offset, range.len),
        })
    }

    async fn copy(&self, range: ByteRange) -> Result<Done> {
        // No longer than a request, which fits in memory.
        let len = usize::try_from(range.len).unwrap_or(usize::MAX);
        let buffer = self.job.source.read(range.offset, self.buffers.take(len)).await?;
        if buffer.len() != len {
            let message = format!("the source gave {} bytes of {len}", buffer.len());
            return Err(Error::new(ErrorKind::Io, message).with_operation("read"));
        }
        if self.look_for_zeroes {
            let runs = zero_runs(&buffer, self.granularity);
            if runs.iter().any(|(_, zero)| *zero) {
                return self.scatter(range, &buffer, &runs).await;
            }
        }
        self.job.sink.write(range.offset, buffer).await?;
        Ok(Done { weight: range.len, copied: range.len, zeroed: 0 })
    }

    /// Writes what is data in `buffer`, and zeroes what is not.
    async fn scatter(&self, range: ByteRange, buffer: &[u8], runs: &[(usize, bool)]) -> Result<Done> {
        let mut done = Done { weight: range.len, copied: 0, zeroed: 0 };
        let mut start = 0;
        for &(len, zero) in runs {
            let run = ByteRange::new(range.offset + start as u64, len as u64);
            if zero {
                self.zero(run).await?;
                done.zeroed += run.len;
            } else {
                let mut part = self.buffers.take(len);
                part.copy_from_slice(&buffer[start..start + len]);
                self.job.sink.write(run.offset, part).await?;
                done.copied += run.len;
            }
            start += len;
        }
        Ok(done)
    }

    async fn zero(&self, range: ByteRange) -> Result<Done> {
        if !self.sink.starts_zeroed {
            let mode = if self.sink.trim { ZeroMode::Hole } else { ZeroMode::Allocate };
            self.job.sink.zero(range, mode).await?;
        }
        Ok(Done { weight: 0, copied: 0, zeroed: range.len })
    }
}

impl Piece {
    /// Bytes of memory it takes while it is under way.
    fn weight(self) -> u64 {
        match self {
            Self::Data(range) => range.len,
            Self::Zeroes(_) => 0,
        }
    }
}
