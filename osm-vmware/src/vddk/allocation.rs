//! Which parts of a disk are allocated, from answers to questions that VDDK allows, and NFC below it.
//!
//! Both answer in whole chunks only, and not for many of them at once. What is left of the disk after its last whole
//! chunk is taken for data.

use std::ops::Range;

use osm_transfer::block::{ByteRange, Extent, ExtentKind};

/// The unit of all of VDDK's offsets and lengths, in bytes.
pub(crate) const SECTOR: u64 = 512;

/// `VIXDISKLIB_MIN_CHUNK_SIZE`, in sectors.
pub(crate) const SMALLEST_CHUNK: u64 = 128;
/// A mebibyte, the block of VMFS: what is coarser would only turn holes into data.
const LARGEST_CHUNK: u64 = 2048;
/// `VIXDISKLIB_MAX_CHUNK_NUMBER`: no question may be about more chunks.
const MOST_CHUNKS: u64 = 512 * 1024;
/// Copies ask for short ranges, and each question costs a round trip: so much is asked for at once, in sectors.
const AHEAD: u64 = (4 << 30) / SECTOR;

/// What is known of one disk.
#[derive(Debug)]
pub(crate) struct Allocation {
    sectors: u64,
    chunk: u64,
    /// Cleared by the first question that fails: then everything is data.
    answered: bool,
    /// The last answer: these sectors, and their allocated runs in order.
    known: Option<(Range<u64>, Vec<Range<u64>>)>,
}

impl Allocation {
    /// Of a disk of so many sectors.
    pub(crate) fn new(sectors: u64) -> Self {
        let chunk = sectors.div_ceil(MOST_CHUNKS).next_power_of_two().clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        Self { sectors, chunk, answered: true, known: None }
    }

    /// What is known of `range` from its start on. `query` is asked for the allocated blocks of a start, a count and
    /// a chunk, in sectors.
    pub(super) fn extents<E>(
        &mut self,
        range: ByteRange,
        mut query: impl FnMut(u64, u64, u64) -> Result<Vec<Range<u64>>, E>,
    ) -> Vec<Extent> {
        if let Some((window, chunk)) = self.question(range) {
            let answer = query(window.start, window.end - window.start, chunk);
            self.answer(window, answer.ok());
        }
        self.told(range)
    }

    /// What has to be asked before more can be said of `range`: about which sectors, in chunks of how many.
    pub(crate) fn question(&self, range: ByteRange) -> Option<(Range<u64>, u64)> {
        let first = range.offset / SECTOR;
        let is_known = self.known.as_ref().is_some_and(|(window, _)| window.contains(&first));
        let asks = self.answered && first < self.whole() && !is_known;
        asks.then(|| (self.window(first, range.end().div_ceil(SECTOR)), self.chunk))
    }

    /// The answer to a question: the allocated blocks, in sectors; none when it failed.
    pub(crate) fn answer(&mut self, window: Range<u64>, blocks: Option<Vec<Range<u64>>>) {
        match blocks {
            Some(blocks) => {
                let blocks = in_order(blocks, &window);
                self.known = Some((window, blocks));
            }
            None => self.answered = false,
        }
    }

    /// What is known of `range` from its start on; what is not known is data.
    pub(crate) fn told(&self, range: ByteRange) -> Vec<Extent> {
        let first = range.offset / SECTOR;
        match &self.known {
            Some((window, blocks)) if self.answered && window.contains(&first) => {
                extents(window, blocks, range)
            }
            _ => Vec::from([Extent { range, kind: ExtentKind::Data }]),
        }
    }

    /// The end of the last whole chunk.
    fn whole(&self) -> u64 {
        self.sectors - self.sectors % self.chunk
    }

    /// What to ask for when the sectors from `first` to before `end` are wanted.
    fn window(&self, first: u64, end: u64) -> Range<u64> {
        let start = first - first % self.chunk;
        let end = end.next_multiple_of(self.chunk).max(start + AHEAD);
        start..end.min(start + MOST_CHUNKS * self.chunk).min(self.whole())
    }
}

/// Blocks as runs that lie in the window, in order, none touching the next.
fn in_order(mut blocks: Vec<Range<u64>>, window: &Range<u64>) -> Vec<Range<u64>> {
    blocks.sort_unstable_by_key(|block| block.start);
    let mut runs: Vec<Range<u64>> = Vec::with_capacity(blocks.len());
    for block in blocks {
        let block = block.start.max(window.start)..block.end.min(window.end);
        match runs.last_mut() {
            _ if block.is_empty() => {}
            Some(last) if block.start <= last.end => last.end = last.end.max(block.end),
            _ => runs.push(block),
        }
    }
    runs
}

