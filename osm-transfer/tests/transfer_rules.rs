//! The rules of a transfer that one example shows.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use memory::{Act, PLAIN, Sink, Source, block_on};
use osm_transfer::block::{
    BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind, ZeroMode,
};
use osm_transfer::decorate::Counted;
use osm_transfer::file::FileDisk;
use osm_transfer::transfer::{CancelFlag, Transfer, Verify};
use osm_transfer::{Error, ErrorKind};

fn refused(source: Arc<dyn BlockSource>, sink: &Arc<Sink>) -> Error {
    let error = Transfer::builder().source(source).sink(Arc::clone(sink) as _).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(sink.acts().is_empty());
    error
}

#[test]
fn refuses_a_sink_smaller_than_its_source_and_names_both_sizes() {
    let error = refused(Arc::new(Source::new(&[(1001, ExtentKind::Data)])), &Arc::new(Sink::dirty(1000)));
    assert!(error.to_string().contains("1000") && error.to_string().contains("1001"), "{error}");
}

#[test]
fn refuses_an_odd_source_for_a_sink_of_whole_blocks() {
    let mut sink = Sink::dirty(1024);
    sink.capabilities.block_size = BlockSize { minimum: 512, preferred: 512, maximum: 4096 };
    refused(Arc::new(Source::new(&[(1000, ExtentKind::Data)])), &Arc::new(sink));
}

#[test]
fn refuses_to_verify_without_a_disk_to_read() {
    let builder = Transfer::builder()
        .source(Arc::new(Source::new(&[(8, ExtentKind::Data)])))
        .sink(Arc::new(Sink::fresh(8)))
        .verify(Verify::ReadBack);
    assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(Transfer::builder().build().unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn refuses_to_copy_a_file_onto_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, [7; 5000]).unwrap();
    std::fs::hard_link(&path, folder.path().join("other name")).unwrap();
    block_on(async {
        let source = Arc::new(FileDisk::open_source(&path).await.unwrap());
        let sink = Arc::new(FileDisk::open_sink(folder.path().join("other name"), 5000).await.unwrap());
        let error = Transfer::builder().source(source).sink(sink).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    });
    assert_eq!(std::fs::read(&path).unwrap(), [7; 5000]);
}

