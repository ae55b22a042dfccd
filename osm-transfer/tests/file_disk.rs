//! Files and block devices as disks, on a real file system and on tmpfs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memory::block_on;
use osm_transfer::block::{BlockSink, BlockSource, Buffer, ByteRange, Extent, ExtentKind, ZeroMode};
use osm_transfer::file::FileDisk;
use osm_transfer::hash::{Digest, HashOptions, hash_disk};
use osm_transfer::transfer::{Report, Transfer, Verify};
use osm_transfer::{Error, ErrorKind};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A folder on disk, and one on tmpfs if the machine has it.
fn folders() -> Vec<TempDir> {
    let on_disk = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let on_tmpfs = TempDir::new_in("/dev/shm");
    if on_tmpfs.is_err() {
        // Not through the test's captured output: a skip is seen.
        std::io::stderr().write_all(b"skipped: no tmpfs at /dev/shm\n").unwrap();
    }
    std::iter::once(on_disk).chain(on_tmpfs).collect()
}

/// 8 MiB with data at 1..2 MiB and in the last, odd bytes.
fn sparse(path: &Path) -> Vec<u8> {
    let size = 8 * MIB + 5;
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(&[0x5a; MIB as usize], MIB).unwrap();
    file.write_all_at(b"odd!!", 8 * MIB).unwrap();
    fs::read(path).unwrap()
}

fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

async fn copy(from: &Path, to: &Path) -> Result<Report, Error> {
    let source = Arc::new(FileDisk::open_source(from).await?);
    let sink = Arc::new(FileDisk::open_sink(to, BlockSource::size(&*source)).await?);
    let copy = Arc::new(FileDisk::open_source(to).await?);
    let builder = Transfer::builder().source(source).sink(sink);
    builder.verify(Verify::ReadBack).verify_with(copy).build()?.run().await
}

#[test]
fn a_new_file_is_made_sparse_and_of_exactly_the_size() {
    for folder in folders() {
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let bytes = sparse(&from);
        let report = block_on(copy(&from, &to)).unwrap();
        assert_eq!(fs::read(&to).unwrap(), bytes);
        assert!(report.copied < 2 * MIB, "{report:?}");
        assert!(allocated(&to) < 2 * MIB, "{} bytes are allocated", allocated(&to));
    }
}

#[test]
fn a_disk_longer_than_extents_are_asked_for_at_once_is_copied_and_hashed_whole() {
    let folder = &folders()[0];
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let file = File::create(&from).unwrap();
    file.set_len(700 * MIB).unwrap();
    // Across the border of the first range, and in the last one.
    let islands = [(255 * MIB + 512, 2 * MIB), (699 * MIB, MIB)];
    for (offset, len) in islands {
        file.write_all_at(&vec![0x77; len as usize], offset).unwrap();
    }
    let report = block_on(copy(&from, &to)).unwrap();
    assert!(report.copied < 4 * MIB, "{report:?}");
    assert_eq!(fs::metadata(&to).unwrap().len(), 700 * MIB);
    let copy = File::open(&to).unwrap();
    for (offset, len) in islands {
        let mut bytes = vec![0; len as usize + 2];
        copy.read_at(&mut bytes, offset - 1).unwrap();
        assert!(bytes[0] == 0 && bytes[1..=len as usize].iter().all(|byte| *byte == 0x77));
    }
    let disk: Arc<dyn BlockSource> = Arc::new(block_on(FileDisk::open_source(&to)).unwrap());
    let hash = block_on(hash_disk(&disk, &HashOptions::default(), Arc::new(()))).unwrap();
    assert_eq!(hash.chunks.len(), 700);
    let (zeroes, island) = (Digest::of(&[0; MIB as usize]), Digest::of(&[0x77; MIB as usize]));
    assert_eq!((hash.chunks[254], hash.chunks[256], hash.chunks[699]), (zeroes, island, island));
    assert_eq!(hash.chunks.iter().filter(|chunk| **chunk == zeroes).count(), 696);
}

#[test]
fn old_bytes_in_holes_are_zeroed_and_given_back() {
    for folder in folders() {
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let bytes = sparse(&from);
        fs::write(&to, vec![0xff; bytes.len()]).unwrap();
        block_on(copy(&from, &to)).unwrap();
        assert_eq!(fs::read(&to).unwrap(), bytes);
        assert!(allocated(&to) < 2 * MIB, "{} bytes are allocated", allocated(&to));
    }
}

