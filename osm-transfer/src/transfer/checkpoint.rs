//! Checkpoints: from time to time the sink is flushed, and the journal told how far it is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::engine::Job;
use super::progress::Advance;
use crate::Result;
use crate::block::ByteRange;
use crate::journal::Mark;

/// Bytes between two checkpoints: what a crash costs at most, and a moment's work.
pub(super) const EVERY: u64 = 256 << 20;

/// The longest time between two checkpoints, however little was moved.
const AFTER: Duration = Duration::from_secs(5);

/// How far everything is done, with requests under way that may end in any order.
pub(super) struct LowWater {
    /// Where the next piece begins.
    issued: u64,
    /// Where the pieces begin that are under way.
    running: BTreeSet<u64>,
    /// What the journal knows.
    noted: u64,
    since: Instant,
}

impl LowWater {
    pub(super) fn at(start: u64) -> Self {
        Self { issued: start, running: BTreeSet::new(), noted: start, since: Instant::now() }
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

    /// How far the journal shall be told, if it is time.
    pub(super) fn due(&mut self, every: u64) -> Option<u64> {
        let mark = self.mark();
        let moved = mark - self.noted;
        if moved < every && (moved == 0 || self.since.elapsed() < AFTER) {
            return None;
        }
        (self.noted, self.since) = (mark, Instant::now());
        Some(mark)
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
        let mut low = LowWater::at(100);
        let pieces = [ByteRange::new(100, 10), ByteRange::new(110, 10), ByteRange::new(120, 30)];
        assert_eq!(low.mark(), 100);
        pieces.iter().for_each(|piece| low.begin(*piece));
        low.end(pieces[1]);
        assert_eq!((low.mark(), low.due(1)), (100, None));
        low.end(pieces[0]);
        assert_eq!((low.mark(), low.due(21)), (120, None));
        assert_eq!((low.due(20), low.due(20)), (Some(120), None));
        low.end(pieces[2]);
        assert_eq!((low.mark(), low.due(1)), (150, Some(150)));
    }
}
