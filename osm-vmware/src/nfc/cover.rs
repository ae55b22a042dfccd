//! Which bytes of a read have arrived.

/// More runs than this is an attack on the list, not a read of at most 2 MiB.
const MOST: usize = 1 << 12;

/// Disjoint runs in order, none touching the next.
#[derive(Debug, Default)]
pub(super) struct Cover(Vec<(u32, u32)>);

impl Cover {
    /// Adds `start..end`. False when a byte of it is there already, or the runs are too many.
    pub(super) fn add(&mut self, start: u32, end: u32) -> bool {
        if self.overlaps(start, end) {
            return false;
        }
        let runs = &mut self.0;
        let at = runs.partition_point(|run| run.1 <= start);
        let joins_next = runs.get(at).is_some_and(|run| run.0 == end);
        let before = at.checked_sub(1).filter(|before| runs[*before].1 == start);
        match (before, joins_next) {
            (Some(before), true) => {
                runs[before].1 = runs[at].1;
                runs.remove(at);
            }
            (Some(before), false) => runs[before].1 = end,
            (None, true) => runs[at].0 = start,
            (None, false) if runs.len() < MOST => runs.insert(at, (start, end)),
            (None, false) => return false,
        }
        true
    }

    /// Whether a byte of `start..end` is there already, or it has none.
    pub(super) fn overlaps(&self, start: u32, end: u32) -> bool {
        let at = self.0.partition_point(|run| run.1 <= start);
        start >= end || self.0.get(at).is_some_and(|run| run.0 < end)
    }

    /// Whether all of `0..len` is there.
    pub(super) fn is(&self, len: u32) -> bool {
        self.0 == [(0, len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_come_in_any_order_and_never_twice() {
        let mut cover = Cover::default();
        for (start, end) in [(50, 60), (0, 10), (20, 50), (10, 20)] {
            assert!(!cover.is(60));
            assert!(cover.add(start, end));
        }
        assert!(cover.is(60));
        for (start, end) in [(0, 1), (59, 61), (49, 51), (0, 100), (9, 10), (70, 70), (9, 5)] {
            assert!(!cover.add(start, end), "{start}..{end}");
        }
        assert!(cover.add(60, 61));
        assert!(!cover.is(60));
    }
}
