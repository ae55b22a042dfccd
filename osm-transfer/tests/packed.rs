//! A compressed stream is the same stream.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod memory;
mod nbd_support;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use memory::{Sink, block_on};
use nbd_support::{MemoryDisk, pattern};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions};
use osm_transfer::packed::{PackedWriter, UnpackedReader};
use osm_transfer::transfer::Transfer;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

/// The bytes that `writes` become.
async fn pack(writes: &[Vec<u8>]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = PackedWriter::new(&mut packed).unwrap();
    for bytes in writes {
        writer.write_all(bytes).await.unwrap();
    }
    writer.shutdown().await.unwrap();
    packed
}

async fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    UnpackedReader::new(packed)?.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn writes() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let noise = prop::collection::vec(any::<u8>(), 0..5_000);
    let text = (0_usize..300_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    prop::collection::vec(prop_oneof![noise, text], 0..8)
}

proptest! {
    #[test]
    fn what_was_written_is_read(writes in writes()) {
        let all = writes.concat();
        let read = block_on(async { unpack(&pack(&writes).await).await.unwrap() });
        prop_assert!(read == all);
    }

    #[test]
    fn what_is_cut_off_is_an_error_or_ends_between_frames(writes in writes(), cut in any::<prop::sample::Index>()) {
        let all = writes.concat();
        let packed = block_on(pack(&writes));
        let cut = cut.index(packed.len() + 1);
        match block_on(unpack(&packed[..cut])) {
            Ok(bytes) => prop_assert!(all.starts_with(&bytes)),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
        }
    }

    #[test]
    fn a_flipped_bit_does_not_make_more_of_it(writes in writes(), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let mut packed = block_on(pack(&writes));
        prop_assume!(!packed.is_empty());
        let at = at.index(packed.len());
        packed[at] ^= 1_u8 << bit;
        if let Ok(bytes) = block_on(unpack(&packed)) {
            prop_assert!(bytes.len() <= packed.len() * (128 << 10));
        }
    }
}

#[tokio::test]
async fn zeroes_shrink_and_noise_hardly_grows() {
    let zeroes = pack(&[vec![0; 8 << 20]]).await;
    assert!(zeroes.len() < 100 << 10, "{}", zeroes.len());
    let mut noise = vec![0; 8 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let noise: Vec<Vec<u8>> = noise.chunks(128 << 10).map(<[u8]>::to_vec).collect();
    let packed = pack(&noise).await.len();
    assert!(packed <= (8 << 20) + 64 * 5 + 8, "{packed}");
}

#[tokio::test]
async fn one_end_alone_is_told_so() {
    let error = unpack(b"NBDMAGICIHAVEOPT").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("both ends must"), "{error}");
}

/// Passes everything on, 16 KiB in a millisecond; how many bytes it were.
async fn narrow(mut from: DuplexStream, mut to: DuplexStream) -> usize {
    let (mut piece, mut all) = (vec![0; 16 << 10], 0);
    loop {
        let count = from.read(&mut piece).await.unwrap();
        if count == 0 {
            return all;
        }
        to.write_all(&piece[..count]).await.unwrap();
        all += count;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_narrow_link_carries_less() {
    let text: Vec<u8> =
        (0..100_000).flat_map(|line| format!("{line:06}: a line of a log\n").into_bytes()).collect();
    let ((near, entry), (exit, far)) = (duplex(16 << 10), duplex(16 << 10));
    let passed = tokio::spawn(narrow(entry, exit));
    let sent = text.clone();
    tokio::spawn(async move {
        let mut writer = PackedWriter::new(near).unwrap();
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    UnpackedReader::new(far).unwrap().read_to_end(&mut received).await.unwrap();
    assert!(received == text);
    let passed = passed.await.unwrap();
    assert!(passed < text.len() / 3, "{passed} of {}", text.len());
}

/// Through a link that holds a few bytes at a time.
#[tokio::test]
async fn a_disk_passes_through_it() {
    const SIZE: usize = 3 << 20;
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let server = Server::new(vec![Export::read_only("", Arc::clone(&disk) as _)], ServerOptions::default());
    let (near, far) = duplex(10_000);
    let ((near_read, near_write), (far_read, far_write)) = (tokio::io::split(near), tokio::io::split(far));
    let serving = tokio::spawn(async move {
        let writer = PackedWriter::new(near_write).unwrap();
        server.serve_stream(UnpackedReader::new(near_read).unwrap(), writer).await
    });
    let reader = UnpackedReader::new(far_read).unwrap();
    let writer = PackedWriter::new(far_write).unwrap();
    let client = Arc::new(Client::over(reader, writer, "", &ClientOptions::default()).await.unwrap());
    let sink = Arc::new(Sink::dirty(SIZE));
    let transfer = Transfer::builder().source(Arc::clone(&client) as _).sink(Arc::clone(&sink) as _);
    transfer.build().unwrap().run().await.unwrap();
    client.close().await.unwrap();
    serving.await.unwrap().unwrap();
    assert!(sink.bytes() == pattern(0, SIZE));
}
