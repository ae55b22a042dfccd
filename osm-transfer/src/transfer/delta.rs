//! What of a disk is to be moved: all of it, or areas that somebody knows to differ.

use crate::block::{self, ByteRange};
use crate::{Error, ErrorKind, Result};

/// Areas with no more than this between them are moved as one: a request more costs more than these
/// bytes.
const GAP: u64 = 32 << 10;

/// The areas in order, in whole blocks, joined where they are near each other.
///
/// # Errors
/// A `Config` error when one lies beyond the end of the source.
pub(super) fn areas(mut ranges: Vec<ByteRange>, size: u64, align: u64) -> Result<Vec<ByteRange>> {
    ranges.sort_unstable();
    let mut whole = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        if range.offset.checked_add(range.len).is_none_or(|end| end > size) {
            let message =
                format!("the area {range} lies beyond the end of the source, which has {size} bytes");
            return Err(Error::new(ErrorKind::Config, message).with_range(range.offset, range.len));
        }
        let offset = range.offset - range.offset % align;
        let end = range.end().checked_next_multiple_of(align).unwrap_or(size).min(size);
        whole.push(ByteRange::new(offset, end - offset));
    }
    Ok(block::join(whole, GAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn of(ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let ranges = ranges.iter().map(|(offset, len)| ByteRange::new(*offset, *len)).collect();
        areas(ranges, MIB + 100, 512).unwrap().iter().map(|area| (area.offset, area.len)).collect()
    }

    #[test]
    fn near_areas_become_one_and_blocks_are_whole() {
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[(600, 0)]), []);
        assert_eq!(of(&[(600, 1), (100, 50)]), [(0, 1024)]);
        assert_eq!(of(&[(0, 512), (512 + GAP, 512)]), [(0, 1024 + GAP)]);
        assert_eq!(of(&[(0, 512), (1024 + GAP, 512)]), [(0, 512), (1024 + GAP, 512)]);
        assert_eq!(of(&[(0, 900_000), (100, 5)]), [(0, 900_096)]);
        // The last block of the source need not be whole.
        assert_eq!(of(&[(MIB + 99, 1)]), [(MIB, 100)]);
    }

    #[test]
    fn an_area_beyond_the_end_is_named() {
        for (offset, len) in [(MIB, 101), (u64::MAX, 1), (1, u64::MAX)] {
            let error = areas(vec![ByteRange::new(offset, len)], MIB + 100, 1).unwrap_err();
            assert_eq!((error.kind(), error.context().offset), (ErrorKind::Config, Some(offset)));
        }
    }
}
