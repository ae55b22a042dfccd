//! The seam between a transfer and what moves its bytes.

use std::sync::Arc;

use super::engine_rw;
use super::progress::{Advance, Progress};
use super::{REQUEST, plan};
use crate::block::{BlockSink, BlockSource, Capabilities};
use crate::{Error, ErrorKind, Result, runtime};

/// A transfer, checked and sized.
pub(super) struct Job {
    pub(super) source: Arc<dyn BlockSource>,
    pub(super) sink: Arc<dyn BlockSink>,
    pub(super) progress: Arc<dyn Progress>,
    /// Bytes to move: the source's size.
    pub(super) size: u64,
    /// Every request begins at a multiple of this, and ends at one or at the end of the source.
    pub(super) align: u64,
    /// Bytes of a request that carries data.
    pub(super) request: u64,
    /// Bytes of a request that only zeroes.
    pub(super) zero_request: u64,
    /// Bytes of data under way at once.
    pub(super) in_flight: u64,
    /// Requests under way at once.
    pub(super) requests: usize,
}

/// What moves the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    /// Reads into buffers and writes them: works with every pair of disks.
    ReadWrite,
}

impl Engine {
    /// The best engine for a pair of disks.
    fn for_pair(_source: &Capabilities, _sink: &Capabilities) -> Self {
        Self::ReadWrite
    }
}

/// Moves everything, and flushes it.
pub(super) async fn run(job: &Arc<Job>) -> Result<Advance> {
    let engine = Engine::for_pair(&job.source.capabilities(), &job.sink.capabilities());
    let job = Arc::clone(job);
    runtime::run(async move {
        let done = match engine {
            Engine::ReadWrite => engine_rw::run(&job).await?,
        };
        job.sink.flush().await?;
        Ok(done)
    })
    .await
}

impl Job {
    pub(super) fn new(
        source: Arc<dyn BlockSource>,
        sink: Arc<dyn BlockSink>,
        request: Option<u32>,
        in_flight: usize,
    ) -> Result<Self> {
        let size = source.size();
        let from = source.capabilities();
        let to = sink.capabilities();
        let align = u64::from(from.block_size.minimum.max(to.block_size.minimum).max(1));
        if !align.is_power_of_two() {
            return Err(misfit(format!("a disk has blocks of {align} bytes, which is no power of two")));
        }
        // A block that the source has only a part of would need bytes that are not the source's.
        if !size.is_multiple_of(u64::from(to.block_size.minimum.max(1))) {
            let block = to.block_size.minimum;
            return Err(misfit(format!("the source has {size} bytes, the target takes blocks of {block}")));
        }
        let longest = u64::from(from.block_size.maximum.min(to.block_size.maximum));
        let longest = longest - longest % align;
        if longest == 0 {
            return Err(misfit(format!(
                "no request suits both disks: one takes blocks of {align} bytes only"
            )));
        }
        let preferred = from.block_size.preferred.max(to.block_size.preferred).max(REQUEST);
        let request = u64::from(request.unwrap_or(preferred)).clamp(align, longest);
        let zero_request = u64::from(to.block_size.maximum);
        Ok(Self {
            progress: Arc::new(()),
            size,
            align,
            request: request - request % align,
            zero_request: (zero_request - zero_request % align).min(plan::WORK_RANGE),
            in_flight: in_flight as u64,
            requests: (from.parallel + to.parallel).max(1),
            source,
            sink,
        })
    }
}

fn misfit(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}
