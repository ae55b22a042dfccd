//! A disk whose connection breaks is opened again, and only then.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;
mod nbd_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use memory::{Sink, Source, block_on};
use nbd_support::{MemoryDisk, Running, pattern};
use osm_transfer::block::{BlockSource, ByteRange, ExtentKind};
use osm_transfer::decorate::{Counted, Counts, Faulty, Patience, Reconnect};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::file::FileDisk;
use osm_transfer::nbd::{Export, ServerOptions};
use osm_transfer::transfer::Transfer;
use osm_transfer::{Error, ErrorKind, Result, Retry};

const QUICK: Patience = Patience { attempts: 3, first_delay: Duration::from_millis(1) };

fn broken() -> Error {
    Error::new(ErrorKind::Io, "the connection broke").with_retry(Retry::Safe)
}

fn bad_sector() -> Error {
    Error::new(ErrorKind::Io, "input/output error")
}

/// A disk that lives for `requests` each time it is opened, `opens` times; how often it was opened.
async fn frail(requests: u64, opens: usize, error: fn() -> Error) -> (Reconnect, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let open = move || {
        let disk = match count.fetch_add(1, Ordering::Relaxed) < opens {
            true => {
                let disk = Source::new(&[(40_000, ExtentKind::Data), (9_000, ExtentKind::Hole)]);
                Ok(Arc::new(Faulty::new(Arc::new(disk)).breaks_after(requests, error))
                    as Arc<dyn BlockSource>)
            }
            false => Err(broken()),
        };
        std::future::ready(disk).boxed()
    };
    (Reconnect::open(open, QUICK).await.unwrap(), opened)
}

async fn copied(disk: Reconnect) -> Result<Vec<u8>> {
    let sink = Arc::new(Sink::dirty(disk.size() as usize));
    let builder = Transfer::builder().source(Arc::new(disk)).sink(Arc::clone(&sink) as _).request(1000);
    builder.build().unwrap().run().await.map(|_| sink.bytes())
}

#[test]
fn a_copy_survives_as_many_breaks_as_come_one_at_a_time() {
    let expected = Source::new(&[(40_000, ExtentKind::Data), (9_000, ExtentKind::Hole)]).bytes;
    block_on(async {
        for requests in [10, 25] {
            let (disk, opened) = frail(requests, usize::MAX, broken).await;
            assert!(copied(disk).await.unwrap() == expected);
            assert!(opened.load(Ordering::Relaxed) > 1, "{requests}");
        }
    });
}

#[test]
fn patience_ends_and_other_errors_are_not_tried_again() {
    block_on(async {
        let (disk, opened) = frail(2, 1, broken).await;
        let error = copied(disk).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Io, Retry::Exhausted));
        assert!(opened.load(Ordering::Relaxed) > 3, "the first time and three attempts");
        let (disk, opened) = frail(2, usize::MAX, bad_sector).await;
        assert!(copied(disk).await.unwrap_err().to_string().contains("input/output error"));
        assert_eq!(opened.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn another_disk_in_its_place_is_refused() {
    let count = AtomicUsize::new(0);
    let open = move || {
        let length = 4000 + count.fetch_add(1, Ordering::Relaxed) as u64;
        let disk = Source::new(&[(length, ExtentKind::Data)]);
        let disk: Arc<dyn BlockSource> = Arc::new(Faulty::new(Arc::new(disk)).breaks_after(1, broken));
        std::future::ready(Ok(disk)).boxed()
    };
    let error = block_on(async { copied(Reconnect::open(open, QUICK).await.unwrap()).await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
}

#[test]
fn what_is_asked_of_a_disk_is_counted() {
    let disk = Source::new(&[(3000, ExtentKind::Data), (500, ExtentKind::Hole), (20, ExtentKind::Data)]);
    let disk = Faulty::new(Arc::new(disk)).bad(ByteRange::new(3510, 1), bad_sector);
    let disk = Arc::new(Counted::new(Arc::new(disk)));
    let sink = Arc::new(Sink::dirty(3520));
    let builder = Transfer::builder().source(Arc::clone(&disk) as _).sink(sink).request(1000).in_flight(1000);
    block_on(builder.build().unwrap().run()).unwrap_err();
    assert_eq!(disk.counts(), Counts { reads: 4, bytes: 3000, extents: 1, failures: 1 });
}

#[tokio::test]
async fn a_server_that_is_started_again_is_found_again() {
    const SIZE: usize = 24 << 20;
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let export = || vec![Export::read_only("disk", Arc::clone(&disk) as _)];
    let first = Running::start(export(), ServerOptions::default());
    let options = OpenOptions { patience: Some(Patience { attempts: 8, ..QUICK }), ..OpenOptions::default() };
    let endpoint: Endpoint = first.uri.to_string().parse().unwrap();
    let source = endpoint.open_source(&options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy");
    let sink = Arc::new(FileDisk::open_sink(&path, SIZE as u64).await.unwrap());
    let socket = first.socket.clone();
    let transfer = Transfer::builder().source(source).sink(sink).build().unwrap();
    let copy = tokio::spawn(transfer.run());
    // Whenever that is: before, while or after the bytes travel.
    first.cut();
    let listener = loop {
        let _ = std::fs::remove_file(&socket);
        if let Ok(listener) = tokio::net::UnixListener::bind(&socket) {
            break listener;
        }
    };
    let second = osm_transfer::nbd::Server::new(export(), ServerOptions::default());
    tokio::spawn(async move { second.serve_unix(listener, std::future::pending()).await });
    copy.await.unwrap().unwrap();
    assert!(std::fs::read(&path).unwrap() == pattern(0, SIZE));
}
