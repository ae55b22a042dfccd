//! One chunk: what is data is read, what is a hole is only counted.

use std::sync::Arc;

use super::Digest;
use crate::block::{BlockSource, Buffer, BufferPool, ByteRange, Extent, ExtentKind, is_zero};
use crate::{Error, ErrorKind, Result};

/// Zeroes are hashed from a block of this many.
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

/// The chunks of one disk.
pub(super) struct Chunks {
    source: Arc<dyn BlockSource>,
    chunk_size: u64,
    /// The longest request.
    request: u64,
    pool: BufferPool,
    /// The digest of a whole chunk of zeroes: a sparse disk has many.
    zero: Digest,
}

/// The digest of so many zeroes.
pub(super) fn digest_of_zeroes(len: u64) -> Digest {
    let mut hasher = blake3::Hasher::new();
    update_zeroes(&mut hasher, len);
    hasher.finalize().into()
}

/// What became of a chunk.
pub(super) struct Hashed {
    pub(super) digest: Digest,
    pub(super) read: u64,
    pub(super) zeroes: u64,
}

impl Chunks {
    pub(super) fn new(source: Arc<dyn BlockSource>, chunk_size: u64) -> Self {
        let blocks = source.capabilities().block_size;
        let minimum = u64::from(blocks.minimum.max(1));
        let maximum = u64::from(blocks.maximum.max(blocks.minimum).max(1));
        let request = chunk_size.min(maximum - maximum % minimum).max(minimum);
        Self {
            source,
            chunk_size,
            request,
            pool: BufferPool::new(usize::try_from(request).unwrap_or(usize::MAX)),
            zero: digest_of_zeroes(chunk_size),
        }
    }

    /// Hashes `chunk`, whose extents these are.
    pub(super) async fn hash(&self, chunk: ByteRange, extents: &[Extent]) -> Result<Hashed> {
        if chunk.len == self.chunk_size && extents.iter().all(|extent| extent.kind != ExtentKind::Data) {
            return Ok(Hashed { digest: self.zero, read: 0, zeroes: chunk.len });
        }
        if let Some(buffer) = self.whole(chunk).await? {
            let digest = if is_zero(&buffer) { self.zero } else { Digest::of(&buffer) };
            return Ok(Hashed { digest, read: chunk.len, zeroes: 0 });
        }
        let mut hasher = blake3::Hasher::new();
        let mut read = 0;
        for extent in extents {
            match extent.kind {
                ExtentKind::Data => {
                    self.update(&mut hasher, extent.range).await?;
                    read += extent.range.len;
                }
                ExtentKind::Zero | ExtentKind::Hole => update_zeroes(&mut hasher, extent.range.len),
            }
        }
        Ok(Hashed { digest: hasher.finalize().into(), read, zeroes: chunk.len - read })
    }

    /// The bytes of a whole chunk that one request can read, of a disk that knows of no holes: most
    /// chunks of a device are zero, and comparing is cheaper than hashing.
    async fn whole(&self, chunk: ByteRange) -> Result<Option<Buffer>> {
        if self.source.capabilities().extents || chunk.len != self.chunk_size || self.request != chunk.len {
            return Ok(None);
        }
        let buffer = self.pool.take(usize_of(chunk.len)?);
        self.source.read(chunk.offset, buffer).await.map(Some)
    }

    async fn update(&self, hasher: &mut blake3::Hasher, range: ByteRange) -> Result<()> {
        let minimum = u64::from(self.source.capabilities().block_size.minimum.max(1));
        let mut at = range.offset;
        while at < range.end() {
            let wanted = self.request.min(range.end() - at);
            // The disk may have no bytes smaller than a block: read whole blocks, hash what is asked.
            let start = at - at % minimum;
            let end = (at + wanted).next_multiple_of(minimum).min(self.source.size());
            let buffer = self.pool.take(usize_of(end - start)?);
            let buffer = self.source.read(start, buffer).await?;
            let skip = usize_of(at - start)?;
            hasher.update(&buffer[skip..skip + usize_of(wanted)?]);
            at += wanted;
        }
        Ok(())
    }
}

fn update_zeroes(hasher: &mut blake3::Hasher, mut len: u64) {
    while len > 0 {
        let block = len.min(ZEROES.len() as u64);
        hasher.update(&ZEROES[..usize::try_from(block).unwrap_or(ZEROES.len())]);
        len -= block;
    }
}

fn usize_of(len: u64) -> Result<usize> {
    usize::try_from(len).map_err(|_| Error::new(ErrorKind::Config, "a chunk larger than memory"))
}
