//! Zeroes, as cheaply as the file or the device can lay them down.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::FileKind;
use crate::block::{ByteRange, ZeroMode};
use crate::sys::blkdev;

/// Zeroes are written from a block of this many.
const BLOCK: usize = 256 << 10;

/// What was found out about laying down zeroes on one disk.
#[derive(Debug, Default)]
pub(super) struct Zeroing {
    no_hole: AtomicBool,
    no_range: AtomicBool,
}

impl Zeroing {
    /// Whether something cheaper than writing is left to try.
    pub(super) fn is_fast(&self) -> bool {
        !(self.no_hole.load(Ordering::Relaxed) && self.no_range.load(Ordering::Relaxed))
    }

    pub(super) fn zero(
        &self,
        file: &File,
        kind: FileKind,
        range: ByteRange,
        mode: ZeroMode,
    ) -> io::Result<()> {
        match kind {
            FileKind::Regular => self.zero_aligned(file, kind, range, mode),
            FileKind::Device { sector } => {
                let [head, middle, tail] = split(range, u64::from(sector));
                write_zeroes(file, head)?;
                self.zero_aligned(file, kind, middle, mode)?;
                write_zeroes(file, tail)
            }
        }
    }

    fn zero_aligned(&self, file: &File, kind: FileKind, range: ByteRange, mode: ZeroMode) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        // On a device too, a punched hole is promised to read as zeroes; a discard is not.
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if mode == ZeroMode::Hole && attempt(&self.no_hole, || allocate(file, punch, range))? {
            return Ok(());
        }
        let done = attempt(&self.no_range, || match kind {
            FileKind::Regular => {
                allocate(file, FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE, range)
            }
            FileKind::Device { .. } => blkdev::zero_out(file.as_fd(), range.offset, range.len),
        })?;
        if done { Ok(()) } else { write_zeroes(file, range) }
    }
}

/// Tries `call` unless it is known to be unsupported; `false` means that it is.
fn attempt(unsupported: &AtomicBool, call: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
    if unsupported.load(Ordering::Relaxed) {
        return Ok(false);
    }
    match call() {
        Ok(()) => Ok(true),
        Err(error) if is_unsupported(&error) => {
            unsupported.store(true, Ordering::Relaxed);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    let Some(errno) = Errno::from_io_error(error) else { return false };
    [Errno::OPNOTSUPP, Errno::NOSYS, Errno::NOTTY, Errno::INVAL, Errno::NODEV].contains(&errno)
}

fn allocate(file: &File, flags: FallocateFlags, range: ByteRange) -> io::Result<()> {
    Ok(fallocate(file, flags, range.offset, range.len)?)
}

fn write_zeroes(file: &File, range: ByteRange) -> io::Result<()> {
    static ZEROES: [u8; BLOCK] = [0; BLOCK];
    let mut at = range.offset;
    while at < range.end() {
        let block = usize::try_from(range.end() - at).map_or(BLOCK, |left| left.min(BLOCK));
        file.write_all_at(&ZEROES[..block], at)?;
        at += block as u64;
    }
    Ok(())
}

/// The bytes before the first whole sector, the whole sectors, the bytes after the last.
fn split(range: ByteRange, sector: u64) -> [ByteRange; 3] {
    let end = range.end();
    let first = range.offset.next_multiple_of(sector).min(end);
    let last = (end - end % sector).max(first);
    [(range.offset, first), (first, last), (last, end)].map(|(from, to)| ByteRange::new(from, to - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sectors_are_split_from_the_rest() {
        let parts =
            |offset, len| split(ByteRange::new(offset, len), 512).map(|range| (range.offset, range.len));
        assert_eq!(parts(0, 1024), [(0, 0), (0, 1024), (1024, 0)]);
        assert_eq!(parts(100, 1000), [(100, 412), (512, 512), (1024, 76)]);
        assert_eq!(parts(100, 10), [(100, 10), (110, 0), (110, 0)]);
        assert_eq!(parts(510, 4), [(510, 2), (512, 0), (512, 2)]);
    }
}
