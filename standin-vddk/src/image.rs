//! The files that are served as disks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::SECTOR;
use crate::settings::settings;

/// The file behind a path: `[ds] dir/x-000001.vmdk` is `ds/dir/x-flat.vmdk` below the root of datastores.
pub(crate) fn file_of(path: &str) -> PathBuf {
    let root = settings().root.as_deref();
    match (root, path.strip_prefix('[').and_then(|rest| rest.split_once(']'))) {
        (Some(root), Some((datastore, within))) => {
            let within = within.trim_start();
            let name = within.strip_suffix(".vmdk").unwrap_or(within);
            root.join(datastore).join(format!("{}-flat.vmdk", without_number(name)))
        }
        _ => Path::new(path).to_path_buf(),
    }
}

/// `web` of `web-000001`, the name of a snapshot's disk.
fn without_number(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((base, number)) if number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => name,
    }
}

/// Fills `buffer` from a sector on.
pub(crate) fn read(file: &File, sector: u64, buffer: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(buffer, sector * SECTOR)
}

/// The chunks of `range` with data in them, in sectors and in order.
pub(crate) fn allocated(file: &File, range: Range<u64>, chunk: u64) -> io::Result<Vec<Range<u64>>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut at = range.start * SECTOR;
    let end = range.end * SECTOR;
    while at < end {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) if data < end => data,
            // Nothing but a hole is left.
            Ok(_) | Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(file, SeekFrom::Hole(data))?.min(end);
        let first = data / SECTOR / chunk * chunk;
        let run = first.max(range.start)..hole.div_ceil(SECTOR).next_multiple_of(chunk).min(range.end);
        at = run.end * SECTOR;
        match runs.last_mut() {
            Some(last) if run.start <= last.end => last.end = run.end,
            _ => runs.push(run),
        }
    }
    Ok(runs)
}
