//! Whether the sink holds what the journal says: the end of it is compared before it is believed.

use std::sync::Arc;

use crate::block::{BlockSource, Buffer, ByteRange};
use crate::{Error, ErrorKind, Result};

/// Bytes before the mark that are read from both disks: the writes that a lying cache would lose.
const TAIL: u64 = 16 << 20;

/// Bytes of a read.
const READ: u64 = 1 << 20;

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
    let mut at = done.saturating_sub(TAIL) / align * align;
    while at < done {
        let range = ByteRange::new(at, READ.min(done - at));
        let (expected, found) = tokio::try_join!(read(source, range), read(copy, range))?;
        if expected[..] != found[..] {
            let message = "the target is not what the journal says: it was written to by somebody else, or \
                           lost writes; delete the journal to move everything from the start";
            return Err(Error::new(ErrorKind::Mismatch, message)
                .with_operation("resume")
                .with_range(range.offset, range.len));
        }
        at = range.end();
    }
    Ok(())
}

async fn read(disk: &Arc<dyn BlockSource>, range: ByteRange) -> Result<Buffer> {
    let length = usize::try_from(range.len).unwrap_or(usize::MAX);
    disk.read(range.offset, Buffer::zeroed(length)).await
}
