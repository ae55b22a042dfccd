//! Disks of noise, and whether two are equal.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::statfs;

const BLOCK: usize = 1 << 20;

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: i64 = 0x0102_1994;

/// Fills a new file with `mib` MiB that have neither zeroes nor repetition.
pub(crate) fn fill(path: &Path, mib: u64) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; BLOCK];
    for _ in 0..mib {
        for word in block.chunks_exact_mut(8) {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block).with_context(|| format!("cannot fill {}", path.display()))?;
    }
    Ok(())
}

/// Has the memory of `mib` MiB behind a file in `folder`, where that is a tmpfs.
///
/// A virtual machine may give memory that rests back to its host, within seconds; to touch it again
/// takes several times as long as to fill it, and who is measured first would pay for everybody.
pub(crate) fn back_memory(folder: &Path, mib: u64) -> Result<()> {
    if statfs(folder)?.f_type != TMPFS {
        return Ok(());
    }
    let mut file = tempfile::tempfile_in(folder)?;
    let zeroes = vec![0; BLOCK];
    for _ in 0..mib {
        file.write_all(&zeroes).context("not enough memory to measure with")?;
    }
    Ok(())
}

/// Fails unless both files hold the same bytes.
pub(crate) fn must_be_equal(a: &Path, b: &Path) -> Result<()> {
    let (mut left, mut right) = (BufReader::new(File::open(a)?), File::open(b)?);
    let (left_len, right_len) = (left.get_ref().metadata()?.len(), right.metadata()?.len());
    ensure!(left_len == right_len, "{} has {right_len} bytes, not {left_len}", b.display());
    let (mut x, mut y) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut at = 0;
    while at < left_len {
        let len = usize::try_from(left_len - at).map_or(BLOCK, |rest| rest.min(BLOCK));
        left.read_exact(&mut x[..len])?;
        right.read_exact(&mut y[..len])?;
        ensure!(x[..len] == y[..len], "{} differs from {} near byte {at}", b.display(), a.display());
        at += len as u64;
    }
    Ok(())
}
