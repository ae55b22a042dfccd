//! Whether two open disks are one.

use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, fstat};

/// Whether both descriptors name the same regular file or the same device. Disks that have no
/// descriptor cannot be told apart, and count as two.
pub(super) fn is_same_disk(a: Option<BorrowedFd<'_>>, b: Option<BorrowedFd<'_>>) -> bool {
    let (Some(a), Some(b)) = (a.and_then(identity), b.and_then(identity)) else { return false };
    a == b
}

/// A regular file is its inode; a device is its number, whatever inode names it.
fn identity(disk: BorrowedFd<'_>) -> Option<(FileType, u64, u64)> {
    let stat = fstat(disk).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some((FileType::RegularFile, stat.st_dev, stat.st_ino)),
        FileType::BlockDevice => Some((FileType::BlockDevice, stat.st_rdev, 0)),
        _ => None,
    }
}
