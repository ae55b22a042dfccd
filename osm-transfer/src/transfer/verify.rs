//! Proof of a copy: the hash of the source and that of the copy are compared.

use std::sync::Arc;

use crate::block::BlockSource;
use crate::hash::{Digest, DiskHash, HashOptions, differing, hash_disk};
use crate::{Error, ErrorKind, Result};

/// How many differing ranges an error names.
const NAMED: usize = 8;

/// Reads the first `size` bytes of both disks; the root of their hash if they are equal.
pub(super) async fn read_back(
    source: &Arc<dyn BlockSource>,
    copy: &Arc<dyn BlockSource>,
    size: u64,
) -> Result<Digest> {
    let options = HashOptions { limit: Some(size), ..HashOptions::default() };
    let hashes =
        tokio::try_join!(hash_disk(source, &options, Arc::new(())), hash_disk(copy, &options, Arc::new(())));
    let (expected, found) = hashes.map_err(|error| error.with_operation("verify"))?;
    equal(&expected, &found)
}

/// Reads the copy and compares it with the hash of what was moved; its root if they are equal.
pub(super) async fn read_copy(expected: &DiskHash, copy: &Arc<dyn BlockSource>) -> Result<Digest> {
    let options =
        HashOptions { limit: Some(expected.size), chunk_size: expected.chunk_size, ..HashOptions::default() };
    let found = hash_disk(copy, &options, Arc::new(())).await;
    equal(expected, &found.map_err(|error| error.with_operation("verify"))?)
}

fn equal(expected: &DiskHash, found: &DiskHash) -> Result<Digest> {
    let ranges = differing(expected, found);
    let Some(first) = ranges.first() else { return Ok(expected.root) };
    let named: Vec<_> = ranges.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match ranges.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("the copy differs from the source at bytes {}{more}", named.join(", "));
    Err(Error::new(ErrorKind::Mismatch, message).with_operation("verify").with_range(first.offset, first.len))
}
