//! Which bytes of a read have arrived.

use super::super::wire::PeerMisbehaved;

/// More runs than this is an attack on the list, not a fragmented disk.
const MAX_RUNS: usize = 1 << 14;

/// Disjoint runs of bytes; usually one, so a short list it is.
#[derive(Debug, Default)]
pub(super) struct Cover {
    runs: Vec<(u32, u32)>,
    total: u32,
}

impl Cover {
    /// Adds `start..start + len`, of which no byte may be there already.
    pub(super) fn add(&mut self, start: u32, len: u32) -> Result<(), PeerMisbehaved> {
        let end = start.saturating_add(len);
        let at = self.runs.partition_point(|run| run.1 <= start);
        if self.runs.get(at).is_some_and(|run| run.0 < end) {
            return Err(PeerMisbehaved::OverlappingChunks);
        }
        // Chunks mostly come in order: the run before grows.
        let full = self.runs.len() == MAX_RUNS;
        match at.checked_sub(1).and_then(|before| self.runs.get_mut(before)) {
            Some(before) if before.1 == start => before.1 = end,
            _ if full => {
                return Err(PeerMisbehaved::TooMany { what: "scattered chunks", limit: MAX_RUNS });
            }
            _ => self.runs.insert(at, (start, end)),
        }
        self.total += len;
        Ok(())
    }

    /// How many bytes there are.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_in_any_order_and_never_twice() {
        let mut cover = Cover::default();
        for (start, len) in [(50, 10), (0, 10), (10, 40)] {
            cover.add(start, len).unwrap();
        }
        assert_eq!(cover.total(), 60);
        for (start, len) in [(0, 1), (59, 1), (49, 2), (0, 100), (9, 1)] {
            assert_eq!(cover.add(start, len), Err(PeerMisbehaved::OverlappingChunks), "{start}+{len}");
        }
        assert_eq!(cover.add(60, 1), Ok(()));
    }
}
