//! A transfer that fails at any request, on disks that lose what was not flushed, is continued by the next.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use memory::{Fuse, Reading, Sink, Source, block_on};
use osm_transfer::block::{BlockSink, BlockSource, Buffer, ByteRange, Capabilities, ExtentKind, ZeroMode};
use osm_transfer::decorate::Counted;
use osm_transfer::journal::{Identity, Journal};
use osm_transfer::transfer::{Report, Transfer};
use osm_transfer::{ErrorKind, Result};

const KIB: u64 = 1024;
const LAYOUT: [(u64, ExtentKind); 5] = [
    (40 * KIB, ExtentKind::Data),
    (24 * KIB, ExtentKind::Hole),
    (8 * KIB, ExtentKind::Zero),
    (50 * KIB, ExtentKind::Data),
    (6 * KIB, ExtentKind::Hole),
];
const REQUEST: u32 = 4096;

/// A disk behind a cache: only what was written before a flush began survives a power loss.
#[derive(Debug)]
struct Cached {
    disk: Sink,
    durable: Mutex<Vec<u8>>,
}

impl Cached {
    fn holding(bytes: Vec<u8>) -> Self {
        let disk = Sink::dirty(bytes.len());
        *disk.bytes.lock().unwrap() = bytes.clone();
        Self { disk, durable: Mutex::new(bytes) }
    }
}

#[async_trait]
impl BlockSink for Cached {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        self.disk.capabilities()
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.disk.write(offset, buffer).await
    }

    async fn zero(&self, range: ByteRange, mode: ZeroMode) -> Result<()> {
        self.disk.zero(range, mode).await
    }

    async fn flush(&self) -> Result<()> {
        let written = self.disk.bytes();
        self.disk.flush().await?;
        *self.durable.lock().unwrap() = written;
        Ok(())
    }
}

/// One run on the disk that the last one left; what it ended with, and what survives a power loss now.
fn run(
    folder: &std::path::Path,
    left: Vec<u8>,
    source: Arc<dyn BlockSource>,
    fuse: Arc<Fuse>,
) -> (Result<Report>, Vec<u8>) {
    let size = source.size();
    let mut cached = Cached::holding(left.clone());
    cached.disk.fuse = fuse;
    let sink = Arc::new(cached);
    let reading = Arc::new(Reading(Arc::new(Cached::holding(left).disk)));
    let identity = Identity { source: "s".into(), source_size: size, sink: "t".into(), sink_size: size };
    let report = block_on(async {
        let journal = Journal::open(folder.join("journal"), &identity).await.unwrap();
        let builder = Transfer::builder().source(source).sink(Arc::clone(&sink) as _).request(REQUEST);
        builder.journal(journal, reading).checkpoint_every(16 * KIB).build().unwrap().run().await
    });
    let durable = sink.durable.lock().unwrap().clone();
    (report, durable)
}

#[test]
fn whatever_request_fails_the_next_run_ends_equal_and_moves_less() {
    let source = || Arc::new(Source::new(&LAYOUT));
    let size = source().bytes.len();
    let mut resumed = 0;
    for request in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let fuse = Fuse::at(request);
        let (first, left) = run(folder.path(), vec![0xee; size], source(), Arc::clone(&fuse));
        if first.is_ok() {
            assert!(!fuse.is_burnt());
            break;
        }
        assert_eq!(first.unwrap_err().kind(), ErrorKind::NoSpace);
        let disk = source();
        let again = Arc::new(Counted::new(Arc::clone(&disk) as _));
        let (second, copy) = run(folder.path(), left, Arc::clone(&again) as _, Fuse::never());
        let report = second.unwrap_or_else(|error| panic!("request {request}: {error}"));
        assert!(copy == disk.bytes, "request {request}");
        assert_eq!(report.copied + report.zeroed, size as u64);
        if report.resumed > 0 {
            resumed += 1;
            let all = (size as u64).div_ceil(u64::from(REQUEST));
            assert!(again.counts().reads < all + 1, "request {request}");
        }
    }
    assert!(resumed > 10, "{resumed} runs were continued");
}

#[test]
fn a_sink_that_lost_what_was_flushed_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let source = || Arc::new(Source::new(&LAYOUT));
    let size = source().bytes.len();
    let (done, copy) = run(folder.path(), vec![0; size], source(), Fuse::never());
    assert_eq!(done.unwrap().resumed, 0);
    let (again, _) = run(folder.path(), copy.clone(), source(), Fuse::never());
    assert_eq!(again.unwrap().resumed, size as u64);
    let mut broken = copy;
    broken[100] ^= 1;
    let (refused, left) = run(folder.path(), broken.clone(), source(), Fuse::never());
    let error = refused.unwrap_err();
    assert_eq!((error.kind(), error.context().operation), (ErrorKind::Mismatch, Some("resume")));
    assert!(left == broken, "nothing was written");
}
