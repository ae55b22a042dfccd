//! The journal of a transfer: how far it is safe, so that the next run continues there.
//!
//! ```text
//!   frame 0     which disks: names and sizes of source and sink
//!   frame 1..   everything before this byte is in the sink, and was flushed
//! ```
//!
//! A frame is written after the sink's flush, and synced. What a crash leaves of the last frame is not
//! a frame, and does not count. A damaged frame ends the journal: what comes after it is not believed, so
//! that at worst something is moved once more. A journal of other disks is refused.

mod frame;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use self::frame::{frame, unframe};
use crate::{Error, ErrorKind, Result, file};

/// How the first frame begins.
const MAGIC: &[u8] = b"osm transfer journal 1\n";

/// Bytes of a frame that says how far it is.
const MARK: usize = 16;

/// Which disks a journal is about. Names are compared, never parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The source, in a way that changes when its bytes do: a volume and the moment it was stopped, a
    /// file and the time of its last change.
    pub source: String,
    /// Bytes of the source.
    pub source_size: u64,
    /// The sink.
    pub sink: String,
    /// Bytes of the sink.
    pub sink_size: u64,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Everything before this byte is in the sink, and was flushed.
    pub done: u64,
    /// How many of those bytes were read and written; the others are zeroes.
    pub copied: u64,
}

/// An open journal. Nobody else has it open.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    mark: Mark,
}

impl Journal {
    /// Opens the journal at `path`, which is made when it is not there.
    ///
    /// # Errors
    /// `Config` when it is about other disks, is no journal, or cannot be written; `Io` when another
    /// transfer has it open.
    pub async fn open(path: impl Into<PathBuf>, identity: &Identity) -> Result<Self> {
        let (path, identity) = (path.into(), identity.clone());
        file::once(move || {
            open(&path, &identity).map_err(|error| {
                error.with_endpoint(path.display().to_string()).with_operation("open journal")
            })
        })
        .await
    }

    /// How far the transfer is.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Notes how far it is. The sink was flushed.
    ///
    /// # Errors
    /// The journal cannot be written; the old mark still counts.
    pub fn advance(&mut self, mark: Mark) -> Result<()> {
        let mut payload = [0; MARK];
        payload[..8].copy_from_slice(&mark.done.to_le_bytes());
        payload[8..].copy_from_slice(&mark.copied.to_le_bytes());
        let written = frame(&payload).ok_or_else(too_long).and_then(|frame| {
            self.file.write_all(&frame)?;
            Ok(self.file.sync_data()?)
        });
        written.map_err(|error| {
            error.with_endpoint(self.path.display().to_string()).with_operation("write journal")
        })?;
        self.mark = mark;
        Ok(())
    }
}

fn open(path: &Path, identity: &Identity) -> Result<Journal> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(Error::new(ErrorKind::Io, "another transfer is using the journal"));
        }
        Err(error) => return Err(io::Error::from(error).into()),
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let first = frame(&head(identity)).ok_or_else(too_long)?;
    // Also what is left of a first frame, when a crash came before it was whole.
    if first.starts_with(&bytes) && bytes.len() < first.len() {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&first)?;
        file.sync_all()?;
        sync_folder(path)?;
        return Ok(Journal { file, path: path.to_path_buf(), mark: Mark::default() });
    }
    let Some((found, mut rest)) = unframe(&bytes) else {
        return Err(match bytes.windows(MAGIC.len()).take(MAGIC.len()).any(|window| window == MAGIC) {
            true => refusal("the beginning of the journal is damaged"),
            // Not to be deleted on our advice.
            false => Error::new(ErrorKind::Config, "this is no journal: name another file"),
        });
    };
    same(found, identity)?;
    let mut mark = Mark::default();
    while let Some((payload, after)) = unframe(rest) {
        let Some(next) = read_mark(payload, mark, identity.source_size) else { break };
        (mark, rest) = (next, after);
    }
    // What is not believed must not come back to life behind what is written next.
    let end = (bytes.len() - rest.len()) as u64;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok(Journal { file, path: path.to_path_buf(), mark })
}

fn read_mark(payload: &[u8], before: Mark, size: u64) -> Option<Mark> {
    let (done, copied) = payload.split_first_chunk::<8>()?;
    let mark = Mark { done: u64::from_le_bytes(*done), copied: u64::from_le_bytes(copied.try_into().ok()?) };
    (mark.done >= before.done && mark.done <= size && mark.copied <= mark.done).then_some(mark)
}

fn head(identity: &Identity) -> Vec<u8> {
    let Identity { source, source_size, sink, sink_size } = identity;
    let mut head = MAGIC.to_vec();
    for (name, size) in [(source, source_size), (sink, sink_size)] {
        head.extend(size.to_le_bytes());
        head.extend((name.len() as u64).to_le_bytes());
        head.extend(name.as_bytes());
    }
    head
}

