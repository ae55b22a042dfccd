//! Whether the sink holds what the journal says: the end of it is compared before it is believed.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::block::{BlockSource, Buffer, ByteRange};
use crate::{Error, ErrorKind, Result};

/// Bytes before the mark that are read from both disks: the writes that a lying cache would lose.
const TAIL: u64 = 16 << 20;

/// Bytes of a read.
const READ: usize = 1 << 20;

/// Compares the last bytes before `done`.
///
/// # Errors
/// `Mismatch` when they differ; else what failed.
pub(super) async fn check_tail(
    source: &Arc<dyn BlockSource>,
    copy: &Arc<dyn BlockSource>,
    done: u64,
) -> Result<()> {
    let align = u64::from(
        source.capabilities().block_size.minimum.max(copy.capabilities().block_size.minimum).max(1),
    );
    let start = done.saturating_sub(TAIL) / align * align;
    let ranges = (start..done).step_by(READ).map(|at| ByteRange::new(at, (READ as u64).min(done - at)));
    // All at once: a far source answers them in the time of one.
    let mut compared: FuturesUnordered<_> = ranges.map(|range| compare(source, copy, range)).collect();
    while let Some(result) = compared.next().await {
        result?;
    }
    Ok(())
}

async fn compare(source: &Arc<dyn BlockSource>, copy: &Arc<dyn BlockSource>, range: ByteRange) -> Result<()> {
    let (expected, found) = tokio::try_join!(read(source, range), read(copy, range))?;
    if expected[..] == found[..] {
        return Ok(());
    }
    let message = "the target is not what the journal says: it was written to by somebody else, or lost writes; \
                   delete the journal to move everything from the start";
    Err(Error::new(ErrorKind::Mismatch, message).with_operation("resume").with_range(range.offset, range.len))
}

async fn read(disk: &Arc<dyn BlockSource>, range: ByteRange) -> Result<Buffer> {
    let length = usize::try_from(range.len).unwrap_or(usize::MAX);
    disk.read(range.offset, Buffer::zeroed(length)).await
}
