//! Clients that break the rules: the server refuses what can be refused, drops the rest, and goes
//! on serving others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::sync::Arc;
use std::time::Duration;

use nbd_support::{MemoryDisk, Running};
use osm_transfer::block::{BlockSource, Buffer};
use osm_transfer::nbd::{Client, ClientOptions, Export, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

const SIZE: usize = 1 << 20;

/// The client's end of a connection.
struct Wire(UnixStream);

impl Wire {
    async fn connect(server: &Running) -> Self {
        Self(UnixStream::connect(&server.socket).await.unwrap())
    }

    async fn send(&mut self, parts: &[&[u8]]) {
        self.0.write_all(&parts.concat()).await.unwrap();
    }

    async fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let taken = timeout(Duration::from_secs(10), self.0.read_exact(&mut bytes)).await;
        taken.expect("the server hangs").unwrap();
        bytes
    }

    /// The server hangs up without another byte.
    async fn ends(&mut self) {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(10), self.0.read_to_end(&mut rest)).await;
        // A reset is as good as an end: our bytes were left unread.
        if ended.expect("the server does not hang up").is_ok() {
            assert_eq!(rest, []);
        }
    }

    async fn greet(server: &Running) -> Self {
        let mut wire = Self::connect(server).await;
        assert_eq!(wire.take(18).await, b"NBDMAGICIHAVEOPT\0\x03");
        wire.send(&[&3u32.to_be_bytes()]).await;
        wire
    }

    async fn option(&mut self, option: u32, data: &[u8]) {
        self.send(&[b"IHAVEOPT", &option.to_be_bytes(), &(data.len() as u32).to_be_bytes(), data]).await;
    }

    /// The type and the data of the next reply to an option.
    async fn reply(&mut self, option: u32) -> (u32, Vec<u8>) {
        let header = self.take(20).await;
        assert_eq!(header[..8], 0x3e889045565a9u64.to_be_bytes());
        assert_eq!(header[8..12], option.to_be_bytes());
        let kind = u32::from_be_bytes(header[12..16].try_into().unwrap());
        let len = u32::from_be_bytes(header[16..].try_into().unwrap());
        (kind, self.take(len as usize).await)
    }

    /// Into the first export, with simple replies.
    async fn enter(server: &Running) -> Self {
        let mut wire = Self::greet(server).await;
        wire.option(1, b"").await;
        assert_eq!(wire.take(10).await[..8], (SIZE as u64).to_be_bytes());
        wire
    }

    async fn request(&mut self, flags: u16, command: u16, offset: u64, len: u32) {
        let (flags, command) = (flags.to_be_bytes(), command.to_be_bytes());
        let cookie = 0x1234_5678_9abc_def0u64.to_be_bytes();
        let (offset, len) = (offset.to_be_bytes(), len.to_be_bytes());
        self.send(&[&0x25609513u32.to_be_bytes(), &flags, &command, &cookie, &offset, &len]).await;
    }

    /// The error number of a simple reply.
    async fn errno(&mut self) -> u32 {
        let reply = self.take(16).await;
        assert_eq!(reply[..4], 0x67446698u32.to_be_bytes());
        assert_eq!(reply[8..], 0x1234_5678_9abc_def0u64.to_be_bytes());
        u32::from_be_bytes(reply[4..8].try_into().unwrap())
    }
}

const EPERM: u32 = 1;
const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;
const EOVERFLOW: u32 = 75;
const UNSUP: u32 = 0x8000_0001;
const INVALID: u32 = 0x8000_0003;
const UNKNOWN: u32 = 0x8000_0006;
const TOO_BIG: u32 = 0x8000_0009;

fn server(read_only: bool) -> Running {
    let disk = Arc::new(MemoryDisk::patterned(SIZE));
    let export = match read_only {
        true => Export::read_only("disk", disk),
        false => Export::writable("disk", disk.clone(), disk),
    };
    let options = ServerOptions { timeout: Duration::from_millis(300), ..ServerOptions::default() };
    Running::start(vec![export], options)
}