/// Refuses a journal of other disks, naming what differs.
fn same(found: &[u8], identity: &Identity) -> Result<()> {
    if found == head(identity) {
        return Ok(());
    }
    let Some(there) = read_head(found) else {
        return Err(refusal("this is no journal of this version"));
    };
    let differs = |what: &str, there: &str, here: &str| {
        refusal(&format!("the journal is about another transfer: its {what} is {there}, not {here}"))
    };
    Err(if there.source != identity.source {
        differs("source", &there.source, &identity.source)
    } else if there.sink != identity.sink {
        differs("target", &there.sink, &identity.sink)
    } else if there.source_size != identity.source_size {
        differs("source's size", &there.source_size.to_string(), &identity.source_size.to_string())
    } else {
        differs("target's size", &there.sink_size.to_string(), &identity.sink_size.to_string())
    })
}

fn read_head(bytes: &[u8]) -> Option<Identity> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut next = || {
        let (size, after) = rest.split_first_chunk::<8>()?;
        let (length, after) = after.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (name, after) = after.split_at_checked(length)?;
        rest = after;
        Some((u64::from_le_bytes(*size), String::from_utf8(name.to_vec()).ok()?))
    };
    let ((source_size, source), (sink_size, sink)) = (next()?, next()?);
    Some(Identity { source, source_size, sink, sink_size })
}

fn refusal(why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{why}; delete it to move everything from the start"))
}

fn too_long() -> Error {
    Error::new(ErrorKind::Config, "the names of the disks are too long for a journal")
}

fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { source: "a".into(), source_size: 100, sink: "b".into(), sink_size: 200 }
    }

    fn marks() -> [Mark; 3] {
        [(10, 4), (10, 4), (100, 60)].map(|(done, copied)| Mark { done, copied })
    }

    fn written(path: &Path) -> Vec<u8> {
        let mut journal = open(path, &identity()).unwrap();
        for mark in marks() {
            journal.advance(mark).unwrap();
        }
        std::fs::read(path).unwrap()
    }

    #[test]
    fn the_last_mark_counts_and_the_next_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        assert_eq!(open(&path, &identity()).unwrap().mark(), Mark::default());
        written(&path);
        let mut journal = open(&path, &identity()).unwrap();
        assert_eq!(journal.mark(), marks()[2]);
        let error = open(&path, &identity()).unwrap_err();
        assert!(error.to_string().contains("another transfer is using"), "{error}");
        journal.advance(Mark { done: 100, copied: 61 }).unwrap();
        drop(journal);
        assert_eq!(open(&path, &identity()).unwrap().mark().copied, 61);
    }

    #[test]
    fn every_truncation_is_continued_from_an_earlier_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let whole = written(&path);
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut journal = open(&path, &identity()).unwrap();
            let there = journal.mark();
            assert!(there == Mark::default() || marks().contains(&there), "{length}: {there:?}");
            assert!(length < whole.len() - 1 || there == marks()[1], "{length}: {there:?}");
            journal.advance(Mark { done: 50, copied: 0 }).unwrap();
            drop(journal);
            assert_eq!(open(&path, &identity()).unwrap().mark().done, 50, "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused_or_costs_only_what_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let whole = written(&path);
        let head = frame(&head(&identity())).unwrap().len();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            match open(&path, &identity()) {
                Ok(journal) => {
                    assert!(bit / 8 >= head, "bit {bit} of the head");
                    let before = (bit / 8 - head) / (MARK + 8);
                    let expected = before.checked_sub(1).map(|last| marks()[last]).unwrap_or_default();
                    assert_eq!(journal.mark(), expected, "bit {bit}");
                }
                Err(error) => {
                    let in_magic = (8..8 + MAGIC.len()).contains(&(bit / 8));
                    let advice = if in_magic { "name another file" } else { "delete it" };
                    assert!(error.to_string().contains(advice), "bit {bit}: {error}");
                }
            }
        }
    }

    #[test]
    fn marks_that_go_back_or_beyond_the_source_are_not_believed() {
        for (done, copied) in [(5, 0), (101, 0), (50, 51)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("j");
            let mut journal = open(&path, &identity()).unwrap();
            journal.advance(Mark { done: 10, copied: 0 }).unwrap();
            journal.advance(Mark { done, copied }).unwrap();
            drop(journal);
            assert_eq!(open(&path, &identity()).unwrap().mark().done, 10, "{done} {copied}");
        }
    }

    #[test]
    fn another_transfer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        written(&path);
        let cases = [
            (Identity { source: "c".into(), ..identity() }, "source is a, not c"),
            (Identity { sink: "c".into(), ..identity() }, "target is b, not c"),
            (Identity { source_size: 1, ..identity() }, "source's size is 100, not 1"),
            (Identity { sink_size: 1, ..identity() }, "target's size is 200, not 1"),
        ];
        for (identity, said) in cases {
            let error = open(&path, &identity).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(said), "{error}");
        }
        std::fs::write(&path, "some other file of mine").unwrap();
        let error = open(&path, &identity()).unwrap_err();
        assert!(error.to_string().contains("no journal: name another file"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"some other file of mine");
    }
}
