//! A sink that is only written where it differs.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::Result;
use crate::block::{self, BlockSink, BlockSource, Buffer, ByteRange, Capabilities, ZeroMode};

/// Zeroes are compared in pieces of this many bytes.
const PIECE: u64 = 1 << 20;

/// A disk that reads before it writes, and leaves what is equal alone: how a copy that is not trusted is mended
/// without writing all of it.
#[derive(Debug)]
pub struct Differing {
    disk: Arc<dyn BlockSink>,
    copy: Arc<dyn BlockSource>,
    written: AtomicU64,
}

impl Differing {
    /// The disk; `copy` is the same, opened to be read.
    pub fn new(disk: Arc<dyn BlockSink>, copy: Arc<dyn BlockSource>) -> Self {
        Self { disk, copy, written: AtomicU64::new(0) }
    }

    /// How many bytes differed, and were written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[async_trait]
impl BlockSink for Differing {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        // What is there is not what it began with.
        Capabilities { splice: false, starts_zeroed: false, ..self.disk.capabilities() }
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let there = self.copy.read(offset, Buffer::zeroed(buffer.len())).await?;
        if *there == *buffer {
            return Ok(buffer);
        }
        self.wrote(buffer.len() as u64);
        self.disk.write(offset, buffer).await
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        for piece in range.pieces(PIECE) {
            let there = Buffer::zeroed(usize::try_from(piece.len).unwrap_or_default());
            if !block::is_zero(&self.copy.read(piece.offset, there).await?) {
                self.wrote(piece.len);
                self.disk.zero(piece, mode).await?;
            }
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.disk.flush().await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.disk.descriptor()
    }
}
