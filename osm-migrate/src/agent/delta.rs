//! Only what differs travels: both agents hash their own disk, and the exporter's digests go ahead of NBD.
//!
//! ```text
//!   agent export --delta                    agent pull --delta
//!   hash the source                         hash the copy
//!   header, digests             ------->    compare
//!   NBD server                  <-------    one byte: go on
//!                               <------>    NBD: the chunks that differ
//! ```
//!
//! The byte keeps the server's handshake from waiting for the other end's hash, which may take hours longer.

use std::path::Path;
use std::sync::Arc;

use osm_transfer::block::{BlockSource, ByteRange};
use osm_transfer::hash::{Digest, DiskHash, HashOptions, differing, hash_disk, rehash_disk};
use osm_transfer::transfer::{Advance, Progress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::disk::{named, open_source, uncached};
use super::report::Reporter;
use super::stdio::{Reader, Writer};
use crate::{Error, ErrorKind, Result};

/// What the list of digests begins with; the last character is its version.
const MAGIC: [u8; 8] = *b"osmhash1";

/// Says that the copy is hashed and NBD may begin.
const GO_ON: u8 = b'+';

/// The least bytes of a chunk: what one changed byte costs.
const LEAST_CHUNK: u64 = 64 << 10;

/// The most chunks of a disk that are worth small chunks; more make larger ones. Each takes 32 bytes of
/// both agents' memory.
const MANY_CHUNKS: u64 = 1 << 20;

/// How the first `size` bytes of a disk are hashed, on either end.
pub(super) fn hash_options(size: u64) -> HashOptions {
    let chunk_size = size.div_ceil(MANY_CHUNKS).next_power_of_two().max(LEAST_CHUNK);
    HashOptions { limit: Some(size), chunk_size, ..HashOptions::default() }
}

/// Hashes the source, sends its digests, and waits until the other end asks for the rest; gives the root of
/// the hash.
pub(super) async fn offer(
    source: &Arc<dyn BlockSource>,
    (reader, writer): &mut (Reader, Writer),
) -> Result<Digest> {
    let hash = hash_disk(source, &hash_options(source.size()), Arc::new(())).await?;
    writer.write_all(&MAGIC).await?;
    writer.write_u64(hash.size).await?;
    writer.write_u64(hash.chunk_size).await?;
    for digest in &hash.chunks {
        writer.write_all(digest.as_bytes()).await?;
    }
    writer.write_all(hash.root.as_bytes()).await?;
    writer.flush().await?;
    match reader.read_u8().await? {
        GO_ON => Ok(hash.root),
        other => Err(Error::new(ErrorKind::Agent, format!("byte {other} instead of the wish to go on"))),
    }
}

/// Where both ends differ.
pub(super) struct Delta {
    /// Of the copy as it was.
    copy: DiskHash,
    pub(super) areas: Vec<ByteRange>,
}

impl Delta {
    /// Hashes the copy on `device` while the digests of the source arrive.
    pub(super) async fn find(
        device: &Path,
        size: u64,
        (reader, writer): &mut (Reader, Writer),
    ) -> Result<Self> {
        let disk = open_source(device).await?;
        uncached(disk.as_ref());
        let options = hash_options(size);
        let own = async {
            let hashed = hash_disk(&disk, &options, Arc::new(())).await;
            hashed.map_err(|error| named(error.into(), device))
        };
        let (copy, source) = tokio::try_join!(own, receive(reader, size))?;
        writer.write_u8(GO_ON).await?;
        writer.flush().await?;
        let areas = differing(&source, &copy);
        Ok(Self { copy, areas })
    }

    /// Bytes that need not travel.
    pub(super) fn same(&self) -> u64 {
        self.copy.size - self.areas.iter().map(|area| area.len).sum::<u64>()
    }

    /// What the copy hashes to once the areas are written: they are read again, the rest was read before.
    pub(super) async fn root(self, device: &Path) -> Result<Digest> {
        let disk = open_source(device).await?;
        uncached(disk.as_ref());
        let copy = rehash_disk(&disk, self.copy, &self.areas).await;
        Ok(copy.map_err(|error| named(error.into(), device))?.root)
    }
}

/// Reads the digests of a source of `size` bytes.
async fn receive(reader: &mut Reader, size: u64) -> Result<DiskHash> {
    let wrong = |message: String| Error::new(ErrorKind::Agent, message);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(wrong("the source's agent does not send digests".to_owned())
            .with_hint("both agents get --delta, or neither"));
    }
    let (served, chunk_size) = (reader.read_u64().await?, reader.read_u64().await?);
    if served != size {
        return Err(wrong(format!("the source serves {served} bytes, not {size}")));
    }
    if chunk_size != hash_options(size).chunk_size {
        return Err(wrong(format!("the source is hashed in chunks of {chunk_size} bytes")));
    }
    let mut chunks = Vec::new();
    for _ in 0..size.div_ceil(chunk_size) {
        chunks.push(digest(reader).await?);
    }
    let hash = DiskHash::from_chunks(size, chunk_size, chunks);
    if hash.root != digest(reader).await? {
        return Err(wrong("the digests of the source were damaged on their way".to_owned()));
    }
    Ok(hash)
}

async fn digest(reader: &mut Reader) -> Result<Digest> {
    let mut bytes = [0; 32];
    reader.read_exact(&mut bytes).await?;
    Ok(bytes.into())
}

/// Progress of the areas as progress of the disk.
pub(super) struct Rest {
    pub(super) reporter: Reporter,
    pub(super) same: u64,
    pub(super) size: u64,
}

impl Progress for Rest {
    fn advance(&self, advance: Advance) {
        let zeroed = advance.zeroed + self.same;
        self.reporter.advance(Advance { copied: advance.copied, zeroed, total: self.size });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_small_until_there_are_many() {
        let chunk = |size| hash_options(size).chunk_size;
        assert_eq!((chunk(0), chunk(1), chunk(64 << 30)), (64 << 10, 64 << 10, 64 << 10));
        assert_eq!((chunk((64 << 30) + 1), chunk(1 << 40)), (128 << 10, 1 << 20));
    }

    #[tokio::test]
    async fn damaged_digests_are_refused() {
        let hash = DiskHash::from_chunks(100, 64 << 10, vec![Digest::of(b"chunk")]);
        let mut list = MAGIC.to_vec();
        list.extend(100_u64.to_be_bytes());
        list.extend((64_u64 << 10).to_be_bytes());
        list.extend(hash.chunks[0].as_bytes());
        list.extend(hash.root.as_bytes());
        let read = async |list: Vec<u8>, size| {
            let mut reader: Reader = Box::new(std::io::Cursor::new(list));
            receive(&mut reader, size).await
        };
        assert_eq!(read(list.clone(), 100).await.unwrap(), hash);
        assert!(read(list.clone(), 101).await.unwrap_err().to_string().contains("serves 100 bytes"));
        for at in 0..list.len() {
            let mut damaged = list.clone();
            damaged[at] ^= 1;
            assert!(read(damaged, 100).await.is_err(), "a flipped bit in byte {at} passes");
            assert!(read(list[..at].to_vec(), 100).await.is_err(), "{at} bytes suffice");
        }
    }
}
