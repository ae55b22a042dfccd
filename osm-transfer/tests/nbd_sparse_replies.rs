//! A disk that knows of no holes, a block device for one: its zeroes do not travel all the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use async_trait::async_trait;
use osm_transfer::Result;
use osm_transfer::block::{BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, split};

const MIB: usize = 1 << 20;
const DATA: [std::ops::Range<usize>; 2] = [MIB..MIB + 70_000, 7 * MIB + 12_345..7 * MIB + 12_346];

/// Four MiB-long runs of zeroes around a little data.
#[derive(Debug)]
struct Device(Vec<u8>);

#[async_trait]
impl BlockSource for Device {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn capabilities(&self) -> Capabilities {
        let block_size = BlockSize { minimum: 1, preferred: 4096, maximum: 32 << 20 };
        Capabilities {
            block_size,
            parallel: 4,
            extents: false,
            fast_zero: false,
            trim: false,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        let start = offset as usize;
        let end = start + buffer.len();
        buffer.copy_from_slice(&self.0[start..end]);
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        Ok(vec![Extent { range, kind: ExtentKind::Data }])
    }
}

fn device() -> Device {
    let mut bytes = vec![0; 8 * MIB];
    for range in DATA {
        bytes[range].fill(0xa5);
    }
    Device(bytes)
}

/// Reads the whole device through a relay; gives what was read, and how many bytes the server sent.
async fn read_whole(structured: bool, request: usize) -> (Vec<u8>, u64) {
    let server = Server::new(vec![Export::read_only("disk", Arc::new(device()))], ServerOptions::default());
    let (server_end, relay_out) = duplex(1 << 16);
    let (relay_in, client_end) = duplex(1 << 16);
    let (reader, writer) = split(server_end);
    let serving = tokio::spawn(async move { server.serve_stream(reader, writer).await });
    let (mut from_server, mut to_server) = split(relay_out);
    let (mut from_client, mut to_client) = split(relay_in);
    let up = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    });
    let down = tokio::spawn(async move {
        let (mut sent, mut block) = (0, vec![0; 1 << 16]);
        while let Ok(len @ 1..) = from_server.read(&mut block).await {
            sent += len as u64;
            to_client.write_all(&block[..len]).await.unwrap();
        }
        sent
    });
    let (reader, writer) = split(client_end);
    let options = ClientOptions { structured, ..ClientOptions::default() };
    let client = Client::over(reader, writer, "disk", &options).await.unwrap();
    let mut whole = Vec::new();
    while whole.len() < 8 * MIB {
        // Full of ones, so that a hole that is not filled in would show.
        let buffer = client.read(whole.len() as u64, Buffer::from(vec![0xff; request])).await.unwrap();
        whole.extend_from_slice(&buffer);
    }
    client.close().await.unwrap();
    serving.await.unwrap().unwrap();
    drop(client);
    let sent = down.await.unwrap();
    up.abort();
    (whole, sent)
}

#[tokio::test]
async fn zeroes_of_a_device_do_not_travel() {
    for request in [MIB, 8 * MIB, 64 << 10] {
        let (whole, sent) = read_whole(true, request).await;
        assert!(whole == device().0, "requests of {request}");
        assert!(sent < 300_000, "{sent} bytes were sent for 70001 of data, in requests of {request}");
    }
}

#[tokio::test]
async fn a_client_without_structured_replies_gets_every_byte() {
    let (whole, sent) = read_whole(false, MIB).await;
    assert!(whole == device().0);
    assert!(sent > 8 * MIB as u64);
}
