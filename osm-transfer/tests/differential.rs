//! Every engine with every mix of extents, capabilities and disks: the copy equals its source, and a hole
//! stays a hole. `OSM_CASES` says how many combinations are tried.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;
mod nbd_support;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memory::{Act, PLAIN, Reading, Sink, Source, block_on};
use nbd_support::{MemoryDisk, PAGE, Running, pattern};
use osm_transfer::block::{BlockSize, BlockSource, ByteRange, Capabilities, ExtentKind, ZeroMode};
use osm_transfer::file::FileDisk;
use osm_transfer::hash::{HashOptions, hash_disk};
use osm_transfer::nbd::{Client, ClientOptions};
use osm_transfer::transfer::{Transfer, Verify};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::SeekFrom;

const KINDS: [ExtentKind; 3] = [ExtentKind::Data, ExtentKind::Zero, ExtentKind::Hole];

/// Zeroes that only their bytes tell of are found from this length on.
const FOUND: u64 = 64 << 10;

/// What moves the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Into buffers, with extents.
    Buffers,
    /// Into buffers, without extents.
    Blind,
    /// Hashed on their way, then read back.
    Inline,
    /// As one area that is said to have changed.
    Area,
}

#[derive(Debug, Clone)]
struct Case {
    way: Way,
    /// Blocks of 4 KiB.
    layout: Vec<(u64, ExtentKind)>,
    answers: usize,
    blocks: (u32, u32),
    request: u32,
    in_flight: usize,
    fresh: bool,
    trim: bool,
}

fn cases() -> u32 {
    std::env::var("OSM_CASES").map_or(1000, |text| text.parse().expect("OSM_CASES is a number"))
}

fn runner(share: u32) -> TestRunner {
    TestRunner::new(Config { cases: cases() * share / 100, failure_persistence: None, ..Config::default() })
}

fn layout(longest: u64) -> impl Strategy<Value = Vec<(u64, ExtentKind)>> {
    let extent = (1..longest, 0_usize..3).prop_map(|(blocks, kind)| (blocks * PAGE as u64, KINDS[kind]));
    prop::collection::vec(extent, 1..8)
}

prop_compose! {
    fn case()(
        way in prop::sample::select(vec![Way::Buffers, Way::Blind, Way::Inline, Way::Area]),
        layout in layout(12),
        answers in 1_usize..6,
        blocks in (0_u32..13, 0_u32..13),
        request in 1_u32..100_000,
        in_flight in 0_usize..400_000,
        fresh: bool,
        trim: bool,
    ) -> Case {
        Case { way, layout, answers, blocks: (1 << blocks.0, 1 << blocks.1), request, in_flight, fresh, trim }
    }
}

impl Case {
    async fn run(self) -> Result<(), TestCaseError> {
        let mut source = Source::new(&self.layout);
        source.answers = self.answers;
        source.capabilities = with_block(self.blocks.0);
        source.capabilities.extents = self.way != Way::Blind;
        let (expected, layout) = (source.bytes.clone(), source.layout.clone());
        let size = expected.len() as u64;
        let mut sink = if self.fresh { Sink::fresh(expected.len()) } else { Sink::dirty(expected.len()) };
        sink.capabilities =
            Capabilities { trim: self.trim, starts_zeroed: self.fresh, ..with_block(self.blocks.1) };
        let (source, sink): (Arc<dyn BlockSource>, _) = (Arc::new(source), Arc::new(sink));
        let builder = Transfer::builder()
            .source(Arc::clone(&source))
            .sink(Arc::clone(&sink) as _)
            .request(self.request)
            .in_flight(self.in_flight);
        let builder = match self.way {
            Way::Buffers | Way::Blind => builder,
            Way::Inline => builder.verify(Verify::Inline).verify_with(Arc::new(Reading(Arc::clone(&sink)))),
            Way::Area => builder.areas(vec![ByteRange::new(0, size)]),
        };
        let report = builder.build().unwrap().run().await.unwrap();
        prop_assert!(sink.bytes() == expected, "the copy differs");
        prop_assert_eq!(report.copied + report.zeroed, size);
        if self.way == Way::Inline {
            let hash = hash_disk(&source, &HashOptions::default(), Arc::new(())).await.unwrap();
            prop_assert_eq!(report.digest, Some(hash.root));
        }
        if self.way == Way::Buffers && (self.fresh || self.trim) {
            let holes = layout.iter().filter(|extent| extent.kind != ExtentKind::Data);
            let allocated = allocated(&sink, self.fresh);
            for extent in holes {
                let range = extent.range.offset as usize..extent.range.end() as usize;
                prop_assert!(!allocated[range].contains(&true), "{} is no hole any more", extent.range);
            }
        }
        Ok(())
    }
}

