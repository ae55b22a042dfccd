//! Writes from a pipe.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;

use rustix::io::{Errno, read};
use rustix::pipe::{SpliceFlags, splice};

use crate::block::ByteRange;

/// What is copied at once on file systems that cannot splice.
const COPY: usize = 64 << 10;

/// Writes what `pipe` holds to `range` of `file`; the pipe holds that much.
pub(super) fn write(file: &File, pipe: BorrowedFd<'_>, range: ByteRange) -> io::Result<()> {
    let mut offset = range.offset;
    while offset < range.end() {
        let left = usize::try_from(range.end() - offset).unwrap_or(usize::MAX);
        let mut at = offset;
        match splice(pipe, None, file, Some(&mut at), left, SpliceFlags::empty()) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => offset += count as u64,
            Err(Errno::INTR) => {}
            Err(Errno::INVAL) => return copy(file, pipe, ByteRange::new(offset, left as u64)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The same, through memory.
fn copy(file: &File, pipe: BorrowedFd<'_>, range: ByteRange) -> io::Result<()> {
    let mut bytes = vec![0; COPY];
    let mut offset = range.offset;
    while offset < range.end() {
        let left = usize::try_from(range.end() - offset).unwrap_or(usize::MAX).min(COPY);
        match read(pipe, &mut bytes[..left]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                file.write_all_at(&bytes[..count], offset)?;
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn both_ways_write_the_same() {
        type Way = fn(&File, BorrowedFd<'_>, ByteRange) -> io::Result<()>;
        for way in [write as Way, copy] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(16).unwrap();
            let (take, give) = rustix::pipe::pipe().unwrap();
            rustix::io::write(&give, b"abcdef").unwrap();
            way(&file, take.as_fd(), ByteRange::new(3, 4)).unwrap();
            way(&file, take.as_fd(), ByteRange::new(9, 2)).unwrap();
            let mut bytes = [0; 16];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(&bytes, b"\0\0\0abcd\0\0ef\0\0\0\0\0");
        }
    }
}
