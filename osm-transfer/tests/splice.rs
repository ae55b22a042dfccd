//! From a socket to a disk without passing through memory: right bytes, holes, and whose error it is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nbd_support::{MemoryDisk, PAGE, Running, pattern};
use osm_transfer::block::{BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Capabilities, ZeroMode};
use osm_transfer::file::FileDisk;
use osm_transfer::nbd::{Client, ClientOptions, Export, ServerOptions};
use osm_transfer::transfer::Transfer;
use osm_transfer::{Error, ErrorKind, Result};

const MIB: usize = 1 << 20;

/// Data that begins and ends anywhere, with holes between.
fn scattered(size: usize) -> MemoryDisk {
    let disk = MemoryDisk::new(size);
    for start in (0..size).step_by(3 * MIB + 12_345) {
        let end = (start + MIB + 777).min(size);
        disk.allocated.lock().unwrap()[start / PAGE..end.div_ceil(PAGE)].fill(true);
        disk.bytes.lock().unwrap()[start..end].copy_from_slice(&pattern(start as u64, end - start));
    }
    disk
}

/// A sink that takes what is in the pipe after a while, but for one place where it takes a part and fails.
#[derive(Debug)]
struct Pipes {
    bad: Option<u64>,
    pause: Duration,
}

#[async_trait]
impl BlockSink for Pipes {
    fn size(&self) -> u64 {
        64 << 20
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { splice: true, ..BlockSource::capabilities(&MemoryDisk::new(0)) }
    }

    async fn write(&self, _offset: u64, buffer: Buffer) -> Result<Buffer> {
        Ok(buffer)
    }

    async fn splice(&self, range: ByteRange, pipe: &Arc<OwnedFd>) -> Result<()> {
        tokio::time::sleep(self.pause).await;
        let fails = self.bad.is_some_and(|bad| (range.offset..range.end()).contains(&bad));
        let mut left = if fails { 1000 } else { usize::try_from(range.len).unwrap() };
        let mut bytes = vec![0; 1 << 16];
        while left > 0 {
            let step = left.min(bytes.len());
            left -= rustix::io::read(pipe, &mut bytes[..step]).unwrap();
        }
        if !fails {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NoSpace, "no room").with_endpoint("the sink").with_operation("write"))
    }

    async fn zero(&self, _range: ByteRange, _mode: ZeroMode) -> Result<()> {
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_byte_and_every_hole_arrives() {
    let folder = tempfile::tempdir().unwrap();
    for (number, connections, structured) in [(0, 1, true), (1, 4, true), (2, 2, false)] {
        let disk = Arc::new(scattered(32 * MIB + 5000));
        let wanted = disk.bytes.lock().unwrap().clone();
        let server = Running::of(&disk);
        let options = ClientOptions { connections, structured, ..ClientOptions::default() };
        let client = Client::connect(&server.uri, &options).await.unwrap();
        let path = folder.path().join(format!("copy{number}"));
        let sink = FileDisk::open_sink(&path, wanted.len() as u64).await.unwrap();
        let report = Transfer::builder()
            .source(Arc::new(client))
            .sink(Arc::new(sink))
            .build()
            .unwrap()
            .run()
            .await
            .unwrap();
        assert_eq!(report.copied + report.zeroed, wanted.len() as u64);
        assert!(std::fs::read(&path).unwrap() == wanted, "the copy differs ({connections} connections)");
        server.stop().await;
    }
}

/// Twice onto one disk: where the second source has holes, the first one's bytes must go.
#[tokio::test]
async fn what_was_there_before_does_not_shine_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let size = 8 * MIB;
    let sink = Arc::new(FileDisk::open_sink(&path, size as u64).await.unwrap());
    for disk in [MemoryDisk::patterned(size), scattered(size)] {
        let wanted = disk.bytes.lock().unwrap().clone();
        let server = Running::of(&Arc::new(disk));
        let client = Client::connect(&server.uri, &ClientOptions::default()).await.unwrap();
        let transfer = Transfer::builder().source(Arc::new(client)).sink(sink.clone()).build().unwrap();
        transfer.run().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == wanted);
        server.stop().await;
    }
}

