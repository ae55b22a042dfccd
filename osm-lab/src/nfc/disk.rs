//! A disk that a client has open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::skip;

/// The unit of reads.
pub(super) const SECTOR: u64 = 512;

/// What can be asked about at once.
const SMALLEST_CHUNK: u64 = 64 << 10;
const MOST_CHUNKS: u64 = 512 * 1024;

/// The longest read.
const LONGEST: u64 = 2 << 20;

/// How fragments are sent.
pub(super) const PLAIN: u32 = 0;
pub(super) const SKIP_ZEROES: u32 = 3;

pub(super) struct Disk {
    file: File,
    pub(super) capacity: u64,
}

/// A part of a read.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    pub(super) operation: u32,
    pub(super) handle: u64,
    /// How the client wants it to be sent.
    pub(super) wanted: u32,
    /// Where the read begins, and how long it is.
    pub(super) offset: u64,
    pub(super) total: u32,
    /// Where the fragment lies within it.
    pub(super) at: u32,
    pub(super) len: u32,
}

impl Disk {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let capacity = file.metadata()?.len();
        Ok(Self { file, capacity })
    }

    /// Whether such a read may be asked for.
    pub(super) fn may_read(&self, offset: u64, len: u64) -> bool {
        let Some(end) = offset.checked_add(len).filter(|end| *end <= self.capacity) else { return false };
        let is_whole = len.is_multiple_of(SECTOR) || end == self.capacity;
        offset.is_multiple_of(SECTOR) && is_whole && (1..=LONGEST).contains(&len)
    }

    /// The bytes of a fragment, as they are sent, and how.
    pub(super) fn read(&self, fragment: &Fragment) -> io::Result<(u32, Vec<u8>)> {
        let mut bytes = vec![0; fragment.len as usize];
        self.file.read_exact_at(&mut bytes, fragment.offset + u64::from(fragment.at))?;
        if fragment.wanted == SKIP_ZEROES
            && let Some(packed) = skip::pack(&bytes)
        {
            return Ok((SKIP_ZEROES, packed));
        }
        Ok((PLAIN, bytes))
    }

    /// A bit for each chunk that holds data; none where the question breaks a rule.
    pub(super) fn allocated(&self, chunk: u64, start: u64, count: u64) -> io::Result<Option<Vec<u8>>> {
        let is_chunk = chunk >= SMALLEST_CHUNK && chunk.is_multiple_of(SECTOR);
        if !is_chunk || !start.is_multiple_of(chunk) || !(1..=MOST_CHUNKS).contains(&count) {
            return Ok(None);
        }
        let end = count.checked_mul(chunk).and_then(|length| start.checked_add(length));
        let Some(end) = end.filter(|end| *end <= self.capacity) else { return Ok(None) };
        let length = usize::try_from(count.div_ceil(8).next_multiple_of(4)).map_err(io::Error::other)?;
        let mut bitmap = vec![0_u8; length];
        let mut at = start;
        while at < end {
            let begins = match seek(&self.file, SeekFrom::Data(at)) {
                Ok(begins) if begins < end => begins,
                Ok(_) | Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            at = seek(&self.file, SeekFrom::Hole(begins))?.min(end);
            for bit in (begins - start) / chunk..(at - start).div_ceil(chunk) {
                if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|byte| bitmap.get_mut(byte)) {
                    *byte |= 1 << (bit % 8);
                }
            }
        }
        Ok(Some(bitmap))
    }
}
