//! What goes wrong on the way: a connection that is lost, a host that says no, or something else than it should.

use std::time::Duration;

use osm_lab::nfc::{NfcBehaviour, NfcMishap};
use osm_transfer::Retry;
use osm_transfer::block::{BlockSource, Buffer};
use osm_vmware::{NfcDisk, NfcOptions};

use crate::stage::{CAPACITY, Stage, all, options};

#[tokio::test]
async fn a_lost_connection_is_made_again_with_another_ticket() {
    for encrypted in [true, false] {
        let stage = Stage::open().await;
        let options = NfcOptions { encrypted, timeout: Duration::from_secs(2), ..options() };
        let (disk, frozen) = stage.frozen(options).await;
        for mishap in [
            NfcMishap::Cut { after: 0 },
            NfcMishap::Cut { after: 123_456 },
            NfcMishap::Truncate { skip: 3 },
            NfcMishap::Stall { skip: 2 },
        ] {
            let before = stage.nfc().connections();
            stage.nfc().mishap(mishap.clone());
            assert!(all(&disk, 1 << 20).await == frozen, "{mishap:?}");
            assert!(stage.nfc().connections() > before, "{mishap:?}");
        }
        // The session with vCenter has ended meanwhile, too.
        stage.vcenter.expire_sessions();
        stage.nfc().cut();
        assert!(all(&disk, 1 << 20).await == frozen);
    }
}

#[tokio::test]
async fn many_reads_share_the_next_connection() {
    let stage = Stage::open().await;
    let (disk, frozen) = stage.frozen(options()).await;
    let (disk, frozen) = (std::sync::Arc::new(disk), std::sync::Arc::new(frozen));
    stage.nfc().mishap(NfcMishap::Cut { after: 1_000_000 });
    let reads: Vec<_> = (0..18_usize)
        .map(|at| {
            let (disk, frozen) = (disk.clone(), frozen.clone());
            tokio::spawn(async move {
                let read = disk.read((at as u64) << 19, Buffer::zeroed(1 << 19)).await.unwrap();
                assert!(read[..] == frozen[at << 19..(at + 1) << 19]);
            })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
    assert_eq!(stage.nfc().connections(), 2);
}

#[tokio::test]
async fn a_host_that_stays_away_is_given_up_and_may_be_tried_later() {
    let stage = Stage::open().await;
    let (disk, frozen) = stage.frozen(NfcOptions { attempts: 3, ..options() }).await;
    let away = |times: usize| (0..times).for_each(|_| stage.nfc().mishap(NfcMishap::Cut { after: 0 }));
    away(2);
    assert!(all(&disk, 1 << 20).await == frozen);
    away(3);
    let error = disk.read(0, Buffer::zeroed(512)).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Safe, "{error}");
    assert!(all(&disk, 1 << 20).await == frozen);
}

#[tokio::test]
async fn who_waits_for_a_host_that_is_given_up_does_not_begin_anew() {
    let stage = Stage::open().await;
    let options = NfcOptions { attempts: 3, pause: Duration::from_millis(200), ..options() };
    let (disk, _) = stage.frozen(options).await;
    drop(stage);
    let (disk, begun) = (std::sync::Arc::new(disk), std::time::Instant::now());
    let reads = (0..8).map(|at| {
        let disk = disk.clone();
        tokio::spawn(async move { disk.read(at << 20, Buffer::zeroed(512)).await.unwrap_err() })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap().retry(), Retry::Safe);
    }
    // One after the other they would take eight times as long.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_error_is_told_with_its_text_and_the_connection_goes_on() {
    for replies_after_error in [false, true] {
        let stage = Stage::open().await;
        stage.nfc().behave(NfcBehaviour { replies_after_error, ..NfcBehaviour::default() });
        let (disk, frozen) = stage.frozen(options()).await;
        stage.nfc().mishap(NfcMishap::ReadError { skip: 1, text: "Medium error".to_owned() });
        let first = disk.read(0, Buffer::zeroed(4096)).await.unwrap();
        assert!(first[..] == frozen[..4096]);
        let error = disk.read(4096, Buffer::zeroed(4096)).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        assert_eq!((error.context().offset, error.context().len), (Some(4096), Some(4096)));
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("Medium error"), "{source}");
        assert!(all(&disk, 1 << 20).await == frozen);
        assert_eq!(stage.nfc().connections(), 1);
    }
}

#[tokio::test]
async fn a_wrong_bit_gives_no_wrong_byte() {
    let stage = Stage::open().await;
    let (_, disk, frozen) = stage.snapshot().await;
    let frozen = std::fs::read(frozen).unwrap();
    let options = NfcOptions { encrypted: false, attempts: 1, skip_zeroes: false, ..options() };
    // The replies that open a session, a disk and its bitmap, and the head of the first fragment.
    let heads = 32 + 76 + 64;
    for at in (0..heads).chain(heads + 4..heads + 4 + 60).step_by(3) {
        stage.nfc().mishap(NfcMishap::Flip { after: at, bits: 1 << (at % 8) });
        let opened = NfcDisk::open(&stage.session, &stage.machine, &disk, options.clone()).await;
        let Ok(opened) = opened else { continue };
        assert_eq!(opened.size(), CAPACITY);
        if let Ok(read) = opened.read(0, Buffer::zeroed(8192)).await {
            assert!(read[..] == frozen[..8192], "byte {at}");
        }
        drop(opened);
    }
}
