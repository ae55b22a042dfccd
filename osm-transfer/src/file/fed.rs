//! Bytes from a file into a pipe: the kernel lends the pages of its cache, and nothing is copied.

use std::fs::File;
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::pipe::{SpliceFlags, splice};

use super::cached;
use crate::block::ByteRange;

/// Puts the bytes of `range` into `pipe` as far as there is room; how many. May wait for the disk.
pub(super) fn feed(file: &File, pipe: BorrowedFd<'_>, range: ByteRange) -> io::Result<u64> {
    let mut at = range.offset;
    while at < range.end() {
        let left = usize::try_from(range.end() - at).unwrap_or(usize::MAX);
        match splice(file, Some(&mut at), pipe, None, left, SpliceFlags::NONBLOCK) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at - range.offset)
}

/// Whether both ends of `range` are in the cache, and so, most likely, what is between them.
pub(super) fn is_cached(file: &File, range: ByteRange) -> bool {
    let is_there = |offset| {
        let mut byte = [0];
        match preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT) {
            Ok(count) => count == 1,
            Err(Errno::OPNOTSUPP) => cached::is_in_memory(file),
            Err(_) => false,
        }
    };
    !range.is_empty() && is_there(range.offset) && is_there(range.end() - 1)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn as_much_as_there_is_room_for_and_no_more_than_there_is() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 200_000], 0).unwrap();
        let (out, into) = std::io::pipe().unwrap();
        let fed = feed(&file, into.as_fd(), ByteRange::new(100, 199_000)).unwrap();
        assert!(fed > 0 && fed < 199_000, "a new pipe has 16 pages, {fed} bytes went in");
        drop(into);
        let mut bytes = Vec::new();
        { out }.read_to_end(&mut bytes).unwrap();
        assert!(bytes.len() as u64 == fed && bytes.iter().all(|byte| *byte == 7));

        let (_out, into) = std::io::pipe().unwrap();
        let error = feed(&file, into.as_fd(), ByteRange::new(199_999, 2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
