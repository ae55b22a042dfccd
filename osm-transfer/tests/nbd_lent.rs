//! Answers whose pages the kernel lends from a file to a socket.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::sync::Arc;

use futures_util::future::join_all;
use nbd_support::{chain, pattern};
use osm_transfer::ErrorKind;
use osm_transfer::block::{BlockSource as _, Buffer, ByteRange, ExtentKind};
use osm_transfer::file::FileDisk;
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions, Uri};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};

const SIZE: usize = (5 << 20) + 777;

/// A server of a file, on a unix and on a TCP socket.
async fn serve(folder: &TempDir, options: ServerOptions) -> [Uri; 2] {
    let path = folder.path().join("disk");
    std::fs::write(&path, pattern(0, SIZE)).unwrap();
    let disk = Arc::new(FileDisk::open_source(&path).await.unwrap());
    let server = Server::new(vec![Export::read_only("disk", disk)], options);
    let socket = folder.path().join("socket");
    let unix = UnixListener::bind(&socket).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let other = server.clone();
    tokio::spawn(async move { other.serve_unix(unix, std::future::pending()).await });
    tokio::spawn(async move { server.serve_tcp(tcp, std::future::pending()).await });
    [Uri::unix(&socket, "disk"), Uri::tcp("127.0.0.1", port, "disk")]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_length_and_offset_arrives_as_it_is() {
    // In memory, and where the file system can be asked what is cached.
    for folder in [tempfile::tempdir().unwrap(), tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()] {
        for structured in [true, false] {
            for uri in serve(&folder, ServerOptions::default()).await {
                let options = ClientOptions { structured, ..ClientOptions::default() };
                let client = Client::connect(&uri, &options).await.unwrap();
                let ranges = [
                    (0, 1),
                    (1, 4095),
                    (0, 32 << 10),
                    (4095, 40_000),
                    (777, 300_000),
                    (4096, 512 << 10),
                    (1, 1 << 20),
                    (0, (1 << 20) + 1),
                    (12_345, 3 << 20),
                    (SIZE - 70_000, 70_000),
                    (SIZE - 1, 1),
                ];
                let reads = (0..4).flat_map(|_| ranges).map(|(offset, len)| {
                    let read = client.read(offset as u64, Buffer::zeroed(len));
                    async move { (offset, len, read.await.unwrap()) }
                });
                for (offset, len, bytes) in join_all(reads).await {
                    assert!(
                        bytes[..] == pattern(offset as u64, len)[..],
                        "{uri} {structured} {offset}+{len}"
                    );
                }
            }
            std::fs::remove_file(folder.path().join("socket")).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_became_shorter_fails_the_read_and_not_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let [uri, _] = serve(&folder, ServerOptions::default()).await;
    let client = Client::connect(&uri, &ClientOptions::default()).await.unwrap();
    let file = std::fs::File::options().write(true).open(folder.path().join("disk")).unwrap();
    file.set_len(1 << 20).unwrap();
    for _ in 0..20 {
        let error = client.read((1 << 20) - 100, Buffer::zeroed(200_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{}", chain(&error));
        let bytes = client.read(0, Buffer::zeroed(200_000)).await.unwrap();
        assert!(bytes[..] == pattern(0, 200_000)[..]);
    }
}

#[tokio::test]
async fn a_run_of_data_is_looked_for_once_and_holes_stay_holes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(4 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; 1 << 20], 1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; 1 << 19], 3 << 20).unwrap();
    let disk = FileDisk::open_source(&path).await.unwrap();
    for _ in 0..2 {
        let mut data = 0;
        for at in (0..4_u64 << 20).step_by(64 << 10) {
            for extent in disk.extents(ByteRange::new(at, 64 << 10)).await.unwrap() {
                data += if extent.kind == ExtentKind::Data { extent.range.len } else { 0 };
            }
        }
        assert_eq!(data, 3 << 19);
    }
}
