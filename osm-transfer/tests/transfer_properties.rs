//! Whatever the layout, the sizes and the alignment: the copy equals its source, or it is an error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use memory::{Act, Fuse, PLAIN, Reading, Sink, Source, block_on};
use osm_transfer::block::{BlockSize, ByteRange, Capabilities, ExtentKind, ZeroMode};
use osm_transfer::transfer::{Advance, CancelFlag, Progress, Transfer, Verify};
use osm_transfer::{ErrorKind, Result};
use proptest::prelude::*;

/// One copy to try.
#[derive(Debug, Clone)]
struct Case {
    layout: Vec<(u64, ExtentKind)>,
    extents: bool,
    answers: usize,
    source_block: u32,
    sink_block: u32,
    request: u32,
    in_flight: usize,
    fresh: bool,
    trim: bool,
    tail: usize,
}

fn kind() -> impl Strategy<Value = ExtentKind> {
    prop_oneof![Just(ExtentKind::Data), Just(ExtentKind::Zero), Just(ExtentKind::Hole)]
}

prop_compose! {
    fn case()(
        layout in prop::collection::vec((1_u64..5000, kind()), 0..24),
        extents in prop::bool::weighted(0.8),
        answers in 1_usize..6,
        source_power in 0_u32..10,
        sink_power in 0_u32..10,
        request in 1_u32..9000,
        in_flight in 0_usize..60_000,
        fresh: bool,
        trim: bool,
        tail in 0_usize..3,
    ) -> Case {
        Case {
            layout,
            extents,
            answers,
            source_block: 1 << source_power,
            sink_block: 1 << sink_power,
            request,
            in_flight,
            fresh,
            trim,
            tail: tail * 512,
        }
    }
}

impl Case {
    /// The source, and a sink that fits it: an odd size needs a sink that can write single bytes.
    fn disks(&self) -> (Source, Sink) {
        let mut source = Source::new(&self.layout);
        source.answers = self.answers;
        let odd = !(source.bytes.len() as u64).is_multiple_of(u64::from(self.sink_block));
        let size = source.bytes.len() + self.tail;
        let mut sink = if self.fresh { Sink::fresh(size) } else { Sink::dirty(size) };
        source.capabilities = Capabilities { extents: self.extents, ..with_block(self.source_block) };
        sink.capabilities = Capabilities {
            trim: self.trim,
            starts_zeroed: self.fresh,
            ..with_block(if odd { 1 } else { self.sink_block })
        };
        (source, sink)
    }

    fn transfer(&self, source: Source, sink: &Arc<Sink>, heard: &Arc<Heard>) -> Result<Transfer> {
        Transfer::builder()
            .source(Arc::new(source))
            .sink(Arc::clone(sink) as _)
            .request(self.request)
            .in_flight(self.in_flight)
            .progress(Arc::clone(heard) as _)
            .build()
    }
}

fn with_block(minimum: u32) -> Capabilities {
    Capabilities { block_size: BlockSize { minimum, preferred: minimum, maximum: 8192 }, ..PLAIN }
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Advance>>);

impl Progress for Heard {
    fn advance(&self, advance: Advance) {
        self.0.lock().unwrap().push(advance);
    }
}

