//! Disks read over NFC from the host of the lab's vCenter.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod entry;
mod mishaps;
mod secrets;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use osm_lab::nfc::NfcBehaviour;
use osm_transfer::block::{BlockSource, Buffer, ByteRange, ExtentKind};
use osm_vmware::{NfcDisk, NfcOptions};

use self::stage::{CAPACITY, KEY, Stage, all, noise, options};

/// Reads of odd sizes from many tasks at once.
async fn read_at_random(disk: NfcDisk, frozen: Vec<u8>) {
    let (disk, frozen) = (Arc::new(disk), Arc::new(frozen));
    let mut tasks = Vec::new();
    for task in 0..12_u64 {
        let (disk, frozen) = (Arc::clone(&disk), Arc::clone(&frozen));
        tasks.push(tokio::spawn(async move {
            for round in 0..6 {
                let dice = noise(task * 100 + round + 7, 8);
                let dice = u64::from_le_bytes(dice.try_into().unwrap());
                let offset = dice % CAPACITY;
                let most = [1, 511, 70_000, 1 << 20, 2 << 20][usize::try_from(dice >> 40).unwrap() % 5];
                // Every other one as an engine reads: whole sectors.
                let offset = if round % 2 == 0 { offset } else { offset - offset % 512 };
                let len = usize::try_from((1 + dice % most).min(CAPACITY - offset)).unwrap();
                let read = disk.read(offset, Buffer::from(vec![0xee; len])).await.unwrap();
                let start = usize::try_from(offset).unwrap();
                assert!(read[..] == frozen[start..start + len], "{len} bytes at {offset}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_read_is_what_the_snapshot_froze() {
    let stage = Stage::open().await;
    for (encrypted, skip_zeroes) in [(true, true), (true, false), (false, true), (false, false)] {
        for behaviour in [
            NfcBehaviour::default(),
            NfcBehaviour { out_of_order: true, fragment: Some(99_991), ..NfcBehaviour::default() },
        ] {
            stage.nfc().behave(behaviour);
            let (disk, frozen) = stage.frozen(NfcOptions { encrypted, skip_zeroes, ..options() }).await;
            assert_eq!(disk.size(), CAPACITY);
            assert!(all(&disk, 1 << 20).await == frozen);
            read_at_random(disk, frozen).await;
        }
    }
    let most = stage.nfc().most_reads();
    assert!((2..=4).contains(&most), "{most} reads at once");
}

#[tokio::test]
async fn as_many_reads_are_under_way_as_the_host_has_buffers() {
    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { out_of_order: true, ..NfcBehaviour::default() });
    let options = NfcOptions { buffers: 8, buffer_size: 128 << 10, ..options() };
    let (disk, frozen) = stage.frozen(options).await;
    assert_eq!((disk.capabilities().parallel, disk.capabilities().block_size.preferred), (8, 128 << 10));
    let disk = Arc::new(disk);
    let reads = (0..16).map(|at| {
        let disk = Arc::clone(&disk);
        tokio::spawn(async move { disk.read(at << 17, Buffer::zeroed(1 << 17)).await.unwrap() })
    });
    for (at, read) in reads.collect::<Vec<_>>().into_iter().enumerate() {
        assert!(read.await.unwrap()[..] == frozen[at << 17..(at + 1) << 17]);
    }
    let most = stage.nfc().most_reads();
    assert!((2..=8).contains(&most), "{most} reads at once");
}

#[tokio::test]
async fn a_snapshot_above_another_is_read_as_one_chain() {
    let stage = Stage::open().await;
    let (_, first, one) = stage.snapshot().await;
    stage.write(8 << 20, &noise(9, 4096));
    let (_, second, two) = stage.snapshot().await;
    assert_ne!(first.file, second.file);
    for (disk, frozen) in [(first, one), (second, two)] {
        let disk = NfcDisk::open(&stage.session, &stage.machine, &disk, options()).await.unwrap();
        assert!(all(&disk, 2 << 20).await == std::fs::read(frozen).unwrap());
    }
}

#[tokio::test]
async fn a_machine_that_is_off_is_read_without_a_snapshot() {
    let stage = Stage::open().await;
    stage.vcenter.power_off("app");
    let machines = stage.session.machines().await.unwrap();
    let disk = NfcDisk::open(&stage.session, &stage.machine, &machines[0].disks[0], options()).await.unwrap();
    let live = std::fs::read(stage.vcenter.live_file("app", KEY)).unwrap();
    assert!(all(&disk, 1 << 20).await == live);
    assert_eq!(stage.vcenter.nfc_bytes(), CAPACITY);
}

#[tokio::test]
async fn holes_of_a_sparse_disk_are_told() {
    let stage = Stage::open().await;
    let (disk, frozen) = stage.frozen(options()).await;
    assert!(disk.capabilities().extents);
    let (mut at, mut holes) = (0, 0);
    while at < CAPACITY {
        for extent in disk.extents(ByteRange::new(at, CAPACITY - at)).await.unwrap() {
            assert_eq!(extent.range.offset, at);
            at = extent.range.end();
            let part = usize::try_from(extent.range.offset).unwrap()..usize::try_from(at).unwrap();
            if extent.kind == ExtentKind::Hole {
                holes += extent.range.len;
                assert!(frozen[part].iter().all(|byte| *byte == 0));
            }
        }
    }
    assert_eq!(at, CAPACITY);
    assert!(holes > 7 << 20, "{holes} bytes of holes");
}

#[tokio::test]
async fn where_the_host_tells_no_holes_all_is_data() {
    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { tells_allocated: false, ..NfcBehaviour::default() });
    let (disk, frozen) = stage.frozen(options()).await;
    assert!(!disk.capabilities().extents);
    let whole = ByteRange::new(0, CAPACITY);
    let extents = disk.extents(whole).await.unwrap();
    assert_eq!((extents.len(), extents[0].range, extents[0].kind), (1, whole, ExtentKind::Data));
    assert!(all(&disk, 1 << 20).await == frozen);
}

#[tokio::test]
async fn holes_that_are_no_longer_told_are_data() {
    let stage = Stage::open().await;
    let (disk, _) = stage.frozen(options()).await;
    stage.nfc().behave(NfcBehaviour { tells_allocated: false, ..NfcBehaviour::default() });
    for at in [0, 3 << 20] {
        let range = ByteRange::new(at, 1 << 20);
        let extents = disk.extents(range).await.unwrap();
        assert_eq!((extents.len(), extents[0].range, extents[0].kind), (1, range, ExtentKind::Data));
    }
}

#[tokio::test]
async fn a_range_beyond_the_disk_never_reaches_the_host() {
    let stage = Stage::open().await;
    let (disk, _) = stage.frozen(options()).await;
    for (offset, len) in [(CAPACITY, 1), (CAPACITY - 1, 2), (u64::MAX, 1)] {
        let error = disk.read(offset, Buffer::zeroed(len)).await.unwrap_err();
        assert_eq!(error.kind(), osm_transfer::ErrorKind::OutOfBounds);
        assert!(disk.extents(ByteRange::new(offset, len as u64)).await.is_err());
    }
    assert!(disk.extents(ByteRange::new(0, 0)).await.is_err());
    assert!(disk.read(CAPACITY, Buffer::zeroed(0)).await.unwrap().is_empty());
    assert_eq!(stage.vcenter.nfc_bytes(), 0);
}

#[tokio::test]
async fn the_host_is_told_when_a_disk_is_closed_or_dropped() {
    let stage = Stage::open().await;
    let (disk, _) = stage.frozen(options()).await;
    disk.close().await;
    drop(disk);
    let (disk, _) = stage.frozen(NfcOptions { encrypted: false, ..options() }).await;
    drop(disk);
    for _ in 0..500 {
        if stage.nfc().goodbyes() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} goodbyes", stage.nfc().goodbyes());
}
