//! Disks read by the stand-in for VDDK.
//!
//! A library is loaded once in a process, and the stand-in reads its settings from the environment once: so each test runs
//! itself again in a process of its own, and then looks at what that one has left.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod stage;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use osm_transfer::Retry;
use osm_transfer::block::{BlockSource as _, Buffer, ByteRange, Extent, ExtentKind};
use osm_vmware::ErrorKind;
use osm_vmware::vddk::{Vddk, VddkCompression, VddkDisk, VddkOptions};
use tempfile::TempDir;

use self::stage::{alone, alone_and_well, lay_out};

const PASSWORD: &str = "c0rrect-horse";
const DISK: &str = "[ds 1] web/web-000001.vmdk";
const SECTOR: u64 = 512;
/// No multiple of a chunk.
const SIZE: u64 = (24 << 20) + 3 * SECTOR;
/// Where the disk has data; the rest is a hole.
const DATA: [ByteRange; 3] = [
    ByteRange::new(0, 9 << 20),
    ByteRange::new(12 << 20, 64 << 10),
    ByteRange::new(16 << 20, SIZE - (16 << 20)),
];

/// What the disk's data is at a place.
fn bytes(offset: u64, len: u64) -> Vec<u8> {
    let word = |at: u64| (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17).to_le_bytes();
    (offset / 8..(offset + len).div_ceil(8)).flat_map(word).take(len as usize).collect()
}

/// What the disk reads as.
fn expected(range: ByteRange) -> Vec<u8> {
    let mut all = vec![0; range.len as usize];
    for data in DATA.iter().filter_map(|data| data.intersect(range)) {
        let at = (data.offset - range.offset) as usize;
        all[at..at + data.len as usize].copy_from_slice(&bytes(data.offset, data.len));
    }
    all
}

fn options(libdir: PathBuf) -> VddkOptions {
    VddkOptions {
        libdir,
        server: "vcenter.example".to_owned(),
        port: None,
        nfc_port: Some(902),
        thumbprint: "AA:BB".to_owned(),
        user: "administrator@vsphere.local".to_owned(),
        password: PASSWORD.into(),
        machine: "vm-42".to_owned(),
        snapshot: "snapshot-7".to_owned(),
        transports: Some("file:nbdssl:nbd".to_owned()),
        compression: VddkCompression::FastLz,
    }
}

async fn opened(libdir: PathBuf) -> (Vddk, VddkDisk) {
    let vddk = Vddk::load(options(libdir)).unwrap();
    let disk = vddk.open(DISK).await.unwrap();
    assert_eq!((disk.size(), disk.transport()), (SIZE, Some("file")));
    (vddk, disk)
}

async fn whole(disk: &VddkDisk) -> osm_transfer::Result<()> {
    let buffer = disk.read(0, Buffer::zeroed(SIZE as usize)).await?;
    assert!(buffer[..] == expected(ByteRange::new(0, SIZE)));
    Ok(())
}

async fn extents(disk: &VddkDisk) -> Vec<Extent> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < SIZE {
        found.extend(disk.extents(ByteRange::new(at, SIZE - at)).await.unwrap());
        at = found.last().unwrap().range.end();
    }
    found
}

