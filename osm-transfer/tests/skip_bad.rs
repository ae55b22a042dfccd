//! A disk with bad sectors: everything else is copied, and they are named.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;
mod nbd_support;

use std::process::Command;
use std::sync::Arc;

use memory::{Reading, Sink, Source, block_on};
use nbd_support::{Peer, have, pattern};
use osm_transfer::block::{ByteRange, ExtentKind};
use osm_transfer::decorate::Faulty;
use osm_transfer::file::FileDisk;
use osm_transfer::nbd::{Client, ClientOptions};
use osm_transfer::transfer::{Transfer, Verify};
use osm_transfer::{Error, ErrorKind, Retry};
use proptest::prelude::*;

const BLOCK: u64 = 4 << 10;

fn unreadable() -> Error {
    Error::new(ErrorKind::Io, "input/output error")
}

fn broken() -> Error {
    Error::new(ErrorKind::Io, "the connection broke").with_retry(Retry::Safe)
}

/// A disk that fails wherever a read meets one of these bytes.
fn scratched(disk: Source, bad: &[u64], error: fn() -> Error) -> Arc<Faulty> {
    let disk = Faulty::new(Arc::new(disk));
    Arc::new(bad.iter().fold(disk, |disk, byte| disk.bad(ByteRange::new(*byte, 1), error)))
}

proptest! {
    #[test]
    fn all_but_the_bad_blocks_is_copied(
        data in 1_u64..300_000,
        bad in prop::collection::vec(0_u64..300_000, 0..6),
        request in 1_u32..70_000,
    ) {
        let bad: Vec<u64> = bad.into_iter().filter(|byte| *byte < data).collect();
        let disk = Source::new(&[(data, ExtentKind::Data), (9_000, ExtentKind::Hole)]);
        let size = disk.bytes.len() as u64;
        // A block that two requests share may be read in part.
        let is_lost = |at: u64| bad.iter().any(|byte| byte / BLOCK == at / BLOCK);
        let wanted = disk.bytes.clone();
        let sink = Arc::new(Sink::dirty(wanted.len()));
        let source = scratched(disk, &bad, unreadable);
        let builder = Transfer::builder().source(source).sink(Arc::clone(&sink) as _);
        let report = block_on(builder.request(request).skip_bad().build().unwrap().run()).unwrap();
        for (at, (found, wanted)) in sink.bytes().iter().zip(&wanted).enumerate() {
            prop_assert!(found == wanted || (*found == 0 && is_lost(at as u64)), "byte {}", at);
        }
        for byte in &bad {
            prop_assert!(report.bad.iter().any(|range| (range.offset..range.end()).contains(byte)));
        }
        for pair in report.bad.windows(2) {
            prop_assert!(pair[0].end() < pair[1].offset, "in order, and joined");
        }
        prop_assert_eq!(report.copied + report.zeroed, size);
    }
}

fn one_sector(error: fn() -> Error) -> Arc<Faulty> {
    scratched(Source::new(&[(9000, ExtentKind::Data)]), &[5000], error)
}

#[test]
fn a_bad_sector_is_an_error_unless_it_may_be_left_out() {
    let sink = || Arc::new(Sink::dirty(9000));
    let builder = Transfer::builder().source(one_sector(unreadable)).sink(sink());
    assert_eq!(block_on(builder.build().unwrap().run()).unwrap_err().kind(), ErrorKind::Io);
    // A connection that broke says nothing of the disk.
    let builder = Transfer::builder().source(one_sector(broken)).sink(sink()).skip_bad();
    assert_eq!(block_on(builder.build().unwrap().run()).unwrap_err().retry(), Retry::Safe);
}

#[test]
fn what_is_left_out_is_not_called_verified() {
    let sink = Arc::new(Sink::dirty(9000));
    for verify in [Verify::Inline, Verify::ReadBack] {
        let copy = Arc::new(Reading(Arc::clone(&sink)));
        let builder = Transfer::builder().source(one_sector(unreadable)).sink(Arc::clone(&sink) as _);
        let error = builder.skip_bad().verify(verify).verify_with(copy).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[tokio::test]
async fn a_bad_sector_of_nbdkit_is_named() {
    if !have(&["nbdkit"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (socket, disk, copy) =
        (folder.path().join("socket"), folder.path().join("disk"), folder.path().join("copy"));
    let mut wanted = pattern(0, 1 << 20);
    std::fs::write(&disk, &wanted).unwrap();
    // The sector at 512 KiB: $3 bytes from $4 on are wanted.
    let read = "if [ $4 -lt 524800 ] && [ $(($4 + $3)) -gt 524288 ]; then echo EIO bad >&2; exit 1; fi; \
                dd if=DISK iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none";
    let read = read.replace("DISK", &disk.display().to_string());
    let mut command = Command::new("nbdkit");
    command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket);
    command.args(["eval", "get_size=echo 1048576"]).arg(format!("pread={read}"));
    let _peer = Peer::serve(&mut command, &socket).await;
    let uri = format!("nbd+unix:///?socket={}", socket.display()).parse().unwrap();
    let client = Arc::new(Client::connect(&uri, &ClientOptions::default()).await.unwrap());
    let sink = Arc::new(FileDisk::open_sink(&copy, 1 << 20).await.unwrap());
    let builder = Transfer::builder().source(client).sink(sink).skip_bad();
    let report = builder.build().unwrap().run().await.unwrap();
    assert_eq!(report.bad, [ByteRange::new(524_288, BLOCK)]);
    wanted[524_288..524_288 + BLOCK as usize].fill(0);
    assert!(std::fs::read(&copy).unwrap() == wanted);
}