/// The server still serves.
async fn serves(server: Running) {
    let client = Client::connect(&server.uri, &ClientOptions::default()).await.unwrap();
    client.read(0, Buffer::zeroed(512)).await.unwrap();
    client.close().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn options_are_refused_one_by_one() {
    let server = server(false);
    let mut wire = Wire::greet(&server).await;
    for (option, data, expected) in [
        (77, &b""[..], UNSUP),
        (5, b"", UNSUP),
        (3, b"x", INVALID),
        (8, b"x", INVALID),
        (7, b"\0\0\0\xffdisk", INVALID),
        (7, b"\0\0\0\x04nope\0\0", UNKNOWN),
        (6, b"\0\0\0\x04nope\0\0", UNKNOWN),
        (10, b"\0\0\0\x04disk\0\0\0\0", INVALID),
        (7, &vec![0; 100_000], TOO_BIG),
    ] {
        wire.option(option, data).await;
        assert_eq!(wire.reply(option).await.0, expected, "option {option}");
    }
    wire.option(2, b"").await;
    assert_eq!(wire.reply(2).await, (1, vec![]));
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn block_status_is_negotiated_in_order_and_per_export() {
    let server = server(false);
    let mut wire = Wire::greet(&server).await;
    wire.option(8, b"").await;
    assert_eq!(wire.reply(8).await.0, 1);
    wire.option(9, b"\0\0\0\x04disk\0\0\0\0").await;
    assert_eq!(wire.reply(9).await.1[4..], *b"base:allocation");
    assert_eq!(wire.reply(9).await.0, 1);
    // A wildcard lists and does not select.
    for (query, contexts) in [(&b"base:"[..], 0), (b"qemu:dirty-bitmap:x", 0), (b"base:allocation", 1)] {
        let len = (query.len() as u32).to_be_bytes();
        wire.option(10, &[b"\0\0\0\x04disk\0\0\0\x01", &len[..], query].concat()).await;
        for _ in 0..contexts {
            assert_eq!(wire.reply(10).await.0, 4);
        }
        assert_eq!(wire.reply(10).await.0, 1);
    }
    serves(server).await;
}

#[tokio::test]
async fn an_absurd_option_ends_the_connection() {
    let server = server(false);
    let mut wire = Wire::greet(&server).await;
    wire.send(&[b"IHAVEOPT", &7u32.to_be_bytes(), &u32::MAX.to_be_bytes()]).await;
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn strangers_are_dropped() {
    let server = server(false);
    let mut wire = Wire::connect(&server).await;
    wire.take(18).await;
    wire.send(&[b"GET / HTTP/1.1\r\n\r\n"]).await;
    wire.ends().await;
    let mut wire = Wire::enter(&server).await;
    wire.send(&[&[0xff; 28]]).await;
    wire.ends().await;
    let mut wire = Wire::greet(&server).await;
    wire.option(1, b"no such export").await;
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn a_handshake_that_stalls_is_dropped() {
    let server = server(false);
    let mut wire = Wire::greet(&server).await;
    wire.send(&[b"IHAVE"]).await;
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn a_payload_that_stalls_is_dropped() {
    let server = server(false);
    let mut wire = Wire::enter(&server).await;
    wire.request(0, 1, 0, 4096).await;
    wire.send(&[&[0; 100]]).await;
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn a_client_that_reads_no_replies_is_dropped() {
    let server = server(false);
    let mut wire = Wire::enter(&server).await;
    for _ in 0..8 {
        wire.request(0, 0, 0, SIZE as u32).await;
    }
    // The drain of the server is not held up by it.
    serves(server).await;
}

#[tokio::test]
async fn requests_are_checked() {
    let size = SIZE as u64;
    let server = server(false);
    let mut wire = Wire::enter(&server).await;
    for (flags, command, offset, len, expected) in [
        (0, 0, size, 1, EINVAL),
        (0, 0, u64::MAX, 2, EINVAL),
        (0, 0, 0, u32::MAX, EINVAL),
        (0, 6, size - 1, 2, ENOSPC),
        (0, 4, size - 1, 2, EINVAL),
        (0, 7, 0, 512, EINVAL),
        (0, 5, 0, 512, EINVAL),
        (0, 99, 0, 0, EINVAL),
        (0x8000, 0, 0, 512, EINVAL),
        (2, 4, 0, 512, EINVAL),
        (1, 3, 0, 0, 0),
        (1, 6, 0, 512, 0),
        (0x12, 6, 0, 512, 0),
    ] {
        wire.request(flags, command, offset, len).await;
        assert_eq!(wire.errno().await, expected, "command {command}, {offset}+{len}, flags {flags}");
    }
    // The payload of a refused write is taken nevertheless.
    for (flags, offset, expected) in [(0, size - 1, ENOSPC), (4, 0, EINVAL), (1, 0, 0)] {
        wire.request(flags, 1, offset, 512).await;
        wire.send(&[&[0; 512]]).await;
        assert_eq!(wire.errno().await, expected, "write at {offset}");
    }
    wire.request(0, 2, 0, 0).await;
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn an_oversize_payload_ends_the_connection() {
    let server = server(false);
    let mut wire = Wire::enter(&server).await;
    wire.request(0, 1, 0, (32 << 20) + 1).await;
    wire.ends().await;
    serves(server).await;
}

#[tokio::test]
async fn an_oversize_read_is_refused() {
    let disk = Arc::new(MemoryDisk::new(64 << 20));
    let server = Running::start(vec![Export::read_only("disk", disk)], ServerOptions::default());
    let mut wire = Wire::greet(&server).await;
    wire.option(1, b"disk").await;
    wire.take(10).await;
    wire.request(0, 0, 0, (32 << 20) + 1).await;
    assert_eq!(wire.errno().await, EOVERFLOW);
    serves(server).await;
}

#[tokio::test]
async fn a_read_only_export_says_so_to_those_who_do_not_look() {
    let server = server(true);
    let mut wire = Wire::enter(&server).await;
    for command in [4, 6] {
        wire.request(0, command, 0, 512).await;
        assert_eq!(wire.errno().await, EPERM);
    }
    wire.request(0, 1, 0, 512).await;
    wire.send(&[&[0; 512]]).await;
    assert_eq!(wire.errno().await, EPERM);
    serves(server).await;
}
