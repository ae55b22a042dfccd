//! Whether compressing pays.

use std::time::Duration;

/// Shorter frames are headers, which do not shrink.
const SHORTEST: usize = 1 << 10;

/// How much the last measurement counts.
const WEIGHT: f64 = 0.2;

/// Bytes that pass as they are before it is tried again.
const REST: usize = 4 << 20;

/// Knows how fast the link and the compressor were of late.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Seconds that the link takes for a byte; none before the first.
    link: Option<f64>,
    /// Seconds that the compressor takes for a byte.
    packer: Option<f64>,
    /// What is left of a byte.
    ratio: Option<f64>,
    /// Bytes until the next attempt.
    rest: usize,
}

impl Judge {
    /// Whether the next `len` bytes should be compressed.
    pub(super) fn wants(&mut self, len: usize) -> bool {
        if len < SHORTEST {
            return false;
        }
        let (Some(link), Some(packer), Some(ratio)) = (self.link, self.packer, self.ratio) else {
            return true;
        };
        // Time saved on the link, and time spent.
        if (1.0 - ratio) * link > packer {
            return true;
        }
        self.rest = self.rest.saturating_sub(len);
        if self.rest == 0 {
            self.rest = REST;
            return true;
        }
        false
    }

    /// So many bytes became so many in this time.
    pub(super) fn packed(&mut self, from: usize, to: usize, took: Duration) {
        blend(&mut self.packer, took.as_secs_f64() / from as f64);
        blend(&mut self.ratio, (to as f64 / from as f64).min(1.0));
    }

    /// So many bytes were sent in this time.
    pub(super) fn sent(&mut self, bytes: usize, took: Duration) {
        if bytes >= SHORTEST {
            blend(&mut self.link, took.as_secs_f64() / bytes as f64);
        }
    }
}

fn blend(known: &mut Option<f64>, measured: f64) {
    let before = known.unwrap_or(measured);
    *known = Some(before + WEIGHT * (measured - before));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 100_000;

    /// Of 100 frames, how many are compressed: `link` and `packer` in microseconds a frame.
    fn compressed(link: u64, packer: u64, ratio: f64) -> usize {
        let mut judge = Judge::default();
        let frame = |_: &usize| {
            let packs = judge.wants(LEN);
            let left = if packs { (LEN as f64 * ratio) as usize } else { LEN };
            if packs {
                judge.packed(LEN, left, Duration::from_micros(packer));
            }
            judge.sent(left, Duration::from_micros(link) * left as u32 / LEN as u32);
            packs
        };
        (0..100).filter(frame).count()
    }

    #[test]
    fn it_pays_where_the_link_is_slower_and_the_bytes_shrink() {
        assert_eq!(compressed(1000, 200, 0.3), 100);
        assert!(compressed(100, 200, 0.3) < 5, "the link is faster");
        assert!(compressed(1000, 200, 1.0) < 5, "nothing shrinks");
    }

    #[test]
    fn headers_stay_as_they_are() {
        assert!(!Judge::default().wants(28));
    }
}
