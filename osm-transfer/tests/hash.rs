//! Hashes of disks: what they must not depend on, and what they must find.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;

use std::sync::Arc;

use memory::{PLAIN, Source, block_on};
use osm_transfer::ErrorKind;
use osm_transfer::block::{BlockSize, BlockSource, ByteRange, Capabilities, ExtentKind};
use osm_transfer::decorate::Counted;
use osm_transfer::hash::{Digest, DiskHash, HashOptions, differing, hash_disk};
use proptest::prelude::*;

const CHUNK: u64 = 4096;

fn options() -> HashOptions {
    HashOptions { chunk_size: CHUNK, ..HashOptions::default() }
}

fn hash(source: Source, options: &HashOptions) -> DiskHash {
    let source: Arc<dyn BlockSource> = Arc::new(source);
    block_on(hash_disk(&source, options, Arc::new(()))).unwrap()
}

/// The definition, without any engine.
fn by_definition(bytes: &[u8]) -> DiskHash {
    let chunks = bytes.chunks(CHUNK as usize).map(Digest::of).collect();
    DiskHash::from_chunks(bytes.len() as u64, CHUNK, chunks)
}

fn kind() -> impl Strategy<Value = ExtentKind> {
    prop_oneof![Just(ExtentKind::Data), Just(ExtentKind::Zero), Just(ExtentKind::Hole)]
}

proptest! {
    #[test]
    fn the_hash_is_that_of_the_bytes_however_they_are_allocated(
        layout in prop::collection::vec((1_u64..9000, kind()), 0..16),
        extents: bool,
        answers in 1_usize..4,
        power in 0_u32..14,
        parallel in 0_usize..5,
        limit in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut source = Source::new(&layout);
        source.answers = answers;
        let minimum = 1 << power;
        let block_size = BlockSize { minimum, preferred: minimum, maximum: minimum.max(2048) };
        source.capabilities = Capabilities { extents, block_size, ..PLAIN };
        let limit = limit.map(|index| index.index(source.bytes.len() + 1) as u64);
        let hashed = limit.map_or(source.bytes.len(), |limit| limit as usize);
        let expected = by_definition(&source.bytes[..hashed]);
        prop_assert_eq!(hash(source, &HashOptions { limit, parallel, ..options() }), expected);
    }

    #[test]
    fn differing_names_the_chunks_that_differ(
        len in 1_usize..40_000,
        wrong in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = vec![3; len];
        let mut other = bytes.clone();
        for at in &wrong {
            other[at.index(len)] = 4;
        }
        let ranges = differing(&by_definition(&bytes), &by_definition(&other));
        for (at, (a, b)) in bytes.chunks(CHUNK as usize).zip(other.chunks(CHUNK as usize)).enumerate() {
            let chunk = ByteRange::new(at as u64 * CHUNK, a.len() as u64);
            let named = ranges.iter().filter(|range| range.intersect(chunk) == Some(chunk)).count();
            prop_assert_eq!(named, usize::from(a != b));
        }
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].offset));
    }
}

#[test]
fn holes_are_hashed_without_being_read() {
    let source = Arc::new(Source::new(&[(64 * CHUNK, ExtentKind::Hole), (CHUNK, ExtentKind::Data)]));
    let counted = Arc::new(Counted::new(Arc::clone(&source) as _));
    let disk: Arc<dyn BlockSource> = Arc::clone(&counted) as _;
    let hash = block_on(hash_disk(&disk, &options(), Arc::new(()))).unwrap();
    assert_eq!(counted.counts().reads, 1);
    assert_eq!(hash, by_definition(&source.bytes));
}

#[test]
fn what_only_the_longer_disk_has_differs() {
    let (short, long) = (by_definition(&[1; 5000]), by_definition(&[1; 9000]));
    let expected = [ByteRange::new(CHUNK, 9000 - CHUNK)];
    assert_eq!(differing(&short, &long), expected);
    assert_eq!(differing(&long, &short), expected);
    assert_eq!(differing(&long, &long), []);
}

#[test]
fn hashes_in_chunks_of_different_sizes_differ_as_a_whole() {
    let a = by_definition(&[1; 9000]);
    let b = DiskHash { chunk_size: 2 * CHUNK, ..a.clone() };
    assert_eq!(differing(&a, &b), [ByteRange::new(0, 9000)]);
}

#[test]
fn refuses_limits_and_chunks_that_cannot_be() {
    let source: Arc<dyn BlockSource> = Arc::new(Source::new(&[(10, ExtentKind::Data)]));
    for options in [
        HashOptions { limit: Some(11), ..options() },
        HashOptions { chunk_size: 5000, ..options() },
        HashOptions { chunk_size: 0, ..options() },
    ] {
        let error = block_on(hash_disk(&source, &options, Arc::new(()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{options:?}");
    }
}
