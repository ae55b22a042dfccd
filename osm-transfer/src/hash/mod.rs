//! Hashes of disks: are two disks equal, and if not, where.
//!
//! A disk is hashed in chunks of one size, every chunk by BLAKE3; the root is BLAKE3 over the digests
//! of the chunks. Holes are not read, and count as the zeroes they are: how a disk is allocated does
//! not show in its hash.

mod chunk;
mod digest;

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use self::chunk::{Chunks, Hashed};
pub use self::digest::Digest;
use crate::block::{self, BlockSource, ByteRange, Extent};
use crate::transfer::{Advance, Progress};
use crate::{Error, ErrorKind, Result, runtime};

/// Extents are asked for so many bytes at a time.
const SURVEYED: u64 = 256 << 20;

/// How a disk is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashOptions {
    /// Only the first so many bytes; the whole disk without it.
    pub limit: Option<u64>,
    /// Bytes of a chunk, at least 4 KiB and a power of two.
    pub chunk_size: u64,
    /// How many chunks are read and hashed at once.
    pub parallel: usize,
}

impl Default for HashOptions {
    fn default() -> Self {
        Self { limit: None, chunk_size: 1 << 20, parallel: 8 }
    }
}

/// The hash of a disk, and of each of its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskHash {
    /// How many bytes were hashed.
    pub size: u64,
    /// Bytes of a chunk; the last one may be shorter.
    pub chunk_size: u64,
    /// The digest of the whole: BLAKE3 over the digests of the chunks.
    pub root: Digest,
    /// The digest of each chunk, in order.
    pub chunks: Vec<Digest>,
}

impl DiskHash {
    /// The hash of `size` bytes whose chunks of `chunk_size` have these digests.
    pub fn from_chunks(size: u64, chunk_size: u64, chunks: Vec<Digest>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for chunk in &chunks {
            hasher.update(chunk.as_bytes());
        }
        Self { size, chunk_size, root: hasher.finalize().into(), chunks }
    }
}

/// Hashes a disk; `progress` hears of bytes read as copied and of holes as zeroed.
///
/// # Errors
/// The options ask for more bytes than the disk has or for an impossible chunk size, or the disk
/// failed.
///
/// # Cancel safety
/// Dropped, it stops reading; nothing is left behind.
pub async fn hash_disk(
    source: &Arc<dyn BlockSource>,
    options: &HashOptions,
    progress: Arc<dyn Progress>,
) -> Result<DiskHash> {
    let size = checked_size(source.as_ref(), options)?;
    let count = count_of(size, options.chunk_size)?;
    let mut digests = vec![None; count];
    hash_chunks(source, (size, options), 0..count, &mut digests, progress.as_ref()).await?;
    Ok(DiskHash::from_chunks(size, options.chunk_size, digests.into_iter().flatten().collect()))
}

/// The hash of a disk of which only `written` has changed since it was `known`: only the chunks that
/// this touches are read.
///
/// # Errors
/// The disk failed, or is smaller than what was hashed.
///
/// # Cancel safety
/// As for [`hash_disk`].
pub async fn rehash_disk(
    source: &Arc<dyn BlockSource>,
    known: DiskHash,
    written: &[ByteRange],
) -> Result<DiskHash> {
    let DiskHash { size, chunk_size, chunks, .. } = known;
    let options = HashOptions { limit: Some(size), chunk_size, ..HashOptions::default() };
    checked_size(source.as_ref(), &options)?;
    let mut touched: Vec<usize> = Vec::new();
    for range in written.iter().filter(|range| !range.is_empty() && range.offset < size) {
        let first =
            count_of(range.offset, chunk_size)? - usize::from(!range.offset.is_multiple_of(chunk_size));
        touched.extend(first..count_of(range.end().min(size), chunk_size)?);
    }
    touched.sort_unstable();
    touched.dedup();
    let mut digests: Vec<Option<Digest>> = chunks.into_iter().map(Some).collect();
    hash_chunks(source, (size, &options), touched.into_iter(), &mut digests, &()).await?;
    Ok(DiskHash::from_chunks(size, chunk_size, digests.into_iter().flatten().collect()))
}