/// Two hundred reads of random places, all at once.
async fn read_at_random(libdir: PathBuf) {
    let (vddk, disk) = opened(libdir).await;
    let disk = Arc::new(disk);
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let reads: Vec<_> = (0..200)
        .map(|_| {
            let first = random(SIZE / SECTOR);
            let count = (1 + random(4096)).min(SIZE / SECTOR - first);
            let (disk, range) = (Arc::clone(&disk), ByteRange::new(first * SECTOR, count * SECTOR));
            tokio::spawn(async move {
                let buffer = disk.read(range.offset, Buffer::zeroed(range.len as usize)).await.unwrap();
                assert!(buffer[..] == expected(range), "{range}");
            })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
    whole(&disk).await.unwrap();
    drop(disk);
    vddk.disconnect().await;
}

#[test]
fn many_reads_at_once_end_in_any_order() {
    let Some(left) = alone_and_well("many_reads_at_once_end_in_any_order", &[], read_at_random) else {
        return;
    };
    left.was_ended_in_order();
    assert_ne!(left.starts("ReadAsync"), left.starts("Completed"));
    assert!((2..=8).contains(&left.most_under_way()), "{}", left.most_under_way());
    assert!(left.output.contains("DEBUG osm_vmware::vddk: stand-in for VDDK, interface 6.5"));
    assert!(left.output.contains("TRACE osm_vmware::vddk: VixDiskLib: Get CEIP status failed, 3 tries"));
    assert!(left.trace.iter().any(|line| line.contains("snapshot=snapshot-7 modes=file:nbdssl:nbd")));
    assert!(left.trace.iter().any(|line| line.ends_with("flags=0x24 path=[ds 1] web/web-000001.vmdk")));
}

#[test]
fn reads_may_end_before_they_are_begun() {
    let settings = [("VIX_STANDIN_INLINE", "1")];
    let test = "reads_may_end_before_they_are_begun";
    let Some(left) = alone_and_well(test, &settings, read_at_random) else { return };
    left.was_ended_in_order();
    assert_eq!(left.starts("ReadAsync"), left.starts("Completed"));
}

#[test]
fn reads_one_at_a_time_where_vddk_knows_no_better() {
    let settings = [("VIX_STANDIN_FAIL", "async:6")];
    let test = "reads_one_at_a_time_where_vddk_knows_no_better";
    let Some(left) = alone_and_well(test, &settings, read_at_random) else { return };
    assert_eq!(left.at("ReadAsync").len(), 1);
    assert!(left.at("Read").len() > 200);
}

#[test]
fn holes_are_told_and_the_odd_tail_is_data() {
    alone_and_well("holes_are_told_and_the_odd_tail_is_data", &[], async |libdir| {
        let (_vddk, disk) = opened(libdir).await;
        let capabilities = disk.capabilities();
        assert!(capabilities.extents && !capabilities.splice);
        assert_eq!((capabilities.block_size.minimum, capabilities.parallel), (512, 8));
        let mib = |from: u64, to: u64, kind| Extent::new(from << 20, (to - from) << 20, kind);
        let kib64 = 64 << 10;
        let expected = [
            mib(0, 9, ExtentKind::Data),
            mib(9, 12, ExtentKind::Hole),
            Extent::new(12 << 20, kib64, ExtentKind::Data),
            Extent::new((12 << 20) + kib64, (4 << 20) - kib64, ExtentKind::Hole),
            mib(16, 24, ExtentKind::Data),
            Extent::new(24 << 20, 3 * SECTOR, ExtentKind::Data),
        ];
        assert_eq!(extents(&disk).await, expected);
        let buffer = disk.read(24 << 20, Buffer::zeroed(3 * 512)).await.unwrap();
        assert!(buffer[..] == bytes(24 << 20, 3 * SECTOR));
        for wrong in [ByteRange::new(SIZE - 512, 1024), ByteRange::new(1, 512), ByteRange::new(0, 511)] {
            let error = disk.read(wrong.offset, Buffer::zeroed(wrong.len as usize)).await.unwrap_err();
            assert_eq!(error.kind(), osm_transfer::ErrorKind::OutOfBounds);
        }
        assert!(disk.extents(ByteRange::new(SIZE, 1)).await.is_err());
    });
}

#[test]
fn what_vddk_does_not_tell_is_data() {
    alone_and_well("what_vddk_does_not_tell_is_data", &[("VIX_STANDIN_FAIL", "query:6")], async |libdir| {
        let (_vddk, disk) = opened(libdir).await;
        assert!(!disk.capabilities().extents);
        assert_eq!(extents(&disk).await, [Extent::new(0, SIZE, ExtentKind::Data)]);
    });
}

#[test]
fn a_failed_read_tells_code_place_and_disk() {
    let settings = [("VIX_STANDIN_FAIL", "read:3:16000"), ("VIX_STANDIN_INLINE", "1")];
    alone_and_well("a_failed_read_tells_code_place_and_disk", &settings, async |libdir| {
        let (_vddk, disk) = opened(libdir).await;
        let error = whole(&disk).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        assert_eq!(
            error.to_string(),
            "VixDiskLib_ReadAsync failed: stand-in error 16000 (VIX error 16000), during read, \
             on [ds 1] web/web-000001.vmdk, at bytes 2097152..3145728"
        );
        whole(&disk).await.unwrap();
    });
}

#[test]
fn a_lost_connection_may_be_tried_again() {
    let settings = [("VIX_STANDIN_FAIL", "read:1:14011")];
    alone_and_well("a_lost_connection_may_be_tried_again", &settings, async |libdir| {
        let (_vddk, disk) = opened(libdir).await;
        let error = whole(&disk).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Safe);
    });
}

#[test]
fn a_forgotten_read_keeps_its_memory_until_it_ends() {
    let settings = [("VIX_STANDIN_DELAY_MS", "5")];
    let Some(left) =
        alone_and_well("a_forgotten_read_keeps_its_memory_until_it_ends", &settings, async |libdir| {
            let (vddk, disk) = opened(libdir).await;
            tokio::time::timeout(Duration::from_millis(1), whole(&disk)).await.unwrap_err();
            let other = vddk.open(DISK).await.unwrap();
            drop(disk);
            whole(&other).await.unwrap();
            drop(other);
            vddk.disconnect().await;
        })
    else {
        return;
    };
    left.was_ended_in_order();
    assert_eq!(left.at("ReadAsync").len(), left.at("Completed").len());
    assert_eq!((left.at("Close").len(), left.at("Wait").len()), (2, 2));
}

#[test]
fn what_is_wrong_is_told_when_connecting_or_opening() {
    alone_and_well("what_is_wrong_is_told_when_connecting_or_opening", &[], async |libdir| {
        let mut wrong = options(libdir.clone());
        wrong.password = "wrong".into();
        let error = Vddk::load(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert_eq!(
            error.to_string(),
            "VixDiskLib_ConnectEx failed: Cannot log in (VIX error 35), on vcenter.example"
        );

        let mut wrong = options(libdir.clone());
        wrong.thumbprint = "bad".to_owned();
        let error = Vddk::load(wrong).unwrap().open(DISK).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("(VIX error 1)"), "{error}");
        assert!(error.hint().unwrap().contains("thumbprint"));

        // One library serves all connections of a process.
        let vddk = Vddk::load(options(libdir)).unwrap();
        assert_eq!(vddk.open("[ds 1] web/other.vmdk").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(vddk.open(DISK).await.is_ok());
        let other = tempfile::tempdir().unwrap();
        let error = Vddk::load(options(lay_out(other.path(), &[]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("another VDDK is loaded"), "{error}");
    });
}

#[test]
fn a_library_without_a_function_it_needs_is_too_old() {
    let test = "a_library_without_a_function_it_needs_is_too_old";
    let left = alone(test, &[], &["VixDiskLib_GetInfo"], async |libdir| {
        let error = Vddk::load(options(libdir)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("no function VixDiskLib_GetInfo, on "), "{error}");
    });
    assert!(left.is_none_or(|left| left.is_success && left.trace.is_empty()));
}

#[test]
fn an_older_library_does_without_what_came_later() {
    let test = "an_older_library_does_without_what_came_later";
    let later =
        ["VixDiskLib_ReadAsync", "VixDiskLib_QueryAllocatedBlocks", "VixDiskLib_AllocateConnectParams"];
    let left = alone(test, &[], &later, async |libdir| {
        let (vddk, disk) = opened(libdir).await;
        assert!(!disk.capabilities().extents);
        whole(&disk).await.unwrap();
        drop(disk);
        vddk.disconnect().await;
    });
    assert!(left.is_none_or(|left| left.is_success && !left.at("Disconnect").is_empty()));
}

#[test]
fn a_crash_of_the_library_is_one_of_the_process() {
    let settings = [("VIX_STANDIN_FAIL", "crash:2")];
    let left = alone("a_crash_of_the_library_is_one_of_the_process", &settings, &[], read_at_random);
    assert!(left.is_none_or(|left| !left.is_success));
}

#[test]
fn a_missing_or_a_broken_library_is_told() {
    let dir = TempDir::new().unwrap();
    let error = Vddk::load(options(dir.path().to_path_buf())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("libvixDiskLib.so.8"), "{error}");

    let library = dir.path().join("libvixDiskLib.so.7");
    fs::write(&library, "this is no library at all; it is rather long for a text that nobody reads.")
        .unwrap();
    let error = Vddk::load(options(dir.path().to_path_buf())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("invalid ELF header"), "{error}");
    assert!(error.hint().unwrap().contains("LD_LIBRARY_PATH"));
}

#[test]
fn the_password_is_not_shown() {
    let options = options(PathBuf::from("/opt/vddk"));
    assert!(!format!("{options:?}").contains(PASSWORD));
}
