//! Changed Block Tracking: when each block of a disk was last written.
//!
//! Time is counted in epochs: a snapshot ends one, and its change id names it. What was written after a change id
//! is what has a later stamp. A change id is `<16 pairs of hex digits>/<epoch>`; the first part names the line of
//! epochs, which ends when tracking begins anew.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use uuid::Uuid;

/// What is tracked as one.
pub(crate) const BLOCK: u64 = 64 << 10;

/// What is known of the changes of a disk.
#[derive(Debug, Clone)]
pub(crate) struct Tracking {
    line: [u8; 16],
    epoch: u32,
    /// The epoch of each block's last write; 0 when nothing was ever written there.
    stamps: Vec<u32>,
}

/// What a change id asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// `*`: all that was ever written.
    Ever,
    /// What was written after this epoch.
    Epoch(u32),
}

/// Why a change id is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Useless {
    /// It is none.
    Malformed,
    /// It is of another line, or of a time to come.
    Unknown,
}

impl Tracking {
    /// Begins to track a disk. What its file holds counts as written, as vSphere fills its tracking file.
    pub(crate) fn begin(file: &Path, capacity: u64) -> io::Result<Self> {
        let mut tracking = Self { line: line(), epoch: 1, stamps: Vec::new() };
        tracking.resize(capacity);
        let file = File::open(file)?;
        let mut offset = 0;
        while offset < capacity {
            let start = match seek(&file, SeekFrom::Data(offset)) {
                Ok(start) => start,
                Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            offset = seek(&file, SeekFrom::Hole(start))?;
            tracking.stamp(start, offset - start);
        }
        Ok(tracking)
    }

    /// The disk has this many bytes now.
    pub(crate) fn resize(&mut self, capacity: u64) {
        let blocks = usize::try_from(capacity.div_ceil(BLOCK)).unwrap_or(usize::MAX);
        self.stamps.resize(blocks, 0);
    }

    /// Notes a write.
    pub(crate) fn stamp(&mut self, offset: u64, length: u64) {
        if length == 0 {
            return;
        }
        let block = |offset: u64| usize::try_from(offset / BLOCK).unwrap_or(usize::MAX);
        let end = (block(offset + length - 1) + 1).min(self.stamps.len());
        let begin = block(offset).min(end);
        self.stamps[begin..end].fill(self.epoch);
    }

    /// Ends the epoch: what is known at this moment.
    pub(crate) fn freeze(&mut self) -> Self {
        let frozen = self.clone();
        self.epoch += 1;
        frozen
    }

    /// Goes back to what was known then; epochs go on. What was written since, and is undone by this, has no
    /// stamp that tells so: vSphere has the same hole.
    pub(crate) fn revert(&mut self, then: &Self) {
        self.stamps.clone_from(&then.stamps);
        self.line = then.line;
        self.epoch = self.epoch.max(then.epoch + 1);
    }

    /// Another line of epochs over the same blocks, as after a move to another datastore.
    pub(crate) fn rename(&mut self) {
        self.line = line();
    }

    /// The id that names this moment.
    pub(crate) fn change_id(&self) -> String {
        let mut text = String::new();
        for (index, byte) in self.line.iter().enumerate() {
            let before = match index {
                0 => "",
                8 => "-",
                _ => " ",
            };
            let _ = write!(text, "{before}{byte:02x}");
        }
        let _ = write!(text, "/{}", self.epoch);
        text
    }

    /// What a change id asks for, seen from this moment.
    pub(crate) fn since(&self, change_id: &str) -> Result<Since, Useless> {
        if change_id == "*" {
            return Ok(Since::Ever);
        }
        let (line, epoch) = change_id.rsplit_once('/').ok_or(Useless::Malformed)?;
        let pairs: Option<Vec<u8>> = line
            .split([' ', '-'])
            .map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2))
            .collect();
        let pairs = pairs.filter(|pairs| pairs.len() == self.line.len()).ok_or(Useless::Malformed)?;
        // `/p3`, which walks a chain of parents, is not documented and not known here.
        let epoch: u32 = epoch.parse().map_err(|_| Useless::Malformed)?;
        if pairs != self.line || epoch > self.epoch {
            return Err(Useless::Unknown);
        }
        Ok(Since::Epoch(epoch))
    }

    /// The next stretch of blocks written since, at or after an offset: its start and end.
    pub(crate) fn next(&self, since: Since, offset: u64, capacity: u64) -> Option<(u64, u64)> {
        let written = |stamp: &u32| match since {
            Since::Ever => *stamp > 0,
            Since::Epoch(epoch) => *stamp > epoch,
        };
        let from = usize::try_from(offset / BLOCK).ok()?;
        let rest = self.stamps.get(from..)?;
        let first = rest.iter().position(written)?;
        let count = rest[first..].iter().take_while(|stamp| written(stamp)).count();
        let start = (from + first) as u64 * BLOCK;
        let end = (start + count as u64 * BLOCK).min(capacity);
        (start < capacity).then_some((start.max(offset), end))
    }
}

/// A fresh line; vSphere's begin with 52.
fn line() -> [u8; 16] {
    let mut line = *Uuid::new_v4().as_bytes();
    line[0] = 0x52;
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking(blocks: u64) -> Tracking {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("disk");
        crate::disk::create(&file, blocks * BLOCK).unwrap();
        Tracking::begin(&file, blocks * BLOCK).unwrap()
    }

    #[test]
    fn a_change_id_names_a_moment_of_one_line() {
        let mut live = tracking(4);
        let one = live.freeze().change_id();
        live.stamp(BLOCK + 5, BLOCK);
        let two = live.freeze();
        assert!(one.ends_with("/1") && one.len() == 49, "{one}");
        assert_eq!(one.as_bytes()[23], b'-');
        assert_eq!(two.since(&one), Ok(Since::Epoch(1)));
        assert_eq!(two.next(Since::Epoch(1), 0, 4 * BLOCK), Some((BLOCK, 3 * BLOCK)));
        assert_eq!(two.next(Since::Epoch(1), 2 * BLOCK + 1, 4 * BLOCK), Some((2 * BLOCK + 1, 3 * BLOCK)));
        assert_eq!(two.next(Since::Epoch(2), 0, 4 * BLOCK), None);
        let later = live.freeze().change_id();
        assert_eq!(two.since(&later), Err(Useless::Unknown));
        assert_eq!(tracking(4).since(&one), Err(Useless::Unknown));
        for wrong in ["", "x", "52/1", &one.replace("/1", "/p1"), &one.replace("/1", "/"), "**"] {
            assert_eq!(two.since(wrong), Err(Useless::Malformed), "{wrong}");
        }
    }
}
