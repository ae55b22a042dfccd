//! A sink that can be held to what was written to it.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::block::{self, BlockSink, BlockSource, Buffer, ByteRange, Capabilities, ZeroMode};
use crate::hash::Digest;
use crate::{Error, ErrorKind, Result};

/// Zeroes are read back in pieces of this many bytes.
const PIECE: u64 = 1 << 20;

/// A disk that remembers what every write to it hashed to, until that is proven.
#[derive(Debug)]
pub struct Proven {
    disk: Arc<dyn BlockSink>,
    writes: Mutex<Vec<(ByteRange, Written)>>,
}

/// What was written somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Bytes(Digest),
    Zeroes,
}

impl Proven {
    /// The disk, to which nothing was written yet.
    pub fn new(disk: Arc<dyn BlockSink>) -> Self {
        Self { disk, writes: Mutex::default() }
    }

    /// Reads what was written since the last proof from `copy`, the same disk opened to be read, and forgets it; how
    /// many bytes that were. To be called after a flush; no two writes may have met at one place.
    ///
    /// # Errors
    /// `Mismatch` when something else is read than was written, or the disk failed.
    pub async fn prove(&self, copy: &Arc<dyn BlockSource>) -> Result<u64> {
        let writes = std::mem::take(&mut *self.writes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut proven = 0;
        for (range, written) in writes {
            let equal = match written {
                Written::Bytes(digest) => Digest::of(&read(copy, range).await?) == digest,
                Written::Zeroes => reads_as_zeroes(copy, range).await?,
            };
            if !equal {
                let message = "the disk does not hold what was written to it";
                return Err(Error::new(ErrorKind::Mismatch, message).with_range(range.offset, range.len));
            }
            proven += range.len;
        }
        Ok(proven)
    }

    fn remember(&self, range: ByteRange, written: Written) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).push((range, written));
    }
}

async fn read(copy: &Arc<dyn BlockSource>, range: ByteRange) -> Result<Buffer> {
    copy.read(range.offset, Buffer::zeroed(usize::try_from(range.len).unwrap_or_default())).await
}

async fn reads_as_zeroes(copy: &Arc<dyn BlockSource>, range: ByteRange) -> Result<bool> {
    for extent in block::survey(copy.as_ref(), range, 1).await? {
        if extent.kind != block::ExtentKind::Data {
            continue;
        }
        for piece in extent.range.pieces(PIECE) {
            if !block::is_zero(&read(copy, piece).await?) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[async_trait]
impl BlockSink for Proven {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { splice: false, ..self.disk.capabilities() }
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let (range, digest) = (ByteRange::new(offset, buffer.len() as u64), Digest::of(&buffer));
        let buffer = self.disk.write(offset, buffer).await?;
        self.remember(range, Written::Bytes(digest));
        Ok(buffer)
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        self.disk.zero(range, mode).await?;
        self.remember(range, Written::Zeroes);
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.disk.flush().await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.disk.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::decorate::{Dense, Differing};
    use crate::file::FileDisk;

    async fn disk(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf, Arc<dyn BlockSink>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, bytes).unwrap();
        let endpoint = crate::endpoint::Endpoint::File(path.clone());
        let sink =
            endpoint.open_sink(bytes.len() as u64, &crate::endpoint::OpenOptions::default()).await.unwrap();
        (dir, path, sink)
    }

    async fn source(path: &std::path::Path) -> Arc<dyn BlockSource> {
        Arc::new(FileDisk::open_source(path).await.unwrap())
    }

    #[tokio::test]
    async fn what_the_disk_has_lost_is_found() {
        let (_dir, path, sink) = disk(&[1; 64 << 10]).await;
        let proven = Proven::new(sink);
        proven.write(4096, Buffer::from(vec![5; 4096])).await.unwrap();
        proven.zero(ByteRange::new(16 << 10, 8192), ZeroMode::Hole).await.unwrap();
        proven.flush().await.unwrap();
        assert_eq!(proven.prove(&source(&path).await).await.unwrap(), 4096 + 8192);
        assert_eq!(proven.prove(&source(&path).await).await.unwrap(), 0, "proven once");
        for at in [5000, 17 << 10] {
            proven.write(4096, Buffer::from(vec![6; 4096])).await.unwrap();
            proven.zero(ByteRange::new(16 << 10, 8192), ZeroMode::Allocate).await.unwrap();
            proven.flush().await.unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().write_all_at(&[9], at).unwrap();
            let error = proven.prove(&source(&path).await).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Mismatch);
        }
    }

    #[tokio::test]
    async fn only_what_differs_is_written() {
        let (_dir, path, sink) = disk(&[1; 64 << 10]).await;
        let differing = Differing::new(sink, source(&path).await);
        differing.write(0, Buffer::from(vec![1; 4096])).await.unwrap();
        assert_eq!(differing.written(), 0);
        differing.write(4096, Buffer::from(vec![2; 4096])).await.unwrap();
        differing.zero(ByteRange::new(8192, 4096), ZeroMode::Hole).await.unwrap();
        differing.zero(ByteRange::new(8192, 4096), ZeroMode::Hole).await.unwrap();
        assert_eq!(differing.written(), 8192);
        let mut expected = vec![1; 64 << 10];
        expected[4096..8192].fill(2);
        expected[8192..12288].fill(0);
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[tokio::test]
    async fn dense_zeroes_are_written() {
        let (_dir, path, sink) = disk(&[1; 4 << 20]).await;
        let dense = Dense::new(sink);
        assert!(!dense.capabilities().trim);
        dense.zero(ByteRange::new(4096, 3 << 20), ZeroMode::Hole).await.unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes[4096..4096 + (3 << 20)].iter().all(|byte| *byte == 0));
        assert_eq!((bytes[4095], bytes[4096 + (3 << 20)]), (1, 1));
    }
}
