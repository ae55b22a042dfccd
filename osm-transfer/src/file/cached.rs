//! Reads that do not block: of what the page cache has already.

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::fstatfs;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: i64 = 0x0102_1994;

/// A longer read would keep its thread for too long, cached or not.
const LONGEST: usize = 1 << 20;

/// Fills the start of `buffer` as far as that takes no waiting; how many bytes it filled.
///
/// An error reads as nothing: whoever reads on meets it again. `unsupported` is where a file system
/// that cannot do this is remembered.
pub(super) fn read(file: &File, unsupported: &AtomicBool, buffer: &mut [u8], offset: u64) -> usize {
    if buffer.len() > LONGEST {
        return 0;
    }
    let flags = match unsupported.load(Ordering::Relaxed) {
        false => ReadWriteFlags::NOWAIT,
        true if is_in_memory(file) => ReadWriteFlags::empty(),
        true => return 0,
    };
    let mut done = 0;
    while done < buffer.len() {
        let rest = IoSliceMut::new(&mut buffer[done..]);
        match preadv2(file, &mut [rest], offset + done as u64, flags) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                unsupported.store(true, Ordering::Relaxed);
                break;
            }
            Err(_) => break,
        }
    }
    done
}

/// Whether the file is on a tmpfs, which has no disk to wait for and cannot be asked what is cached.
pub(super) fn is_in_memory(file: &File) -> bool {
    fstatfs(file).is_ok_and(|system| system.f_type == TMPFS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn what_is_read_is_what_was_written_and_never_beyond_the_end() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        let unsupported = AtomicBool::new(false);
        let mut buffer = [0; 8];
        let done = read(&file, &unsupported, &mut buffer, 4);
        assert!(done <= 6);
        assert_eq!(buffer[..done], b"456789"[..done]);
        let in_memory = if is_in_memory(&file) { 8 } else { 0 };
        assert_eq!(read(&file, &AtomicBool::new(true), &mut buffer, 0), in_memory);
    }
}