#[test]
fn a_short_read_is_an_error_with_its_range() {
    let mut source = Source::new(&[(4096, ExtentKind::Data)]);
    source.short = 1;
    let sink = Arc::new(Sink::dirty(4096));
    let transfer = Transfer::builder().source(Arc::new(source)).sink(Arc::clone(&sink) as _).build().unwrap();
    let error = block_on(transfer.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!((error.context().offset, error.context().len), (Some(0), Some(4096)));
    assert!(!sink.acts().contains(&Act::Flush));
}

#[test]
fn holes_are_not_read_and_zeroes_are_found_only_where_extents_are_unknown() {
    let layout = [(4096, ExtentKind::Hole), (4096, ExtentKind::Data), (4096, ExtentKind::Zero)];
    let requests = |extents: bool, kinds: &[(u64, ExtentKind)]| {
        let mut source = Source::new(kinds);
        source.capabilities = Capabilities { extents, ..PLAIN };
        let source = Arc::new(Counted::new(Arc::new(source)));
        let sink = Arc::new(Sink::fresh(3 * 4096));
        let transfer = Transfer::builder()
            .source(Arc::clone(&source) as _)
            .sink(Arc::clone(&sink) as _)
            .request(4096)
            .build()
            .unwrap();
        let report = block_on(transfer.run()).unwrap();
        (source.counts().reads, sink.acts(), report.copied)
    };
    let written = vec![Act::Write(ByteRange::new(4096, 4096)), Act::Flush];
    assert_eq!(requests(true, &layout), (1, written.clone(), 4096));
    assert_eq!(requests(false, &layout), (3, written, 4096));
}

#[test]
fn what_the_source_calls_data_is_written_even_if_it_is_zero() {
    let mut source = Source::new(&[(4096, ExtentKind::Data)]);
    source.bytes.fill(0);
    let sink = Arc::new(Sink::dirty(4096));
    let transfer = Transfer::builder().source(Arc::new(source)).sink(Arc::clone(&sink) as _).build().unwrap();
    block_on(transfer.run()).unwrap();
    assert_eq!(sink.acts(), [Act::Write(ByteRange::new(0, 4096)), Act::Flush]);
}

#[test]
fn requests_end_at_multiples_of_their_size() {
    let source = Source::new(&[(1000, ExtentKind::Hole), (9000, ExtentKind::Data)]);
    let sink = Arc::new(Sink::fresh(10_000));
    let transfer = Transfer::builder()
        .source(Arc::new(source))
        .sink(Arc::clone(&sink) as _)
        .request(4096)
        .in_flight(1)
        .build()
        .unwrap();
    block_on(transfer.run()).unwrap();
    let written = [(1000, 3096), (4096, 4096), (8192, 1808)];
    let acts = written.map(|(offset, len)| Act::Write(ByteRange::new(offset, len)));
    assert_eq!(sink.acts(), [acts.as_slice(), &[Act::Flush]].concat());
}

#[test]
fn zeroes_in_the_middle_of_a_request_stay_a_hole() {
    let block = 64 << 10;
    let layout = [ExtentKind::Data, ExtentKind::Hole, ExtentKind::Hole, ExtentKind::Data];
    let mut source = Source::new(&layout.map(|kind| (block, kind)));
    source.capabilities = Capabilities { extents: false, ..PLAIN };
    let expected = source.bytes.clone();
    let sink = Arc::new(Sink::dirty(expected.len()));
    let transfer = Transfer::builder().source(Arc::new(source)).sink(Arc::clone(&sink) as _).build().unwrap();
    let report = block_on(transfer.run()).unwrap();
    assert_eq!((report.copied, report.zeroed), (2 * block, 2 * block));
    let acts = [
        Act::Write(ByteRange::new(0, block)),
        Act::Zero(ByteRange::new(block, 2 * block), ZeroMode::Hole),
        Act::Write(ByteRange::new(3 * block, block)),
        Act::Flush,
    ];
    assert_eq!(sink.acts(), acts);
    assert_eq!(sink.bytes(), expected);
}

#[test]
fn a_raised_flag_stops_a_transfer_before_its_first_request() {
    let source = Arc::new(Counted::new(Arc::new(Source::new(&[(4096, ExtentKind::Data)]))));
    let sink = Arc::new(Sink::dirty(4096));
    let cancel = CancelFlag::new();
    cancel.cancel();
    assert!(cancel.is_cancelled());
    let builder = Transfer::builder().source(Arc::clone(&source) as _).sink(Arc::clone(&sink) as _);
    let error = block_on(builder.cancel(cancel).build().unwrap().run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(source.counts().reads, 0);
    assert!(sink.acts().is_empty());
}

/// A disk whose reads never end.
#[derive(Debug)]
struct Stuck;

#[async_trait]
impl BlockSource for Stuck {
    fn size(&self) -> u64 {
        4096
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { extents: false, ..PLAIN }
    }

    async fn read(&self, _: u64, _: Buffer) -> Result<Buffer, Error> {
        std::future::pending().await
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>, Error> {
        Ok(vec![Extent { range, kind: ExtentKind::Data }])
    }
}

#[test]
fn a_dropped_transfer_lets_go_of_its_disks() {
    let sink = Arc::new(Sink::dirty(4096));
    let transfer = Transfer::builder().source(Arc::new(Stuck)).sink(Arc::clone(&sink) as _).build().unwrap();
    block_on(async {
        let patience = Duration::from_millis(20);
        tokio::time::timeout(patience, transfer.run()).await.unwrap_err();
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while Arc::strong_count(&sink) > 1 {
        assert!(Instant::now() < deadline, "the transfer goes on");
        std::thread::yield_now();
    }
    assert!(sink.acts().is_empty());
}

#[test]
fn an_empty_disk_is_copied_and_flushed() {
    let sink = Arc::new(Sink::dirty(16));
    let transfer =
        Transfer::builder().source(Arc::new(Source::new(&[]))).sink(Arc::clone(&sink) as _).build().unwrap();
    assert_eq!(block_on(transfer.run()).unwrap().size, 0);
    assert_eq!(sink.acts(), [Act::Flush]);
}
