//! Read and write: works with every pair of disks.

use std::sync::{Mutex, PoisonError};

use super::bad;
use super::drive::{Moved, Mover, zero};
use super::engine::Job;
use crate::block::{Buffer, BufferPool, ByteRange, zero_runs};
use crate::{Error, ErrorKind, Result};

/// Zeroes shorter than this are written like data: a request of their own would cost more.
const GRANULARITY: usize = 64 << 10;

/// Buffers between the disks.
pub(super) struct ReadWrite<'a> {
    job: &'a Job,
    /// Data may hide zeroes that the source does not know of, or was not asked for.
    look_for_zeroes: bool,
    granularity: usize,
    buffers: BufferPool,
}

impl<'a> ReadWrite<'a> {
    pub(super) fn new(job: &'a Job) -> Result<Self> {
        let request = usize::try_from(job.request).map_err(|source| {
            Error::new(ErrorKind::Config, "a request larger than memory").with_source(source)
        })?;
        Ok(Self {
            job,
            look_for_zeroes: !job.source.capabilities().extents || job.changed || job.chunk().is_some(),
            granularity: usize::try_from(job.align).map_or(GRANULARITY, |align| align.max(GRANULARITY)),
            buffers: BufferPool::new(request),
        })
    }

    /// All bytes of `range`.
    pub(super) async fn read(&self, range: ByteRange) -> Result<Buffer> {
        // No longer than a request, which fits in memory.
        let len = usize::try_from(range.len).unwrap_or(usize::MAX);
        let buffer = self.job.source.read(range.offset, self.buffers.take(len)).await?;
        if buffer.len() != len {
            let message = format!("the source gave {} bytes of {len}", buffer.len());
            return Err(Error::new(ErrorKind::Io, message).with_operation("read"));
        }
        Ok(buffer)
    }

    /// Writes what was read, or zeroes where it turns out to be zero.
    pub(super) async fn write(&self, range: ByteRange, buffer: Buffer) -> Result<Moved> {
        if self.look_for_zeroes {
            let runs = zero_runs(&buffer, self.granularity);
            if runs.iter().any(|(_, is_zero)| *is_zero) {
                return self.scatter(range, &buffer, &runs).await;
            }
        }
        self.job.sink.write(range.offset, buffer).await?;
        Ok(Moved { copied: range.len, zeroed: 0 })
    }

    /// Moves block by block what can be read of `range`; the rest becomes zeroes, and is noted.
    async fn rescue(&self, range: ByteRange, bad: &Mutex<Vec<ByteRange>>) -> Result<Moved> {
        let mut moved = Moved::default();
        for block in bad::blocks(range, self.job.align) {
            moved += match self.read(block).await {
                Ok(buffer) => self.write(block, buffer).await?,
                Err(error) if bad::is_bad(&error) => {
                    tracing::warn!(%error, %block, "what cannot be read is left out");
                    bad.lock().unwrap_or_else(PoisonError::into_inner).push(block);
                    zero(self.job, block).await?
                }
                Err(error) => return Err(error),
            };
        }
        Ok(moved)
    }

    /// Writes what is data in `buffer`, and zeroes what is not.
    async fn scatter(&self, range: ByteRange, buffer: &[u8], runs: &[(usize, bool)]) -> Result<Moved> {
        let mut moved = Moved::default();
        let mut start = 0;
        for &(len, is_zero) in runs {
            let run = ByteRange::new(range.offset + start as u64, len as u64);
            if is_zero {
                moved += zero(self.job, run).await?;
            } else {
                let mut part = self.buffers.take(len);
                part.copy_from_slice(&buffer[start..start + len]);
                self.job.sink.write(run.offset, part).await?;
                moved.copied += run.len;
            }
            start += len;
        }
        Ok(moved)
    }
}

impl Mover for ReadWrite<'_> {
    async fn copy(&self, range: ByteRange) -> Result<Moved> {
        match (self.read(range).await, &self.job.bad) {
            (Ok(buffer), _) => self.write(range, buffer).await,
            (Err(error), Some(bad)) if bad::is_bad(&error) => self.rescue(range, bad).await,
            (Err(error), _) => Err(error),
        }
    }
}