#[test]
fn an_empty_file_is_sized_and_a_larger_one_keeps_its_tail() {
    for folder in folders() {
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, [1; 3000]).unwrap();
        File::create(&to).unwrap();
        block_on(copy(&from, &to)).unwrap();
        assert_eq!(fs::read(&to).unwrap(), [1; 3000]);
        fs::write(&to, [2; 5000]).unwrap();
        block_on(copy(&from, &to)).unwrap();
        assert_eq!(fs::read(&to).unwrap(), [[1; 3000].as_slice(), &[2; 2000]].concat());
    }
}

#[test]
fn a_smaller_file_is_refused_untouched_and_both_sizes_are_named() {
    let folder = &folders()[0];
    let to = folder.path().join("to");
    fs::write(&to, [2; 100]).unwrap();
    let error = block_on(FileDisk::open_sink(&to, 101)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("smaller than source") && text.contains("100") && text.contains("101"), "{text}");
    assert_eq!(fs::read(&to).unwrap(), [2; 100]);
}

#[test]
fn what_is_no_disk_is_refused() {
    let folder = &folders()[0];
    block_on(async {
        for path in [folder.path(), Path::new("/dev/null"), &folder.path().join("missing/disk")] {
            let source = FileDisk::open_source(path).await.unwrap_err();
            assert_eq!(source.kind(), ErrorKind::Config, "{source}");
            assert_eq!(source.context().endpoint.as_deref(), path.to_str());
            assert_eq!(FileDisk::open_sink(path, 1).await.unwrap_err().kind(), ErrorKind::Config);
        }
    });
}

#[test]
fn one_writer_at_a_time_and_the_next_may_wait() {
    let folder = &folders()[0];
    let path = folder.path().join("disk");
    block_on(async {
        let first = FileDisk::open_sink(&path, 10).await.unwrap();
        let error = FileDisk::open_sink(&path, 10).await.unwrap_err();
        assert!(error.to_string().contains("locked"), "{error}");
        let patience = Duration::from_millis(120);
        let asked = Instant::now();
        FileDisk::open_sink_within(&path, 10, patience).await.unwrap_err();
        assert!(asked.elapsed() >= patience);
        // Reading needs no lock.
        FileDisk::open_source(&path).await.unwrap();

        let waiting = FileDisk::open_sink_within(&path, 10, Duration::from_secs(20));
        let (second, ()) = tokio::join!(waiting, async { drop(first) });
        second.unwrap();
    });
}

#[test]
fn requests_out_of_bounds_or_on_the_wrong_side_are_refused() {
    let folder = &folders()[0];
    let path = folder.path().join("disk");
    block_on(async {
        let sink = FileDisk::open_sink(&path, 100).await.unwrap();
        let source = FileDisk::open_source(&path).await.unwrap();
        for (offset, len) in [(0, 101), (100, 1), (u64::MAX, 2)] {
            let kinds = [
                source.read(offset, Buffer::zeroed(len)).await.unwrap_err().kind(),
                sink.write(offset, Buffer::zeroed(len)).await.unwrap_err().kind(),
                sink.zero(ByteRange::new(offset, len as u64), ZeroMode::Hole).await.unwrap_err().kind(),
                source.extents(ByteRange::new(offset, len as u64)).await.unwrap_err().kind(),
            ];
            assert_eq!(kinds, [ErrorKind::OutOfBounds; 4]);
        }
        let kinds = [
            source.write(0, Buffer::zeroed(1)).await.unwrap_err().kind(),
            source.zero(ByteRange::new(0, 1), ZeroMode::Hole).await.unwrap_err().kind(),
            source.flush().await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::ReadOnly; 3]);
    });
}

#[test]
fn a_sink_is_zero_only_until_its_first_write() {
    for folder in folders() {
        let path = folder.path().join("disk");
        block_on(async {
            let sink = FileDisk::open_sink(&path, MIB).await.unwrap();
            assert!(BlockSink::capabilities(&sink).starts_zeroed);
            let extents = sink.extents(ByteRange::new(0, MIB)).await.unwrap();
            assert_eq!(extents, [Extent::new(0, MIB, ExtentKind::Hole)]);
            sink.write(7, Buffer::from(vec![1])).await.unwrap();
            assert!(!BlockSink::capabilities(&sink).starts_zeroed);
            drop(sink);
            let wait = Duration::from_secs(20);
            let sink = FileDisk::open_sink_within(&path, MIB, wait).await.unwrap();
            assert!(!BlockSink::capabilities(&sink).starts_zeroed);
        });
    }
}