#[tokio::test]
async fn an_error_of_the_sink_is_told_as_its_own_and_the_connection_lives_on() {
    let server = Running::of(&Arc::new(MemoryDisk::patterned(64 * MIB)));
    let options = ClientOptions { connections: 1, ..ClientOptions::default() };
    let client = Arc::new(Client::connect(&server.uri, &options).await.unwrap());
    let sink: Arc<dyn BlockSink> = Arc::new(Pipes { bad: Some(5 << 20), pause: Duration::ZERO });
    let error =
        BlockSource::splice(client.as_ref(), ByteRange::new(4 << 20, 4 << 20), &sink).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(error.context().endpoint.as_deref(), Some("the sink"), "{error}");
    let buffer = client.read(9 << 20, Buffer::zeroed(70_000)).await.unwrap();
    assert!(*buffer == pattern(9 << 20, 70_000), "the stream goes on behind the payload");

    let transfer = Transfer::builder().source(client.clone()).sink(sink).build().unwrap();
    assert_eq!(transfer.run().await.unwrap_err().kind(), ErrorKind::NoSpace);
    server.stop().await;
}

/// From one server to another; the target takes small writes only, or splices at its own block size.
#[tokio::test]
async fn from_server_to_server_the_kernel_moves_the_bytes() {
    const SIZE: usize = 20 << 20;
    for (minimum, maximum) in [(1, u32::MAX), (1, 100_000), (512, 1 << 20)] {
        let source = Arc::new(MemoryDisk::patterned(SIZE));
        source.allocated.lock().unwrap()[100..300].fill(false);
        source.bytes.lock().unwrap()[100 * 4096..300 * 4096].fill(0);
        let block_size = BlockSize { minimum, preferred: 4096, maximum };
        let target = Arc::new(MemoryDisk { block_size, ..MemoryDisk::new(SIZE) });
        target.bytes.lock().unwrap().fill(0xee);
        let from = Running::start(
            vec![Export::read_only("disk", Arc::clone(&source) as _)],
            ServerOptions::default(),
        );
        let export = Export::writable("disk", Arc::clone(&target) as _, Arc::clone(&target) as _);
        let to = Running::start(vec![export], ServerOptions::default());
        let options = ClientOptions::default();
        let client = Arc::new(Client::connect(&from.uri, &options).await.unwrap());
        let sink = Arc::new(Client::connect(&to.uri, &options).await.unwrap());
        assert_eq!(BlockSink::capabilities(sink.as_ref()).splice, minimum == 1);
        let builder = Transfer::builder().source(client).sink(Arc::clone(&sink) as _);
        let report = builder.build().unwrap().run().await.unwrap();
        assert_eq!(report.zeroed, 200 * 4096);
        assert!(
            *target.bytes.lock().unwrap() == *source.bytes.lock().unwrap(),
            "blocks of {minimum} to {maximum}"
        );
        assert!(target.flushes.load(Ordering::Relaxed) > 0);
    }
}

#[tokio::test]
async fn a_write_that_the_target_refuses_is_its_error() {
    let source = Arc::new(MemoryDisk::patterned(8 << 20));
    let target = Arc::new(MemoryDisk { bad: Some(2 << 20), ..MemoryDisk::new(8 << 20) });
    let from = Running::start(vec![Export::read_only("disk", source)], ServerOptions::default());
    let export = Export::writable("disk", Arc::clone(&target) as _, target);
    let to = Running::start(vec![export], ServerOptions::default());
    let client = Arc::new(Client::connect(&from.uri, &ClientOptions::default()).await.unwrap());
    let sink = Arc::new(Client::connect(&to.uri, &ClientOptions::default()).await.unwrap());
    let builder = Transfer::builder().source(Arc::clone(&client) as _).sink(sink);
    let error = builder.build().unwrap().run().await.unwrap_err();
    assert_eq!(error.context().operation, Some("write"), "{error}");
    assert_eq!(error.context().offset, Some(2 << 20), "{error}");
    // The source's connections are none the worse.
    client.read(0, Buffer::zeroed(4096)).await.unwrap();
}

#[tokio::test]
async fn a_slow_target_is_not_the_fault_of_the_source() {
    let source = Arc::new(MemoryDisk::patterned(4 << 20));
    let from = Running::start(vec![Export::read_only("disk", source)], ServerOptions::default());
    let options = ClientOptions { timeout: Duration::from_millis(300), ..ClientOptions::default() };
    let client = Arc::new(Client::connect(&from.uri, &options).await.unwrap());
    let started = Instant::now();
    // Each write takes longer than a server may be silent.
    let sink = Arc::new(Pipes { bad: None, pause: Duration::from_millis(900) });
    let builder = Transfer::builder().source(client).sink(sink);
    builder.build().unwrap().run().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(4), "the writes ran beside each other");
}
