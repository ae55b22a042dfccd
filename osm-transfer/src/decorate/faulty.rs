//! A disk that fails on purpose, for tests of what reads disks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::block::{BlockSource, Buffer, ByteRange, Capabilities, Extent};
use crate::{Error, Result};

/// A disk that fails on purpose. It neither splices nor lends its pages, so that every byte of it is
/// read where it can fail.
#[derive(Debug)]
pub struct Faulty {
    disk: Arc<dyn BlockSource>,
    bad: Vec<(ByteRange, fn() -> Error)>,
    breaks: Option<fn() -> Error>,
    /// Requests until it breaks.
    left: AtomicU64,
}

impl Faulty {
    /// The disk, without a fault.
    pub fn new(disk: Arc<dyn BlockSource>) -> Self {
        Self { disk, bad: Vec::new(), breaks: None, left: AtomicU64::new(u64::MAX) }
    }

    /// Every read that touches `range` fails.
    #[must_use]
    pub fn bad(mut self, range: ByteRange, error: fn() -> Error) -> Self {
        self.bad.push((range, error));
        self
    }

    /// After so many requests every one fails.
    #[must_use]
    pub fn breaks_after(mut self, requests: u64, error: fn() -> Error) -> Self {
        self.breaks = Some(error);
        self.left = AtomicU64::new(requests);
        self
    }

    fn request(&self) -> Result<()> {
        let left = |left: u64| left.checked_sub(1);
        match (self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left), self.breaks) {
            (Err(_), Some(error)) => Err(error()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl BlockSource for Faulty {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { splice: false, ..self.disk.capabilities() }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.request()?;
        let range = ByteRange::new(offset, buffer.len() as u64);
        match self.bad.iter().find(|(bad, _)| bad.intersect(range).is_some()) {
            Some((_, error)) => Err(error()),
            None => self.disk.read(offset, buffer).await,
        }
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        self.request()?;
        self.disk.extents(range).await
    }
}
