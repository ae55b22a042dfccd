//! Our client and our server with each other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nbd_support::{MemoryDisk, PAGE, Running, chain, pattern, starts};
use osm_transfer::ErrorKind;
use osm_transfer::block::{
    BlockSink, BlockSize, BlockSource, Buffer, ByteRange, Extent, ExtentKind, ZeroMode,
};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions, list};
use tokio::io::duplex;
use tokio::net::TcpListener;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_each_get_their_own_bytes() {
    let disk = Arc::new(MemoryDisk::patterned(8 * MIB));
    for structured in [true, false] {
        let server = Running::of(&disk);
        let options = ClientOptions { structured, connections: 3, ..ClientOptions::default() };
        let client = Arc::new(Client::connect(&server.uri, &options).await.unwrap());
        assert_eq!(client.connections(), 3);
        assert_eq!(client.size(), 8 * MIB as u64);
        let reads = (0..200u64).map(|n| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                let (offset, len) = (n * 40_000, 1 + (n as usize * 7919) % 200_000);
                let buffer = client.read(offset, Buffer::zeroed(len)).await.unwrap();
                assert_eq!(&buffer[..], pattern(offset, len), "{offset}+{len}");
            })
        });
        for read in reads.collect::<Vec<_>>() {
            read.await.unwrap();
        }
        client.close().await.unwrap();
        let closed = client.read(0, Buffer::zeroed(1)).await.unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::Interrupted, "{closed}");
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_written_zeroed_and_trimmed_is_what_the_disk_has() {
    let disk = Arc::new(MemoryDisk::patterned(MIB));
    let server = Running::of(&disk);
    let client = Client::connect(&server.uri, &ClientOptions::default()).await.unwrap();
    assert!(!client.read_only());
    let written = client.write(5000, Buffer::from(vec![7; 3000])).await.unwrap();
    assert_eq!(&written[..], [7; 3000], "the buffer comes back");
    client.zero(ByteRange::new(16 * PAGE as u64, 16 * PAGE as u64), ZeroMode::Hole).await.unwrap();
    client.zero(ByteRange::new(64 * PAGE as u64, 16 * PAGE as u64), ZeroMode::Allocate).await.unwrap();
    client.trim(ByteRange::new(128 * PAGE as u64, 16 * PAGE as u64)).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(disk.flushes.load(Ordering::SeqCst), 1);
    let mut expected = pattern(0, MIB);
    expected[5000..8000].fill(7);
    for first in [16, 64, 128] {
        expected[first * PAGE..(first + 16) * PAGE].fill(0);
    }
    assert!(*disk.bytes.lock().unwrap() == expected);
    let extents = client.extents(ByteRange::new(0, MIB as u64)).await.unwrap();
    let page = PAGE as u64;
    let extent = |first: u64, count: u64, kind| Extent::new(first * page, count * page, kind);
    assert_eq!(
        extents,
        [
            extent(0, 16, ExtentKind::Data),
            extent(16, 16, ExtentKind::Hole),
            extent(32, 96, ExtentKind::Data),
            extent(128, 16, ExtentKind::Hole),
            extent(144, 112, ExtentKind::Data),
        ]
    );
    client.disconnect().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn requests_keep_to_the_block_sizes_of_the_server() {
    let mut disk = MemoryDisk::patterned(4 * MIB);
    disk.block_size = BlockSize { minimum: 512, preferred: 4096, maximum: 64 << 10 };
    let disk = Arc::new(disk);
    let server = Running::of(&disk);
    let client = Client::connect(&server.uri, &ClientOptions::default()).await.unwrap();
    let sizes = BlockSource::capabilities(&client).block_size;
    assert_eq!(sizes, BlockSize { minimum: 512, preferred: 4096, maximum: 64 << 10 });
    let whole = client.read(512, Buffer::zeroed(3 * MIB)).await.unwrap();
    assert!(whole[..] == pattern(512, 3 * MIB), "parts are put together in order");
    let back = client.write(0, Buffer::from(vec![1; 200 << 10])).await.unwrap();
    assert_eq!(back.len(), 200 << 10);
    assert!(disk.bytes.lock().unwrap()[..200 << 10].iter().all(|byte| *byte == 1));
    client.zero(ByteRange::new(0, 4 * MIB as u64), ZeroMode::Hole).await.unwrap();
    assert!(disk.bytes.lock().unwrap().iter().all(|byte| *byte == 0));
    for (offset, len) in [(1, 512), (512, 100)] {
        let error = client.read(offset, Buffer::zeroed(len)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    server.stop().await;
}

#[tokio::test]
async fn requests_beyond_the_end_are_not_even_sent() {
    let disk = Arc::new(MemoryDisk::patterned(MIB));
    let server = Running::of(&disk);
    let client = Client::connect(&server.uri, &ClientOptions::default()).await.unwrap();
    let size = MIB as u64;
    let kinds = [
        client.read(size, Buffer::zeroed(1)).await.unwrap_err().kind(),
        client.write(size - 1, Buffer::zeroed(2)).await.unwrap_err().kind(),
        client.zero(ByteRange::new(u64::MAX, 2), ZeroMode::Hole).await.unwrap_err().kind(),
        client.extents(ByteRange::new(0, size + 1)).await.unwrap_err().kind(),
        client.extents(ByteRange::new(0, 0)).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::OutOfBounds; 5]);
    assert!(client.read(size, Buffer::zeroed(0)).await.unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_read_only_export_refuses_writes() {
    let disk = Arc::new(MemoryDisk::patterned(MIB));
    let options = ServerOptions::default();
    let server = Running::start(vec![Export::read_only("disk", disk.clone())], options);
    let client = Client::connect(&server.uri, &ClientOptions::default()).await.unwrap();
    assert!(client.read_only());
    assert_eq!(client.connections(), 2, "read-only exports can have many connections");
    let error = client.write(0, Buffer::zeroed(512)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    let text = chain(&error);
    assert!(text.contains("read-only") && text.contains("during write"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn an_error_of_the_disk_reaches_its_request_and_no_other() {
    let mut disk = MemoryDisk::patterned(MIB);
    disk.bad = Some(4096);
    let server = Running::of(&Arc::new(disk));
    for structured in [true, false] {
        let options = ClientOptions { structured, connections: 1, ..ClientOptions::default() };
        let client = Client::connect(&server.uri, &options).await.unwrap();
        let (bad, good) = tokio::join!(
            client.write(4096, Buffer::from(vec![1; 512])),
            client.write(8192, Buffer::from(vec![2; 512])),
        );
        let bad = bad.unwrap_err();
        assert_eq!(bad.kind(), ErrorKind::NoSpace);
        assert_eq!(bad.context().offset, Some(4096), "{bad}");
        assert!(bad.to_string().contains("NBD_ENOSPC"), "{bad}");
        good.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn the_error_of_a_write_that_nobody_waits_for_is_told_by_the_flush() {
    let mut disk = MemoryDisk::patterned(MIB);
    disk.bad = Some(4096);
    let server = Running::of(&Arc::new(disk));
    let options = ClientOptions { connections: 1, ..ClientOptions::default() };
    let client = Client::connect(&server.uri, &options).await.unwrap();
    let mut write = client.write(4096, Buffer::zeroed(512));
    // Polled once, then given up: the request is on its way.
    assert!(starts(&mut write).await);
    drop(write);
    // Requests of one connection are taken in order; this one is answered after the bad one or
    // with it, and the flush comes after both.
    client.read(0, Buffer::zeroed(512)).await.unwrap();
    let mut told = None;
    for _ in 0..1000 {
        told = client.flush().await.err();
        if told.is_some() {
            break;
        }
    }
    let error = told.expect("the error is lost");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    client.flush().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_ready_stream_is_as_good_as_a_socket() {
    let disk = Arc::new(MemoryDisk::patterned(4 * MIB));
    let export = Export::writable("disk", disk.clone(), disk.clone());
    let server = Server::new(vec![export], ServerOptions::default());
    let (ours, theirs) = duplex(10_000);
    let (reader, writer) = tokio::io::split(theirs);
    let serving = tokio::spawn(async move { server.serve_stream(reader, writer).await });
    let (reader, writer) = tokio::io::split(ours);
    let client = Client::over(reader, writer, "disk", &ClientOptions::default()).await.unwrap();
    let (read, written) =
        tokio::join!(client.read(0, Buffer::zeroed(MIB)), client.write(2 * MIB as u64, Buffer::zeroed(MIB)));
    assert!(read.unwrap()[..] == pattern(0, MIB));
    written.unwrap();
    assert!(disk.bytes.lock().unwrap()[2 * MIB..3 * MIB].iter().all(|byte| *byte == 0));
    client.close().await.unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn exports_are_listed_and_found_by_name() {
    let (small, large) = (Arc::new(MemoryDisk::new(4096)), Arc::new(MemoryDisk::new(8192)));
    let mut first = Export::writable("small", small.clone(), small);
    first.description = "the first".into();
    let exports = vec![first, Export::read_only("large disk", large)];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = |export: &str| {
        format!("nbd://127.0.0.1:{}/{export}", listener.local_addr().unwrap().port()).parse().unwrap()
    };
    let (any, large, none) = (uri(""), uri("large%20disk"), uri("none"));
    let server = Server::new(exports, ServerOptions::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = async move {
        let stopped = async {
            let _ = stopped.await;
        };
        server.serve_tcp(listener, stopped).await.unwrap();
    };
    let asking = async move {
        let listed = list(&any).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!((listed[0].name.as_str(), listed[0].size), ("small", Some(4096)));
        assert_eq!((listed[0].description.as_str(), listed[0].read_only), ("the first", Some(false)));
        assert_eq!((listed[1].name.as_str(), listed[1].read_only), ("large disk", Some(true)));
        let options = ClientOptions::default();
        assert_eq!(Client::connect(&any, &options).await.unwrap().size(), 4096, "the first is the default");
        assert_eq!(Client::connect(&large, &options).await.unwrap().size(), 8192);
        let error = Client::connect(&none, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("no export `none`"), "{error}");
        stop.send(()).unwrap();
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn what_is_under_way_at_shutdown_is_finished() {
    let disk = Arc::new(MemoryDisk::patterned(8 * MIB));
    let server = Running::of(&disk);
    let options = ClientOptions { connections: 1, ..ClientOptions::default() };
    let client = Arc::new(Client::connect(&server.uri, &options).await.unwrap());
    let mut reading = client.read(0, Buffer::zeroed(8 * MIB));
    assert!(starts(&mut reading).await);
    // A second request, answered when the server has surely taken the first.
    client.write(0, Buffer::from(pattern(0, 1))).await.unwrap();
    let (read, ()) = tokio::join!(reading, server.stop());
    assert!(read.unwrap()[..] == pattern(0, 8 * MIB));
    let error = client.read(0, Buffer::zeroed(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains("closed the connection"), "{error}");
}

#[tokio::test]
async fn a_connection_too_many_is_refused() {
    let disk = Arc::new(MemoryDisk::new(MIB));
    let limits = ServerOptions { connections: 1, ..ServerOptions::default() };
    let server = Running::start(vec![Export::read_only("", disk)], limits);
    let options =
        ClientOptions { connections: 1, timeout: Duration::from_secs(5), ..ClientOptions::default() };
    let first = Client::connect(&server.uri, &options).await.unwrap();
    let error = Client::connect(&server.uri, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    first.read(0, Buffer::zeroed(1)).await.unwrap();
    server.stop().await;
}