proptest! {
    #[test]
    fn areas_are_moved_and_nothing_that_differs_beside_them(
        case in case(), areas in proptest::collection::vec((0_u64..40_000, 0_u64..9_000), 0..6)
    ) {
        let (source, sink) = case.disks();
        let (expected, before) = (source.bytes.clone(), sink.bytes());
        let size = expected.len() as u64;
        let clipped = areas.iter().map(|(offset, len)| ByteRange::new(*offset, *len));
        let areas: Vec<ByteRange> =
            clipped.filter_map(|area| area.intersect(ByteRange::new(0, size))).collect();
        let sink = Arc::new(sink);
        let builder = Transfer::builder().source(Arc::new(source)).sink(Arc::clone(&sink) as _);
        let transfer = builder.request(case.request).areas(areas.clone()).build().unwrap();
        block_on(transfer.run()).unwrap();
        for (at, byte) in sink.bytes().iter().enumerate() {
            let is_in = areas.iter().any(|area| (area.offset..area.end()).contains(&(at as u64)));
            let right = expected.get(at) == Some(byte);
            prop_assert!(right || (!is_in && *byte == before[at]), "byte {} is {}", at, byte);
        }
        prop_assert_eq!(sink.acts().last().copied(), Some(Act::Flush));
    }

    #[test]
    fn the_copy_equals_its_source(case in case()) {
        let (source, sink) = case.disks();
        let expected = source.bytes.clone();
        let untouched = sink.bytes()[expected.len()..].to_vec();
        let (sink, heard) = (Arc::new(sink), Arc::new(Heard::default()));
        let transfer = case.transfer(source, &sink, &heard).unwrap();
        let report = block_on(transfer.run()).unwrap();

        prop_assert_eq!(&sink.bytes()[..expected.len()], &expected[..]);
        prop_assert_eq!(&sink.bytes()[expected.len()..], &untouched[..]);
        prop_assert_eq!(report.copied + report.zeroed, expected.len() as u64);
        prop_assert_eq!(report.size, expected.len() as u64);

        let acts = sink.acts();
        prop_assert_eq!(acts.last(), Some(&Act::Flush));
        prop_assert_eq!(acts.iter().filter(|act| **act == Act::Flush).count(), 1);
        let zeroes = acts.iter().filter_map(|act| match act {
            Act::Zero(_, mode) => Some(*mode),
            Act::Write(_) | Act::Flush => None,
        });
        for mode in zeroes {
            prop_assert!(!case.fresh, "what is zero already was zeroed");
            prop_assert_eq!(mode, if case.trim { ZeroMode::Hole } else { ZeroMode::Allocate });
        }
        let request = (case.request as usize).clamp(case.source_block.max(case.sink_block) as usize, 8192);
        prop_assert!(sink.most_under_way.load(Ordering::Relaxed) <= case.in_flight.max(request));

        let heard = heard.0.lock().unwrap();
        for pair in heard.windows(2) {
            prop_assert!(pair[0].copied <= pair[1].copied && pair[0].zeroed <= pair[1].zeroed);
        }
        let last = heard.last().copied().unwrap_or_default();
        prop_assert_eq!((last.copied, last.zeroed), (report.copied, report.zeroed));
    }

    #[test]
    fn zeroes_that_nobody_knows_of_are_found_and_the_copy_equals_its_source(
        layout in prop::collection::vec((1_u64..200_000, kind()), 0..8),
        fresh: bool,
    ) {
        let mut source = Source::new(&layout);
        source.capabilities = Capabilities { extents: false, ..PLAIN };
        let expected = source.bytes.clone();
        let sink = Arc::new(if fresh { Sink::fresh(expected.len()) } else { Sink::dirty(expected.len()) });
        let transfer =
            Transfer::builder().source(Arc::new(source)).sink(Arc::clone(&sink) as _).build().unwrap();
        let report = block_on(transfer.run()).unwrap();
        prop_assert!(sink.bytes() == expected, "the copy differs");
        // Every aligned 64 KiB of zeroes, and nothing smaller.
        let blocks = expected.chunks(64 << 10).filter(|block| block.iter().all(|byte| *byte == 0));
        prop_assert_eq!(report.zeroed, blocks.map(|block| block.len() as u64).sum::<u64>());
    }

    #[test]
    fn a_request_that_fails_is_never_a_success(case in case(), at in 0_u64..60, in_source: bool) {
        let (mut source, mut sink) = case.disks();
        let fuse = Fuse::at(at);
        *(if in_source { &mut source.fuse } else { &mut sink.fuse }) = Arc::clone(&fuse);
        let (sink, heard) = (Arc::new(sink), Arc::new(Heard::default()));
        let transfer = case.transfer(source, &sink, &heard).unwrap();
        let result = block_on(transfer.run());
        prop_assert_eq!(result.is_err(), fuse.is_burnt());
        if let Err(error) = result {
            prop_assert_eq!(error.kind(), ErrorKind::NoSpace);
        }
    }

    #[test]
    fn a_transfer_stopped_at_any_moment_is_no_success(case in case(), turns in 0_usize..200, drop_it: bool) {
        let (source, sink) = case.disks();
        let size = source.bytes.len() as u64;
        let sink = Arc::new(sink);
        let cancel = CancelFlag::new();
        let transfer = Transfer::builder()
            .source(Arc::new(source))
            .sink(Arc::clone(&sink) as _)
            .request(case.request)
            .cancel(cancel.clone())
            .build()
            .unwrap();
        let ended = block_on(async {
            let mut run = pin!(transfer.run());
            for _ in 0..turns {
                // One poll, whatever it gives.
                let polled = std::future::poll_fn(|context| Poll::Ready(run.as_mut().poll(context))).await;
                if let Poll::Ready(result) = polled {
                    return Some(result);
                }
                tokio::task::yield_now().await;
            }
            if drop_it {
                return None;
            }
            cancel.cancel();
            Some(run.await)
        });
        match ended {
            Some(Ok(report)) => prop_assert_eq!(report.copied + report.zeroed, size),
            Some(Err(error)) => prop_assert_eq!(error.kind(), ErrorKind::Interrupted),
            // Dropped: in the end nobody holds the disk any more.
            None => {
                let deadline = Instant::now() + Duration::from_secs(20);
                while Arc::strong_count(&sink) > 1 {
                    prop_assert!(Instant::now() < deadline, "the transfer goes on");
                    std::thread::yield_now();
                }
            }
        }
    }

    #[test]
    fn reading_back_proves_the_copy_and_finds_one_wrong_byte(case in case(), wrong in prop::option::of(any::<prop::sample::Index>())) {
        let (source, sink) = case.disks();
        let size = source.bytes.len();
        let copy = Arc::new(Sink::dirty(size));
        copy.bytes.lock().unwrap().copy_from_slice(&source.bytes);
        let wrong = wrong.filter(|_| size > 0).map(|index| index.index(size));
        if let Some(at) = wrong {
            copy.bytes.lock().unwrap()[at] ^= 0x10;
        }
        let transfer = Transfer::builder()
            .source(Arc::new(source))
            .sink(Arc::new(sink))
            .verify(Verify::ReadBack)
            .verify_with(Arc::new(Reading(copy)))
            .build()
            .unwrap();
        match (block_on(transfer.run()), wrong) {
            (Ok(report), None) => prop_assert!(report.digest.is_some()),
            (Err(error), Some(at)) => {
                prop_assert_eq!(error.kind(), ErrorKind::Mismatch);
                let (offset, len) = (error.context().offset.unwrap(), error.context().len.unwrap());
                prop_assert!((offset..offset + len).contains(&(at as u64)));
            }
            (result, wrong) => prop_assert!(false, "{:?} with a wrong byte at {:?}", result, wrong),
        }
    }
}
