//! A disk that counts what is asked of it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::Result;
use crate::block::{BlockSink, BlockSource, Buffer, ByteRange, Capabilities, Extent};

/// What was asked of a disk so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads, whatever became of them.
    pub reads: u64,
    /// Bytes of the reads that did not fail.
    pub bytes: u64,
    /// Questions for extents.
    pub extents: u64,
    /// Requests of either kind that failed.
    pub failures: u64,
}

/// A disk that counts what is asked of it.
#[derive(Debug)]
pub struct Counted {
    disk: Arc<dyn BlockSource>,
    reads: AtomicU64,
    bytes: AtomicU64,
    extents: AtomicU64,
    failures: AtomicU64,
}

impl Counted {
    /// The disk, of which nothing was asked yet.
    pub fn new(disk: Arc<dyn BlockSource>) -> Self {
        let none = || AtomicU64::new(0);
        Self { disk, reads: none(), bytes: none(), extents: none(), failures: none() }
    }

    /// What was asked so far.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            reads: of(&self.reads),
            bytes: of(&self.bytes),
            extents: of(&self.extents),
            failures: of(&self.failures),
        }
    }

    fn ended<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|_| add(&self.failures, 1))
    }

    /// A read of so many bytes came to this.
    fn read<T>(&self, bytes: u64, result: Result<T>) -> Result<T> {
        add(&self.reads, 1);
        self.ended(result).inspect(|_| add(&self.bytes, bytes))
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

#[async_trait]
impl BlockSource for Counted {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        self.disk.capabilities()
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let bytes = buffer.len() as u64;
        self.read(bytes, self.disk.read(offset, buffer).await)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        add(&self.extents, 1);
        self.ended(self.disk.extents(range).await)
    }

    async fn splice(&self, range: ByteRange, sink: &Arc<dyn BlockSink>) -> Result<Vec<ByteRange>> {
        self.read(range.len, self.disk.splice(range, sink).await)
    }

    async fn feed(&self, range: ByteRange, pipe: &Arc<OwnedFd>) -> Result<Option<u64>> {
        match self.disk.feed(range, pipe).await {
            // It is read instead, and counted then.
            Ok(None) => Ok(None),
            fed => self.read(range.len, fed),
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.disk.descriptor()
    }
}
