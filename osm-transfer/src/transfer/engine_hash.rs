//! Read, hash and write: proves what was moved without reading the source again.

use std::sync::{Arc, Mutex, PoisonError};

use super::drive::{Moved, Mover};
use super::engine::Job;
use super::engine_rw::ReadWrite;
use crate::block::{Buffer, ByteRange};
use crate::hash::{Digest, DiskHash, HashOptions, hash_disk, zero_chunks};
use crate::{Error, ErrorKind, Result, runtime};

/// Reads and writes, and the digests of the chunks between.
pub(super) struct Hashing<'a> {
    job: &'a Job,
    inner: ReadWrite<'a>,
    chunk: u64,
    /// Of zeroes, until a chunk turns out to be data.
    digests: Mutex<Vec<Digest>>,
}

impl<'a> Hashing<'a> {
    pub(super) fn new(job: &'a Job, chunk: u64) -> Result<Self> {
        let digests = Mutex::new(zero_chunks(job.size, chunk)?);
        Ok(Self { job, inner: ReadWrite::new(job)?, chunk, digests })
    }

    /// The hash of the whole source: what earlier runs have moved is read again.
    pub(super) async fn finish(self) -> Result<DiskHash> {
        let mut digests = self.digests.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.job.start > 0 {
            let options =
                HashOptions { limit: Some(self.job.start), chunk_size: self.chunk, ..HashOptions::default() };
            let before = hash_disk(&self.job.source, &options, Arc::new(())).await?;
            digests[..before.chunks.len()].copy_from_slice(&before.chunks);
        }
        Ok(DiskHash::from_chunks(self.job.size, self.chunk, digests))
    }
}

/// Hashes on any thread that moves data: all that is under way shares one otherwise.
async fn hashed(mut hasher: blake3::Hasher, buffer: Buffer) -> Result<(blake3::Hasher, Buffer)> {
    let work = async move {
        hasher.update(&buffer);
        (hasher, buffer)
    };
    let done = runtime::handle()?.spawn(work).await;
    done.map_err(|source| Error::new(ErrorKind::Interrupted, "hashing was stopped").with_source(source))
}

impl Mover for Hashing<'_> {
    async fn copy(&self, chunk: ByteRange) -> Result<Moved> {
        let mut hasher = blake3::Hasher::new();
        let mut moved = Moved::default();
        // Part by part, while it is still in the processor's cache; other chunks are under way meanwhile.
        for part in chunk.pieces(self.job.request) {
            let read = self.inner.read(part).await?;
            let buffer;
            (hasher, buffer) = hashed(hasher, read).await?;
            moved += self.inner.write(part, buffer).await?;
        }
        let index = usize::try_from(chunk.offset / self.chunk)
            .map_err(|_| Error::new(ErrorKind::Config, "too many chunks"))?;
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)[index] = hasher.finalize().into();
        Ok(moved)
    }
}