/// Hashes the chunks with these indexes, which ascend, into their places.
async fn hash_chunks(
    source: &Arc<dyn BlockSource>,
    (size, options): (u64, &HashOptions),
    indexes: impl Iterator<Item = usize>,
    digests: &mut [Option<Digest>],
    progress: &dyn Progress,
) -> Result<()> {
    let chunk_size = options.chunk_size;
    let align = u64::from(source.capabilities().block_size.minimum.max(1));
    let chunks = Arc::new(Chunks::new(Arc::clone(source), chunk_size));
    let mut advance = Advance { copied: 0, zeroed: 0, total: size };
    let runtime = runtime::handle()?;
    let mut running = JoinSet::new();
    let mut known: Vec<Extent> = Vec::new();
    for index in indexes {
        let chunk = range_of(index, chunk_size, size);
        if known.last().is_none_or(|last| last.range.end() < chunk.end()) {
            let ahead = ByteRange::new(chunk.offset, SURVEYED.max(chunk_size).min(size - chunk.offset));
            known = block::survey(source.as_ref(), ahead, align).await?;
        }
        let extents = within(&known, chunk);
        let chunks = Arc::clone(&chunks);
        running.spawn_on(async move { (index, chunks.hash(chunk, &extents).await) }, runtime);
        if running.len() >= options.parallel.max(1) {
            take(running.join_next().await, digests, &mut advance)?;
            progress.advance(advance);
        }
    }
    while !running.is_empty() {
        take(running.join_next().await, digests, &mut advance)?;
        progress.advance(advance);
    }
    Ok(())
}

/// The digests of the chunks of `size` bytes of zeroes.
pub(crate) fn zero_chunks(size: u64, chunk_size: u64) -> Result<Vec<Digest>> {
    let mut chunks = vec![chunk::digest_of_zeroes(chunk_size); count_of(size, chunk_size)?];
    if let Some(last) = chunks.last_mut().filter(|_| !size.is_multiple_of(chunk_size)) {
        *last = chunk::digest_of_zeroes(size % chunk_size);
    }
    Ok(chunks)
}

/// Notes a chunk that was hashed.
fn take(
    ended: Option<std::result::Result<(usize, Result<Hashed>), JoinError>>,
    digests: &mut [Option<Digest>],
    advance: &mut Advance,
) -> Result<()> {
    let Some(ended) = ended else { return Ok(()) };
    let (index, hashed) = ended
        .map_err(|source| Error::new(ErrorKind::Interrupted, "hashing was stopped").with_source(source))?;
    let hashed = hashed?;
    digests[index] = Some(hashed.digest);
    advance.copied += hashed.read;
    advance.zeroed += hashed.zeroes;
    Ok(())
}

/// The parts of `known` that lie in `chunk`.
fn within(known: &[Extent], chunk: ByteRange) -> Vec<Extent> {
    let first = known.partition_point(|extent| extent.range.end() <= chunk.offset);
    let parts = known[first..]
        .iter()
        .map_while(|extent| extent.range.intersect(chunk).map(|range| Extent { range, kind: extent.kind }));
    parts.collect()
}

/// How many chunks so many bytes have.
fn count_of(size: u64, chunk_size: u64) -> Result<usize> {
    usize::try_from(size.div_ceil(chunk_size)).map_err(|_| Error::new(ErrorKind::Config, "too many chunks"))
}

/// The bytes of the chunk with this index.
fn range_of(index: usize, chunk_size: u64, size: u64) -> ByteRange {
    let offset = chunk_size.saturating_mul(index as u64).min(size);
    ByteRange::new(offset, chunk_size.min(size - offset))
}

fn checked_size(source: &dyn BlockSource, options: &HashOptions) -> Result<u64> {
    let HashOptions { limit, chunk_size, .. } = *options;
    if !chunk_size.is_power_of_two() || !(4 << 10..=1 << 30).contains(&chunk_size) {
        let message = format!("a chunk is a power of two from 4 KiB to 1 GiB, not {chunk_size} bytes");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let size = limit.unwrap_or(source.size());
    if size > source.size() {
        let message = format!("cannot hash {size} bytes of a disk of {}", source.size());
        return Err(Error::new(ErrorKind::Config, message));
    }
    Ok(size)
}

/// Where two hashed disks differ, in whole chunks, neighbours joined. Bytes that only the longer one
/// has differ; disks hashed in chunks of different sizes differ as a whole.
pub fn differing(a: &DiskHash, b: &DiskHash) -> Vec<ByteRange> {
    let longer = if a.size >= b.size { a } else { b };
    if a.chunk_size != b.chunk_size {
        return Vec::from([ByteRange::new(0, longer.size)]);
    }
    let differ = (0..longer.chunks.len()).filter(|index| a.chunks.get(*index) != b.chunks.get(*index));
    block::join(differ.map(|index| range_of(index, longer.chunk_size, longer.size)), 0)
}
