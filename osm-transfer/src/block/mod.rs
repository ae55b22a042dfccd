//! Disks as the engine sees them: a [`BlockSource`] is read, a [`BlockSink`] is written.
//!
//! ```text
//!   BlockSource          BlockSink
//!    | size               | size
//!    | capabilities       | capabilities     decided once, when the disk is opened
//!    | extents(range)     | write(offset, buffer)
//!    | read(offset, buf)  | zero(range, how)
//!    | splice, feed       | splice
//!                         | flush
//! ```
//!
//! The engine branches on [`Capabilities`], never on the type behind the trait. A request takes its
//! [`Buffer`] and gives it back with the result, so that no error can be overlooked and a kernel
//! ring may own the memory while the request is under way.

mod buffer;
mod range;
mod survey;
mod zeroes;

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Error, ErrorKind, Result};

pub use self::buffer::{Buffer, BufferPool};
pub(crate) use self::range::join;
pub use self::range::{ByteRange, Extent, ExtentKind};
pub(crate) use self::survey::survey;
pub(crate) use self::zeroes::{is_zero, zero_runs};

/// Sizes that requests must or should have, in bytes; the three sizes of the NBD protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSize {
    /// Offsets and lengths are multiples of this.
    pub minimum: u32,
    /// Requests of this size, and aligned to it, are quick.
    pub preferred: u32,
    /// No request may be longer.
    pub maximum: u32,
}

/// What a disk can do, decided once when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Sizes of requests.
    pub block_size: BlockSize,
    /// How many requests may usefully be under way at once.
    pub parallel: usize,
    /// `extents` tells holes and zeroes from data.
    pub extents: bool,
    /// `zero` is cheaper than writing zeroes.
    pub fast_zero: bool,
    /// `zero` may leave a hole.
    pub trim: bool,
    /// Every byte reads as zero until it is written: a fresh sparse file.
    pub starts_zeroed: bool,
    /// `splice` works: the kernel moves the bytes, and they do not pass through our memory.
    pub splice: bool,
}

/// How zeroes are laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroMode {
    /// The space may be given back; it reads as zeroes.
    Hole,
    /// The space stays allocated.
    Allocate,
}

/// A disk that can be read.
#[async_trait]
pub trait BlockSource: fmt::Debug + Send + Sync {
    /// How many bytes the disk has.
    fn size(&self) -> u64;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Fills the whole buffer from `offset` on, and gives it back.
    ///
    /// # Errors
    /// The buffer's range is out of bounds or misaligned, or the disk failed.
    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer>;

    /// What is known of `range`, in order, without gaps, at least one extent and not beyond the
    /// range. It may end before the range does: ask again from there.
    ///
    /// # Errors
    /// The range is empty or out of bounds, or the disk failed.
    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>>;

    /// Moves `range` to the same place of `sink` through a pipe, where the capabilities of both say
    /// `splice`. Gives back the parts that read as zeroes: they were not moved.
    ///
    /// # Errors
    /// As for `read`, and as for `write` of the sink.
    async fn splice(&self, range: ByteRange, _sink: &Arc<dyn BlockSink>) -> Result<Vec<ByteRange>> {
        Err(no_splice(range))
    }

    /// Puts the bytes of `range` into a pipe, as far as it has room, without copying them; how many.
    /// None where the disk cannot do that: it is read instead.
    ///
    /// # Errors
    /// As for `read`; some of the bytes may be in the pipe.
    async fn feed(&self, _range: ByteRange, _pipe: &Arc<OwnedFd>) -> Result<Option<u64>> {
        Ok(None)
    }

    /// The file or device itself; says whether two disks are one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn no_splice(range: ByteRange) -> Error {
    Error::new(ErrorKind::Config, "the disk does not splice").with_range(range.offset, range.len)
}

/// A disk that can be written.
#[async_trait]
pub trait BlockSink: fmt::Debug + Send + Sync {
    /// How many bytes the disk has.
    fn size(&self) -> u64;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Writes the whole buffer from `offset` on, and gives it back.
    ///
    /// # Errors
    /// The buffer's range is out of bounds or misaligned, the disk is full, read-only or failed.
    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer>;

    /// Writes to `range` what `pipe` holds next, where the capabilities say `splice`. A disk with a
    /// descriptor may block its thread, which should be one that moves data ([`crate::runtime`]); one without
    /// waits for somebody else, and has several at once.
    ///
    /// # Errors
    /// As for `write`; some of the bytes may be left in the pipe.
    async fn splice(&self, range: ByteRange, _pipe: &Arc<OwnedFd>) -> Result<()> {
        Err(no_splice(range))
    }

    /// Makes `range` read as zeroes.
    ///
    /// # Errors
    /// As for `write`.
    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()>;

    /// Returns when everything written so far would survive a power loss.
    ///
    /// # Errors
    /// The disk failed: nothing written since the last flush is safe.
    async fn flush(&self) -> Result<()>;

    /// The file or device itself; says whether two disks are one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
