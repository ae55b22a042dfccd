//! The holes of a regular file, by `SEEK_DATA` and `SEEK_HOLE`.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::open;
use crate::Result;
use crate::block::{ByteRange, Extent, ExtentKind};

/// Extents of one answer; a caller that wants more asks again.
const MOST: usize = 1024;

/// What the file system knows of `range`. One that knows nothing has data only.
///
/// The search for the end of data goes on beyond the range, through a dense file to its very end. So the
/// last run of data that was found is kept in `run`: it is data for ever, even should somebody make a
/// hole in it.
pub(super) fn map(file: BorrowedFd<'_>, run: &Mutex<ByteRange>, range: ByteRange) -> Result<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut at = range.offset;
    while at < range.end() && extents.len() < MOST {
        let known = *run.lock().unwrap_or_else(PoisonError::into_inner);
        if known.offset <= at && at < known.end() {
            let end = known.end().min(range.end());
            extents.push(Extent::new(at, end - at, ExtentKind::Data));
            at = end;
            continue;
        }
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.min(range.end()),
            // No data from here to the end of the file.
            Err(Errno::NXIO) => range.end(),
            Err(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => at,
            Err(error) => return Err(open::io(error.into())),
        };
        if data > at {
            extents.push(Extent::new(at, data - at, ExtentKind::Hole));
            at = data;
            continue;
        }
        let hole = match seek(file, SeekFrom::Hole(at)) {
            // A file that changes under our feet could answer `at`: data never loses bytes.
            Ok(hole) if hole > at => {
                *run.lock().unwrap_or_else(PoisonError::into_inner) = ByteRange::new(at, hole - at);
                hole.min(range.end())
            }
            Ok(_) | Err(Errno::NXIO | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => range.end(),
            Err(error) => return Err(open::io(error.into())),
        };
        extents.push(Extent::new(at, hole - at, ExtentKind::Data));
        at = hole;
    }
    Ok(extents)
}

/// Whether the file system says that the file has no data at all.
pub(super) fn is_one_hole(file: BorrowedFd<'_>) -> bool {
    matches!(seek(file, SeekFrom::Data(0)), Err(Errno::NXIO))
}