/// What both window and range share; what no run covers is a hole, for the whole chain of the disk is open.
fn extents(window: &Range<u64>, runs: &[Range<u64>], range: ByteRange) -> Vec<Extent> {
    let end = range.end().min(window.end * SECTOR);
    let mut found = Vec::new();
    let mut at = range.offset;
    let mut push = |kind, to: u64| {
        if to > at {
            found.push(Extent::new(at, to - at, kind));
            at = to;
        }
    };
    let begin = runs.partition_point(|run| run.end * SECTOR <= range.offset);
    for run in &runs[begin..] {
        if run.start * SECTOR >= end {
            break;
        }
        push(ExtentKind::Hole, run.start * SECTOR);
        push(ExtentKind::Data, end.min(run.end * SECTOR));
    }
    push(ExtentKind::Hole, end);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as VDDK does, and fails a question that breaks its rules.
    fn answer(
        sectors: u64,
        allocated: &[Range<u64>],
    ) -> impl FnMut(u64, u64, u64) -> Result<Vec<Range<u64>>, ()> {
        move |start, count, chunk| {
            let aligned = start % chunk == 0 && count % chunk == 0 && count > 0 && chunk >= SMALLEST_CHUNK;
            assert!(aligned && start + count <= sectors && count / chunk <= MOST_CHUNKS);
            Ok(allocated
                .iter()
                .map(|run| run.start.max(start)..run.end.min(start + count))
                .filter(|run| !run.is_empty())
                .collect())
        }
    }

    fn all(allocation: &mut Allocation, sectors: u64, allocated: &[Range<u64>]) -> Vec<Extent> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < sectors * SECTOR {
            let rest = ByteRange::new(at, sectors * SECTOR - at);
            let extents = allocation.extents(rest, answer(sectors, allocated));
            for extent in &extents {
                assert_eq!(extent.range.offset, at);
                assert!(extent.range.len > 0);
                at = extent.range.end();
            }
            found.extend(extents);
        }
        found
    }

    #[test]
    fn gaps_are_holes_and_the_odd_tail_is_data() {
        let sectors = 10 * 128 + 3;
        let allocated = [0..128, 256..384, 384..512];
        let chunks = |from: u64, to: u64, kind| Extent::new(from << 16, (to - from) << 16, kind);
        assert_eq!(
            all(&mut Allocation::new(sectors), sectors, &allocated),
            [
                chunks(0, 1, ExtentKind::Data),
                chunks(1, 2, ExtentKind::Hole),
                chunks(2, 4, ExtentKind::Data),
                chunks(4, 10, ExtentKind::Hole),
                Extent::new(640 << 10, 3 * SECTOR, ExtentKind::Data),
            ]
        );
    }

    #[test]
    fn a_range_amid_a_chunk_is_told_exactly() {
        let mut allocation = Allocation::new(1280);
        let range = ByteRange::new(127 * SECTOR, 3 * SECTOR);
        let extents = allocation.extents(range, answer(1280, &[0..128, 256..384]));
        assert_eq!(
            extents,
            [
                Extent::new(127 * SECTOR, SECTOR, ExtentKind::Data),
                Extent::new(128 * SECTOR, 2 * SECTOR, ExtentKind::Hole)
            ]
        );
    }

    #[test]
    fn a_large_disk_is_asked_in_larger_chunks_and_in_parts() {
        let small = Allocation::new((32 << 30) / SECTOR);
        assert_eq!(small.chunk, SMALLEST_CHUNK);
        let sectors = (62 << 40) / SECTOR + 5;
        let mut large = Allocation::new(sectors);
        assert_eq!(large.chunk, LARGEST_CHUNK);
        let whole = ByteRange::new(0, sectors * SECTOR);
        let extents = large.extents(whole, answer(sectors, &[]));
        assert_eq!(extents, [Extent::new(0, 512 << 30, ExtentKind::Hole)]);
        assert_eq!(all(&mut large, sectors, &[]).last().unwrap().range.end(), whole.end());
    }

    #[test]
    fn what_was_answered_is_not_asked_again() {
        let mut allocation = Allocation::new(1 << 20);
        let mut asked = 0;
        for at in 0..100 {
            let extents = allocation.extents(ByteRange::new(at << 20, 1 << 20), |start, count, _| {
                asked += 1;
                Ok::<_, ()>(std::iter::once(start..start + count).collect())
            });
            assert_eq!(extents, [Extent::new(at << 20, 1 << 20, ExtentKind::Data)]);
        }
        assert_eq!(asked, 1);
    }

    #[test]
    fn a_failed_question_means_data_and_is_the_last() {
        let mut allocation = Allocation::new(1 << 20);
        let mut asked = 0;
        for at in 0..3 {
            let range = ByteRange::new(at << 20, 1 << 20);
            let extents = allocation.extents(range, |_, _, _| {
                asked += 1;
                Err(())
            });
            assert_eq!(extents, [Extent { range, kind: ExtentKind::Data }]);
        }
        assert_eq!(asked, 1);
    }
}
