//! Block device ioctls.
//!
//! ABI, `linux/fs.h`:
//!
//! ```text
//! #define BLKZEROOUT _IO(0x12,127)     argument: uint64_t range[2] = { first byte, bytes }, read only
//! ```

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `_IO(0x12, 127)`
const BLKZEROOUT: libc::Ioctl = 0x127f;

/// Makes `len` bytes of a block device read as zeroes; the kernel writes zeroes itself where the
/// device cannot. Offset and length are multiples of the logical sector.
pub(crate) fn zero_out(device: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
    let range: [u64; 2] = [offset, len];
    // SAFETY: the descriptor is open for the life of the borrow; BLKZEROOUT reads two u64 through the
    // pointer and keeps it no longer than the call; another kind of file answers ENOTTY.
    let code = unsafe { libc::ioctl(device.as_raw_fd(), BLKZEROOUT, range.as_ptr()) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
