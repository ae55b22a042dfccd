//! Checkpoints: from time to time the sink is flushed, and the journal told how far it is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::engine::Job;
use super::progress::Advance;
use crate::Result;
use crate::block::ByteRange;
use crate::journal::Mark;

/// Bytes between two checkpoints. Twice as many may be moved before a checkpoint must have ended: with
/// what is under way (8 MiB) at the mark and at the end, a crash costs no more than 256 MiB.
pub(super) const EVERY: u64 = 118 << 20;

/// The longest time between two checkpoints, however little was moved.
const AFTER: Duration = Duration::from_secs(5);

/// How far everything is done, with requests under way that may end in any order.
pub(super) struct LowWater {
    /// Where the next piece begins.
    issued: u64,
    /// Where the pieces begin that are under way.
    running: BTreeSet<u64>,
    /// What the journal was told last, or is being told: how far, and how many bytes had been copied.
    noted: (u64, u64),
    /// How many bytes had been copied when the last checkpoint that has ended began.
    safe: u64,
    since: Instant,
}

impl LowWater {
    pub(super) fn at(start: u64, copied: u64) -> Self {
        let since = Instant::now();
        Self { issued: start, running: BTreeSet::new(), noted: (start, copied), safe: copied, since }
    }

    /// A piece begins; pieces begin in order.
    pub(super) fn begin(&mut self, range: ByteRange) {
        self.running.insert(range.offset);
        self.issued = range.end();
    }

    pub(super) fn end(&mut self, range: ByteRange) {
        self.running.remove(&range.offset);
    }

    /// Everything before it is done.
    pub(super) fn mark(&self) -> u64 {
        self.running.first().copied().unwrap_or(self.issued)
    }

    /// How far the journal shall be told, if it is time. Zeroes cost nothing to be made again.
    pub(super) fn due(&mut self, every: u64, copied: u64) -> Option<u64> {
        let mark = self.mark();
        let is_time = copied - self.noted.1 >= every || self.since.elapsed() >= AFTER;
        if mark == self.noted.0 || !is_time {
            return None;
        }
        (self.noted, self.since) = ((mark, copied), Instant::now());
        Some(mark)
    }

    /// The checkpoint that was due last has ended.
    pub(super) fn saved(&mut self) {
        self.safe = self.noted.1;
    }

    /// Whether so much would be lost by a crash now that nothing more shall begin.
    pub(super) fn is_too_far(&self, every: u64, copied: u64) -> bool {
        copied - self.safe >= every.saturating_mul(2)
    }
}

/// Flushes the sink, and then tells the journal that everything before `done` is safe.
pub(super) async fn save(job: &Job, done: u64, advance: Advance) -> Result<()> {
    let Some(journal) = &job.journal else { return Ok(()) };
    job.sink.flush().await?;
    // Some of the bytes counted lie beyond.
    let mark = Mark { done, copied: advance.copied.min(done) };
    journal.lock().await.advance(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_where_the_first_unfinished_piece_begins() {
        let mut low = LowWater::at(100, 7);
        let pieces = [ByteRange::new(100, 10), ByteRange::new(110, 10), ByteRange::new(120, 30)];
        assert_eq!(low.mark(), 100);
        pieces.iter().for_each(|piece| low.begin(*piece));
        low.end(pieces[1]);
        assert_eq!((low.mark(), low.due(11, 17)), (100, None));
        low.end(pieces[0]);
        assert_eq!((low.mark(), low.due(21, 27)), (120, None));
        assert_eq!((low.due(20, 27), low.due(20, 27)), (Some(120), None));
        low.end(pieces[2]);
        assert_eq!((low.mark(), low.due(1, 27), low.due(1, 57)), (150, None, Some(150)));
    }

    #[test]
    fn nothing_begins_while_a_crash_would_cost_too_much() {
        let mut low = LowWater::at(0, 0);
        low.begin(ByteRange::new(0, 100));
        low.end(ByteRange::new(0, 100));
        assert_eq!(low.due(50, 100), Some(100));
        assert!(low.is_too_far(50, 100) && !low.is_too_far(51, 100));
        low.saved();
        assert!(!low.is_too_far(50, 199) && low.is_too_far(50, 200));
    }
}
