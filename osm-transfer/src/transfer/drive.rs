//! Keeps requests under way, whatever moves their bytes.

use std::ops::AddAssign;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::checkpoint::{self, LowWater};
use super::engine::Job;
use super::plan::{self, Piece};
use super::progress::Advance;
use crate::Result;
use crate::block::{ByteRange, ZeroMode};

/// What moves the bytes of one request.
pub(super) trait Mover: Sync {
    /// Moves a range that is data as far as is known.
    fn copy(&self, range: ByteRange) -> impl Future<Output = Result<Moved>> + Send;
}

/// What one request moved; together its range.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    pub(super) copied: u64,
    pub(super) zeroed: u64,
}

impl AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.copied += other.copied;
        self.zeroed += other.zeroed;
    }
}

/// Moves every piece of the plan.
pub(super) async fn drive(job: &Job, mover: &impl Mover) -> Result<Advance> {
    let (send, mut pieces) = mpsc::channel(plan::AHEAD);
    let planning = plan::plan(job, send);
    tokio::pin!(planning);
    let mut planned = false;
    let mut drained = false;
    let mut weight = 0;
    let mut running = FuturesUnordered::new();
    let mut advance = job.before().await;
    let mut low = LowWater::at(job.start, advance.copied);
    // One checkpoint at a time, while other bytes move.
    let mut saving = FuturesUnordered::new();
    while !(planned && drained && running.is_empty() && saving.is_empty()) {
        let mut has_room =
            running.is_empty() || (running.len() < job.requests && weight + job.request <= job.in_flight);
        if job.journal.is_some() {
            if saving.is_empty()
                && let Some(mark) = low.due(job.checkpoint_every, advance.copied)
            {
                saving.push(checkpoint::save(job, mark, advance));
            }
            has_room &= !low.is_too_far(job.checkpoint_every, advance.copied);
        }
        tokio::select! {
            biased;
            Some(done) = running.next() => {
                let (piece, moved): (Piece, Moved) = done?;
                weight -= job.weight(piece);
                advance.copied += moved.copied;
                advance.zeroed += moved.zeroed;
                job.progress.advance(advance);
                low.end(piece.range());
            }
            Some(saved) = saving.next() => {
                saved?;
                low.saved();
            }
            piece = pieces.recv(), if has_room && !drained => match piece {
                Some(piece) => {
                    weight += job.weight(piece);
                    low.begin(piece.range());
                    running.push(perform(job, mover, piece));
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

async fn perform(job: &Job, mover: &impl Mover, piece: Piece) -> Result<(Piece, Moved)> {
    let (range, moved) = match piece {
        Piece::Data(range) => (range, mover.copy(range).await),
        Piece::Zeroes(range) => (range, zero(job, range).await),
    };
    match moved {
        Ok(moved) => Ok((piece, moved)),
        Err(error) if error.context().offset.is_some() => Err(error),
        Err(error) => Err(error.with_range(range.offset, range.len)),
    }
}

/// Makes a range of the sink read as zeroes.
pub(super) async fn zero(job: &Job, range: ByteRange) -> Result<Moved> {
    let sink = job.sink.capabilities();
    // Asked once, before the first write: the fresh disk of this job stays zero where it was not written.
    if !job.starts_zeroed {
        let mode = if sink.trim { ZeroMode::Hole } else { ZeroMode::Allocate };
        job.sink.zero(range, mode).await?;
    }
    Ok(Moved { copied: 0, zeroed: range.len })
}

impl Job {
    /// How far the transfer is before it begins.
    async fn before(&self) -> Advance {
        let copied = match &self.journal {
            Some(journal) => journal.lock().await.mark().copied.min(self.start),
            None => 0,
        };
        let to_move: u64 = self.areas.iter().map(|area| area.len).sum();
        Advance { copied, zeroed: self.start - copied, total: self.start + to_move }
    }

    /// Bytes of memory that a piece takes while it is under way: those of one request at a time.
    fn weight(&self, piece: Piece) -> u64 {
        match piece {
            Piece::Data(range) => range.len.min(self.request),
            Piece::Zeroes(_) => 0,
        }
    }
}

impl Piece {
    fn range(self) -> ByteRange {
        let (Self::Data(range) | Self::Zeroes(range)) = self;
        range
    }
}
