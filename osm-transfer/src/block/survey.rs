//! The extents of a range, whole and aligned, whatever the source answers.

use super::{BlockSource, ByteRange, Extent, ExtentKind};
use crate::{Error, ErrorKind, Result};

/// What is known of exactly `range`: in order, no gaps, every boundary inside a multiple of `align`,
/// neighbours of different kinds. A block of `align` bytes with any data in it is data. A source
/// without extents has data only.
pub(crate) async fn survey(source: &dyn BlockSource, range: ByteRange, align: u64) -> Result<Vec<Extent>> {
    if !source.capabilities().extents {
        return Ok(Vec::from([Extent { range, kind: ExtentKind::Data }]));
    }
    let mut extents: Vec<Extent> = Vec::new();
    let mut at = range.offset;
    while at < range.end() {
        let rest = ByteRange::new(at, range.end() - at);
        for extent in source.extents(rest).await? {
            match extent.range.intersect(rest) {
                Some(known) if known.offset == at => {
                    extents.push(Extent { range: known, kind: extent.kind });
                    at = known.end();
                }
                _ => break,
            }
        }
        if at == rest.offset {
            return Err(Error::new(ErrorKind::Protocol, "the source tells no extents of a range")
                .with_operation("extents")
                .with_range(rest.offset, rest.len));
        }
    }
    Ok(aligned(&extents, range, align))
}

fn aligned(extents: &[Extent], range: ByteRange, align: u64) -> Vec<Extent> {
    let down = |byte: u64| byte - byte % align;
    let up = |byte: u64| byte.checked_next_multiple_of(align).unwrap_or(u64::MAX).min(range.end());
    // For each extent, the block where the next data after it begins.
    let mut next_data = vec![range.end(); extents.len()];
    for index in (1..extents.len()).rev() {
        let extent = extents[index];
        next_data[index - 1] =
            if extent.kind == ExtentKind::Data { down(extent.range.offset) } else { next_data[index] };
    }
    let mut whole: Vec<Extent> = Vec::with_capacity(extents.len());
    let mut at = range.offset;
    for (extent, next_data) in extents.iter().zip(next_data) {
        let end = match extent.kind {
            ExtentKind::Data => up(extent.range.end()),
            ExtentKind::Zero | ExtentKind::Hole => up(extent.range.end()).min(next_data),
        };
        if end <= at {
            continue;
        }
        match whole.last_mut() {
            Some(last) if last.kind == extent.kind => last.range.len += end - at,
            _ => whole.push(Extent::new(at, end - at, extent.kind)),
        }
        at = end;
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = ExtentKind> {
        prop_oneof![Just(ExtentKind::Data), Just(ExtentKind::Zero), Just(ExtentKind::Hole)]
    }

    proptest! {
        #[test]
        fn aligned_extents_cover_the_range_and_lose_no_data(
            start in 0_u64..4,
            pieces in prop::collection::vec((1_u64..40, kind()), 1..40),
            power in 0_u32..6,
        ) {
            let align = 1 << power;
            let mut at = start * align;
            let mut extents = Vec::new();
            for (len, kind) in pieces {
                extents.push(Extent::new(at, len, kind));
                at += len;
            }
            let range = ByteRange::new(start * align, at - start * align);
            let whole = aligned(&extents, range, align);

            let mut expected = range.offset;
            for pair in whole.windows(2) {
                prop_assert_ne!(pair[0].kind, pair[1].kind);
            }
            for extent in &whole {
                prop_assert_eq!(extent.range.offset, expected);
                prop_assert!(!extent.range.is_empty());
                expected = extent.range.end();
                prop_assert!(expected.is_multiple_of(align) || expected == range.end());
            }
            prop_assert_eq!(expected, range.end());
            // A block is data exactly when some of it is.
            for block in (range.offset..range.end()).step_by(align as usize) {
                let block = ByteRange::new(block, align);
                let has_data = |list: &[Extent]| list.iter().any(|extent| {
                    extent.kind == ExtentKind::Data && extent.range.intersect(block).is_some()
                });
                prop_assert_eq!(has_data(&extents), has_data(&whole));
            }
        }
    }
}
