//! Splice: the kernel moves the bytes from a socket to a disk, and they never pass through our memory.

use super::drive::{Moved, Mover, zero};
use super::engine::Job;
use crate::Result;
use crate::block::ByteRange;

/// Pipes between the disks.
pub(super) struct Splice<'a>(pub(super) &'a Job);

impl Mover for Splice<'_> {
    async fn copy(&self, range: ByteRange) -> Result<Moved> {
        let Self(job) = self;
        let mut zeroed = 0;
        for hole in job.source.splice(range, &job.sink).await? {
            zeroed += zero(job, hole).await?.zeroed;
        }
        Ok(Moved { copied: range.len - zeroed, zeroed })
    }
}
