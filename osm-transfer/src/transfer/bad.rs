//! What of a source cannot be read, when the rest is wanted all the same.

use std::sync::{Mutex, PoisonError};

use crate::block::{self, ByteRange};
use crate::{Error, ErrorKind, Retry};

/// The smallest piece that is given up, unless the disks have larger blocks: the sector of today's drives.
const BLOCK: u64 = 4 << 10;

/// The disk says that it cannot read this, and would say so again.
pub(super) fn is_bad(error: &Error) -> bool {
    error.kind() == ErrorKind::Io && error.retry() == Retry::Never
}

/// The blocks of `range`.
pub(super) fn blocks(range: ByteRange, align: u64) -> impl Iterator<Item = ByteRange> {
    range.pieces(BLOCK.max(align))
}

/// The ranges in order, neighbours joined.
pub(super) fn joined(bad: &Mutex<Vec<ByteRange>>) -> Vec<ByteRange> {
    let mut found = bad.lock().unwrap_or_else(PoisonError::into_inner).clone();
    found.sort_unstable();
    block::join(found, 0)
}
