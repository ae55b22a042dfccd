//! Disks in memory that remember what was asked of them and fail when told to.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use osm_transfer::block::{
    BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind, ZeroMode,
};
use osm_transfer::{Error, ErrorKind, Result};

/// What every disk of these tests can do, unless a test says otherwise.
pub(crate) const PLAIN: Capabilities = Capabilities {
    block_size: BlockSize { minimum: 1, preferred: 512, maximum: 1 << 20 },
    parallel: 4,
    extents: true,
    fast_zero: true,
    trim: true,
    starts_zeroed: false,
    splice: false,
};

/// Fails one request of all: the n-th from 0.
#[derive(Debug)]
pub(crate) struct Fuse {
    left: AtomicU64,
}

impl Fuse {
    pub(crate) fn never() -> Arc<Self> {
        Self::at(u64::MAX)
    }

    pub(crate) fn at(request: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(request) })
    }

    fn burn(&self) -> Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::new(ErrorKind::NoSpace, "the fuse is burnt"));
        }
        Ok(())
    }

    /// Whether its request came.
    pub(crate) fn is_burnt(&self) -> bool {
        self.left.load(Ordering::Relaxed) > u64::MAX / 2
    }
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) bytes: Vec<u8>,
    pub(crate) layout: Vec<Extent>,
    pub(crate) capabilities: Capabilities,
    /// Extents of one answer.
    pub(crate) answers: usize,
    pub(crate) fuse: Arc<Fuse>,
    /// Bytes of this read are left out of the answer.
    pub(crate) short: usize,
}

impl Source {
    /// A disk whose extents have these lengths and kinds; data is never zero.
    pub(crate) fn new(layout: &[(u64, ExtentKind)]) -> Self {
        let mut bytes = Vec::new();
        let mut extents = Vec::new();
        for &(len, kind) in layout {
            extents.push(Extent::new(bytes.len() as u64, len, kind));
            for _ in 0..len {
                let noise = (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
                bytes.push(if kind == ExtentKind::Data { noise as u8 | 1 } else { 0 });
            }
        }
        Self {
            bytes,
            layout: extents,
            capabilities: PLAIN,
            answers: usize::MAX,
            fuse: Fuse::never(),
            short: 0,
        }
    }
}

fn check(capabilities: &Capabilities, size: u64, offset: u64, len: u64) {
    let minimum = u64::from(capabilities.block_size.minimum);
    assert!(len > 0 && offset + len <= size, "{offset}+{len} is out of bounds");
    assert_eq!(offset % minimum, 0, "offset {offset} is not aligned");
    assert!(len.is_multiple_of(minimum) || offset + len == size, "length {len} is not aligned");
    assert!(len <= u64::from(capabilities.block_size.maximum), "{len} is too long");
}

#[async_trait]
impl BlockSource for Source {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        check(&self.capabilities, self.bytes.len() as u64, offset, buffer.len() as u64);
        tokio::task::yield_now().await;
        self.fuse.burn()?;
        let from = offset as usize;
        let until = from + buffer.len();
        buffer.copy_from_slice(&self.bytes[from..until]);
        buffer.truncate(buffer.len() - self.short.min(buffer.len()));
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        assert!(self.capabilities.extents, "asked for extents that it does not have");
        tokio::task::yield_now().await;
        self.fuse.burn()?;
        let known = self.layout.iter().filter_map(|extent| {
            extent.range.intersect(range).map(|range| Extent { range, kind: extent.kind })
        });
        Ok(known.take(self.answers).collect())
    }
}

/// What was done to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Write(ByteRange),
    Zero(ByteRange, ZeroMode),
    Flush,
}

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) acts: Mutex<Vec<Act>>,
    pub(crate) capabilities: Capabilities,
    pub(crate) fuse: Arc<Fuse>,
    pub(crate) under_way: AtomicUsize,
    pub(crate) most_under_way: AtomicUsize,
}

impl Sink {
    /// A disk of `size` bytes that are not zero.
    pub(crate) fn dirty(size: usize) -> Self {
        Self::holding(vec![0xee; size], PLAIN)
    }

    /// A disk of `size` bytes that says it starts zeroed.
    pub(crate) fn fresh(size: usize) -> Self {
        Self::holding(vec![0; size], Capabilities { starts_zeroed: true, ..PLAIN })
    }

    fn holding(bytes: Vec<u8>, capabilities: Capabilities) -> Self {
        Self {
            bytes: Mutex::new(bytes),
            acts: Mutex::default(),
            capabilities,
            fuse: Fuse::never(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        }
    }

    pub(crate) fn acts(&self) -> Vec<Act> {
        self.acts.lock().unwrap().clone()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    fn fill(&self, range: ByteRange, from: impl Fn(usize) -> u8) {
        let mut bytes = self.bytes.lock().unwrap();
        for index in 0..range.len as usize {
            bytes[range.offset as usize + index] = from(index);
        }
    }
}

#[async_trait]
impl BlockSink for Sink {
    fn size(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let range = ByteRange::new(offset, buffer.len() as u64);
        check(&self.capabilities, self.size(), offset, range.len);
        let now = self.under_way.fetch_add(buffer.len(), Ordering::Relaxed) + buffer.len();
        self.most_under_way.fetch_max(now, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.under_way.fetch_sub(buffer.len(), Ordering::Relaxed);
        self.fuse.burn()?;
        self.fill(range, |index| buffer[index]);
        self.acts.lock().unwrap().push(Act::Write(range));
        Ok(buffer)
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        check(&self.capabilities, self.size(), range.offset, range.len);
        tokio::task::yield_now().await;
        self.fuse.burn()?;
        self.fill(range, |_| 0);
        self.acts.lock().unwrap().push(Act::Zero(range, mode));
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        tokio::task::yield_now().await;
        self.fuse.burn()?;
        self.acts.lock().unwrap().push(Act::Flush);
        Ok(())
    }
}

/// A sink's disk, read.
#[derive(Debug)]
pub(crate) struct Reading(pub(crate) Arc<Sink>);

#[async_trait]
impl BlockSource for Reading {
    fn size(&self) -> u64 {
        BlockSink::size(&*self.0)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { extents: false, ..self.0.capabilities }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        let from = offset as usize;
        let until = from + buffer.len();
        buffer.copy_from_slice(&self.0.bytes.lock().unwrap()[from..until]);
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        Ok(Vec::from([Extent { range, kind: ExtentKind::Data }]))
    }
}

/// Runs `future` on a runtime of one thread: the same seed takes the same turns.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
