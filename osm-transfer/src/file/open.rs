//! Opening: what the path names, how large it is, who may write to it.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind as IoKind};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::fs::{FlockOperation, SeekFrom, flock, ioctl_blksszget, seek};
use rustix::io::Errno;
use tokio::time::{Instant, sleep};

use super::zero::Zeroing;
use super::{FileKind, Opened, extent, lane};
use crate::block::ByteRange;
use crate::endpoint::too_small;
use crate::{Error, ErrorKind, Result, Retry};

/// How often a disk that somebody else writes is asked for again.
const POLL: Duration = Duration::from_millis(50);

/// A disk opened for writing, or somebody else's.
enum Claim {
    Ours(Opened),
    Held,
}

pub(super) fn source(path: PathBuf) -> Result<Opened> {
    let opened = File::open(&path).map_err(io).and_then(|file| {
        let (kind, size) = examine(&file)?;
        Ok((file, kind, size))
    });
    let (file, kind, size) = opened.map_err(|error| named(error, &path))?;
    Ok(Opened {
        file,
        path,
        kind,
        size,
        untouched: AtomicBool::new(false),
        zeroing: Zeroing::default(),
        uncached: AtomicBool::new(false),
        run: Mutex::new(ByteRange::new(0, 0)),
        writing: Mutex::default(),
    })
}

pub(super) async fn sink(path: &Path, size: u64, wait: Duration) -> Result<Opened> {
    let deadline = Instant::now() + wait;
    loop {
        let name = path.to_path_buf();
        let claimed = lane::once(move || claim(name, size)).await.map_err(|error| named(error, path))?;
        match claimed {
            Claim::Ours(opened) => return Ok(opened),
            Claim::Held if Instant::now() >= deadline => {
                let error = Error::new(ErrorKind::Io, "somebody else is writing to the disk, it is locked");
                return Err(named(error, path).with_retry(Retry::After(Duration::from_secs(1))));
            }
            Claim::Held => sleep(POLL.min(deadline - Instant::now())).await,
        }
    }
}

fn claim(path: PathBuf, size: u64) -> Result<Claim> {
    let mut options = File::options();
    options.read(true).write(true);
    match fs::metadata(&path) {
        // The kernel refuses a device that is mounted or part of another one.
        Ok(metadata) if metadata.file_type().is_block_device() => {
            options.custom_flags(libc::O_EXCL);
        }
        Ok(metadata) => must_be_disk(&metadata)?,
        // A device that is not there, or not any more, must not become a file in memory.
        Err(_) if path.starts_with("/dev") && !path.starts_with("/dev/shm") => {}
        Err(_) => {
            options.create(true);
        }
    }
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoKind::ResourceBusy => return Ok(Claim::Held),
        Err(error) => return Err(io(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Claim::Held),
        Err(error) => return Err(io(error.into())),
    }
    // Only now that it is ours does its size mean anything.
    let (kind, mut len) = examine(&file)?;
    if kind == FileKind::Regular && len == 0 {
        file.set_len(size).map_err(io)?;
        len = size;
    }
    if len < size {
        return Err(too_small(len, size));
    }
    let untouched = kind == FileKind::Regular && extent::is_one_hole(file.as_fd());
    Ok(Claim::Ours(Opened {
        file,
        path,
        kind,
        size: len,
        untouched: AtomicBool::new(untouched),
        zeroing: Zeroing::default(),
        uncached: AtomicBool::new(false),
        run: Mutex::new(ByteRange::new(0, 0)),
        writing: Mutex::default(),
    }))
}

/// What kind of disk it is, and how many bytes it has.
fn examine(file: &File) -> Result<(FileKind, u64)> {
    let metadata = file.metadata().map_err(io)?;
    must_be_disk(&metadata)?;
    if metadata.is_file() {
        return Ok((FileKind::Regular, metadata.len()));
    }
    let sector = ioctl_blksszget(file).map_err(|error| io(error.into()))?;
    let size = seek(file, SeekFrom::End(0)).map_err(|error| io(error.into()))?;
    Ok((FileKind::Device { sector }, size))
}

fn must_be_disk(metadata: &Metadata) -> Result<()> {
    if metadata.is_file() || metadata.file_type().is_block_device() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, "neither a regular file nor a block device"))
}

/// The error of a file, in our words where the kernel's are not enough to act on.
pub(super) fn io(source: io::Error) -> Error {
    match source.kind() {
        IoKind::NotFound => Error::new(ErrorKind::Config, "no such file or device").with_source(source),
        IoKind::PermissionDenied => Error::new(ErrorKind::Config, "permission denied").with_source(source),
        IoKind::UnexpectedEof => {
            Error::new(ErrorKind::Io, "the disk ended early: it became smaller").with_source(source)
        }
        _ => source.into(),
    }
}

fn named(error: Error, path: &Path) -> Error {
    error.with_endpoint(path.display().to_string()).with_operation("open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_that_is_not_there_is_not_made() {
        let path = Path::new("/dev/osm-test-no-such-device");
        let error = sink(path, 4096, Duration::ZERO).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        let made = fs::remove_file(path).is_ok();
        assert!(!made, "a file was made of it");
    }
}
