//! A sink whose zeroes are bytes like others.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::block::{BlockSink, Buffer, ByteRange, Capabilities, ZeroMode};

/// Zeroes are written in pieces of this many bytes.
const PIECE: u64 = 1 << 20;

/// A disk to which zeroes are written, whatever it promises of holes: below an encrypted volume a hole reads as noise.
#[derive(Debug)]
pub struct Dense {
    disk: Arc<dyn BlockSink>,
}

impl Dense {
    /// The disk.
    pub fn new(disk: Arc<dyn BlockSink>) -> Self {
        Self { disk }
    }
}

#[async_trait]
impl BlockSink for Dense {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        let disk = self.disk.capabilities();
        Capabilities { fast_zero: false, trim: false, starts_zeroed: false, splice: false, ..disk }
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.disk.write(offset, buffer).await
    }

    async fn zero(&self, range: ByteRange, _mode: ZeroMode) -> Result<()> {
        let most = PIECE.min(u64::from(self.disk.capabilities().block_size.maximum));
        for piece in range.pieces(most) {
            let zeroes = Buffer::zeroed(usize::try_from(piece.len).unwrap_or_default());
            self.disk.write(piece.offset, zeroes).await?;
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