fn with_block(minimum: u32) -> Capabilities {
    Capabilities { block_size: BlockSize { minimum, preferred: minimum, maximum: 65_536 }, ..PLAIN }
}

/// Which bytes of the sink have space of their own: all of them at first, unless it is fresh.
fn allocated(sink: &Sink, fresh: bool) -> Vec<bool> {
    let mut allocated = vec![!fresh; sink.bytes().len()];
    for act in sink.acts() {
        let (range, has_space) = match act {
            Act::Write(range) => (range, true),
            Act::Zero(range, mode) => (range, mode == ZeroMode::Allocate),
            Act::Flush => continue,
        };
        allocated[range.offset as usize..range.end() as usize].fill(has_space);
    }
    allocated
}

#[test]
fn every_engine_of_buffers_copies_every_layout() {
    runner(80).run(&case(), |case| block_on(case.run())).unwrap();
}

/// A disk in memory with this layout.
fn disk(layout: &[(u64, ExtentKind)]) -> MemoryDisk {
    let size: u64 = layout.iter().map(|(len, _)| len).sum();
    let disk = MemoryDisk::new(size as usize);
    let mut at = 0;
    for &(len, kind) in layout {
        let (start, end) = (at, at + len as usize);
        if kind == ExtentKind::Data {
            disk.allocated.lock().unwrap()[start / PAGE..end / PAGE].fill(true);
            disk.bytes.lock().unwrap()[start..end].copy_from_slice(&pattern(start as u64, end - start));
        }
        at = end;
    }
    disk
}

/// Where a file has data, page by page.
fn pages(path: &Path) -> Vec<bool> {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let mut pages = vec![false; (size as usize).div_ceil(PAGE)];
    let mut at = 0;
    while let Ok(data) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        let end = rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap();
        pages[data as usize / PAGE..(end as usize).div_ceil(PAGE)].fill(true);
        at = end;
    }
    pages
}

#[test]
fn every_layout_goes_through_the_kernel_to_a_file_and_keeps_its_holes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("copy");
    let options = (1_usize..4, any::<bool>(), 1_u32..300_000, any::<bool>(), any::<bool>());
    let strategy = (layout(80), options);
    let run =
        |(layout, (connections, structured, request, fresh, inline)): (Vec<_>, (_, _, _, bool, bool))| {
            let disk = Arc::new(disk(&layout));
            let wanted = disk.bytes.lock().unwrap().clone();
            let data = disk.allocated.lock().unwrap().clone();
            if fresh {
                let _ = std::fs::remove_file(&path);
            } else {
                std::fs::write(&path, vec![0xee; wanted.len()]).unwrap();
            }
            runtime.block_on(async {
                let server = Running::of(&disk);
                let options = ClientOptions { connections, structured, ..ClientOptions::default() };
                let client = Arc::new(Client::connect(&server.uri, &options).await.unwrap());
                let sink = FileDisk::open_sink(&path, wanted.len() as u64).await.unwrap();
                let builder = Transfer::builder().source(client).sink(Arc::new(sink)).request(request);
                let builder = if inline { builder.verify(Verify::Inline) } else { builder };
                let report = builder.build().unwrap().run().await.unwrap();
                assert_eq!(report.copied + report.zeroed, wanted.len() as u64);
                server.stop().await;
            });
            prop_assert!(std::fs::read(&path).unwrap() == wanted, "the copy differs");
            if structured && !inline {
                let found = pages(&path);
                let lost: Vec<_> = (0..data.len()).filter(|page| found[*page] && !data[*page]).collect();
                prop_assert!(lost.is_empty(), "pages {:?} are no holes any more", lost);
            }
            Ok(())
        };
    runner(20).run(&strategy, run).unwrap();
}

#[test]
fn zeroes_of_a_blind_source_become_holes() {
    let strategy = (1_u64..5, 1_u64..5, 1_u64..5);
    let run = |(before, zeroes, after): (u64, u64, u64)| {
        let layout = [(before, ExtentKind::Data), (zeroes, ExtentKind::Zero), (after, ExtentKind::Data)];
        let mut source = Source::new(&layout.map(|(blocks, kind)| (blocks * FOUND, kind)));
        source.capabilities = Capabilities { extents: false, ..PLAIN };
        let sink = Arc::new(Sink::dirty(source.bytes.len()));
        let builder = Transfer::builder().source(Arc::new(source)).sink(Arc::clone(&sink) as _);
        let report = block_on(builder.build().unwrap().run()).unwrap();
        prop_assert_eq!(report.zeroed, zeroes * FOUND);
        let holes = allocated(&sink, false).iter().filter(|has_space| !**has_space).count();
        prop_assert_eq!(holes as u64, zeroes * FOUND);
        Ok(())
    };
    TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() })
        .run(&strategy, run)
        .unwrap();
}