#[test]
fn a_source_that_became_smaller_is_an_error() {
    let folder = &folders()[0];
    let path = folder.path().join("disk");
    fs::write(&path, [1; 100]).unwrap();
    block_on(async {
        let source = FileDisk::open_source(&path).await.unwrap();
        File::options().write(true).open(&path).unwrap().set_len(50).unwrap();
        let error = source.read(40, Buffer::zeroed(20)).await.unwrap_err();
        assert_eq!((error.kind(), error.context().offset), (ErrorKind::Io, Some(40)));
    });
}

#[test]
fn extents_name_holes_and_both_modes_zero() {
    for folder in folders() {
        let path = folder.path().join("disk");
        fs::write(&path, vec![9; 4 * MIB as usize]).unwrap();
        block_on(async {
            let sink = FileDisk::open_sink(&path, 4 * MIB).await.unwrap();
            sink.zero(ByteRange::new(MIB, MIB), ZeroMode::Hole).await.unwrap();
            sink.zero(ByteRange::new(3 * MIB + 1, 10), ZeroMode::Allocate).await.unwrap();
            sink.flush().await.unwrap();
            let extents = sink.extents(ByteRange::new(0, 3 * MIB)).await.unwrap();
            let expected = [
                Extent::new(0, MIB, ExtentKind::Data),
                Extent::new(MIB, MIB, ExtentKind::Hole),
                Extent::new(2 * MIB, MIB, ExtentKind::Data),
            ];
            assert_eq!(extents, expected);
        });
        let bytes = fs::read(&path).unwrap();
        let zeroes = |range: std::ops::Range<u64>| range.into_iter().all(|at| bytes[at as usize] == 0);
        assert!(zeroes(MIB..2 * MIB) && zeroes(3 * MIB + 1..3 * MIB + 11));
        assert_eq!(bytes.iter().filter(|byte| **byte == 0).count() as u64, MIB + 10);
    }
}

/// A loop device over a file; gone when dropped.
struct Loop {
    device: PathBuf,
}

impl Loop {
    fn over(file: &Path) -> Option<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output();
        match output {
            Ok(output) if output.status.success() => {
                let device = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
                Some(Self { device })
            }
            // Not a peer that could be installed: a container has no loop devices.
            _ => {
                std::io::stderr().write_all(b"skipped: no loop device to be had\n").unwrap();
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
    }
}

#[test]
fn a_block_device_is_written_whole_and_a_small_one_is_refused() {
    let folder = &folders()[0];
    let backing = folder.path().join("backing");
    fs::write(&backing, vec![0xaa; 9 * MIB as usize]).unwrap();
    let Some(device) = Loop::over(&backing) else { return };
    let from = folder.path().join("from");
    let bytes = sparse(&from);
    block_on(copy(&from, &device.device)).unwrap();
    let written = fs::read(&device.device).unwrap();
    assert_eq!(written.len() as u64, 9 * MIB);
    assert!(written[..bytes.len()] == bytes[..], "the device holds something else");
    assert!(written[bytes.len()..].iter().all(|byte| *byte == 0xaa), "the tail was touched");

    let error = block_on(FileDisk::open_sink(&device.device, 10 * MIB)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    // The kernel's own claim, as a mounted file system makes it.
    let mounted = File::options().read(true).custom_flags(libc::O_EXCL).open(&device.device).unwrap();
    let error = block_on(FileDisk::open_sink(&device.device, 1)).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    drop(mounted);
    block_on(async {
        let sink = FileDisk::open_sink_within(&device.device, 1, Duration::from_secs(20)).await.unwrap();
        for mode in [ZeroMode::Hole, ZeroMode::Allocate] {
            sink.write(0, Buffer::from(vec![3; 4096])).await.unwrap();
            sink.zero(ByteRange::new(100, 3000), mode).await.unwrap();
            let bytes = sink.read(0, Buffer::zeroed(4096)).await.unwrap();
            let zeroes = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
            assert!(zeroes.eq(100..3100), "{mode:?}");
        }
        assert!(FileDisk::open_sink(&device.device, 1).await.is_err(), "two writers of a device");
    });
}
