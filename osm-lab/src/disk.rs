//! Disks as sparse files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use rustix::fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek};
use rustix::io::Errno;

use crate::digest::Digests;

/// One GiB: what Cinder and Nova count in.
pub(crate) const GIB: u64 = 1 << 30;

/// Makes an empty disk of `size` bytes.
pub(crate) fn create(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.set_len(size)
}

/// Makes `target` a disk with the bytes of `source`, at least `size` bytes long; holes stay holes.
pub(crate) fn copy(source: &Path, target: &Path, size: u64) -> io::Result<()> {
    let from = File::open(source)?;
    let length = from.metadata()?.len();
    let to = OpenOptions::new().write(true).create(true).truncate(true).open(target)?;
    // Where the file system shares blocks this is all there is to do.
    if ioctl_ficlone(&to, &from).is_err() {
        copy_data(&from, &to, length)?;
    }
    to.set_len(size.max(length))
}

fn copy_data(from: &File, to: &File, length: u64) -> io::Result<()> {
    let mut offset = 0;
    while offset < length {
        let start = match seek(from, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = seek(from, SeekFrom::Hole(start))?;
        let (mut read, mut write) = (start, start);
        while read < end {
            let wanted = usize::try_from(end - read).unwrap_or(usize::MAX);
            if copy_file_range(from, Some(&mut read), to, Some(&mut write), wanted)? == 0 {
                break;
            }
        }
        offset = end;
    }
    Ok(())
}

/// Fills `length` bytes at `offset` with bytes that depend on `seed` and their position and do not compress.
pub(crate) fn scribble(path: &Path, seed: u64, offset: u64, length: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let mut buffer = vec![0; length.min(1 << 20)];
    let mut done = 0;
    while done < length {
        let part = buffer.len().min(length - done);
        let at = offset + done as u64;
        fill(&mut buffer[..part], seed, at);
        file.write_all_at(&buffer[..part], at)?;
        done += part;
    }
    Ok(())
}

/// Splitmix64 over the position.
fn fill(buffer: &mut [u8], seed: u64, offset: u64) {
    for (index, word) in (0_u64..).zip(buffer.chunks_mut(8)) {
        let mut x = seed ^ (offset / 8 + index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bytes = (x ^ (x >> 31)).to_le_bytes();
        word.copy_from_slice(&bytes[..word.len()]);
    }
}

/// MD5 and SHA-512 of a whole file.
pub(crate) fn digests(path: &Path) -> io::Result<(String, String)> {
    let mut sink = DigestSink(Digests::new());
    io::copy(&mut File::open(path)?, &mut sink)?;
    Ok(sink.0.finish())
}

struct DigestSink(Digests);

impl Write for DigestSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name of a volume's device in its server's folder: virtio serials have 20 characters.
fn device_name(volume_id: &str) -> String {
    format!("virtio-{}", volume_id.get(..20).unwrap_or(volume_id))
}

/// Shows a volume in a server's device folder.
pub(crate) fn plug(host_dir: &Path, volume_id: &str, file: &Path) -> io::Result<()> {
    std::fs::create_dir_all(host_dir)?;
    match symlink(std::path::absolute(file)?, host_dir.join(device_name(volume_id))) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Takes a volume out of a server's device folder.
pub(crate) fn unplug(host_dir: &Path, volume_id: &str) {
    // Absent is as good as removed.
    let _ = std::fs::remove_file(host_dir.join(device_name(volume_id)));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_copy_has_the_bytes_and_keeps_the_holes() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        create(&a, 64 << 20).unwrap();
        scribble(&a, 7, 3 << 20, 100_000).unwrap();
        scribble(&a, 7, 40 << 20, 5_000).unwrap();
        copy(&a, &b, 65 << 20).unwrap();
        let (mut left, right) = (std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        left.resize(65 << 20, 0);
        assert!(left == right);
        assert!(left[3 << 20..][..100_000].iter().any(|byte| *byte != 0));
        assert!(std::fs::metadata(&b).unwrap().blocks() * 512 < 1 << 20);
    }
}
