//! Servers that lie, stall and die: each gives one clear error of the right kind, no hang, no panic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod nbd_support;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use nbd_support::chain;
use nbd_support::wire::Wire;
use osm_transfer::block::{BlockSink, BlockSource, Buffer, ByteRange};
use osm_transfer::nbd::{Client, ClientOptions, PeerMisbehaved};
use osm_transfer::{Error, ErrorKind};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::timeout;

fn options() -> ClientOptions {
    ClientOptions { timeout: Duration::from_millis(300), ..ClientOptions::default() }
}

/// Runs the server's script against what the client does; neither may take long.
async fn play<T, S>(server: impl FnOnce(Wire) -> S, client: impl AsyncFnOnce(Result<Client, Error>) -> T) -> T
where
    S: Future<Output = ()> + Send + 'static,
{
    let (ours, theirs) = UnixStream::pair().unwrap();
    let script = tokio::spawn(server(Wire(theirs)));
    let (reader, writer) = ours.into_split();
    let playing = async {
        let connected = Client::over(reader, writer, "disk", &options()).await;
        client(connected).await
    };
    let result = timeout(Duration::from_secs(10), playing).await.expect("the client hangs");
    timeout(Duration::from_secs(10), script).await.expect("the script hangs").unwrap();
    result
}

/// The error of connecting to a server.
async fn refused<S: Future<Output = ()> + Send + 'static>(server: impl FnOnce(Wire) -> S) -> Error {
    play(server, async |connected| connected.expect_err("the client took it")).await
}

/// The error of reading 4096 bytes at 8192 from a server.
async fn misread<S: Future<Output = ()> + Send + 'static>(server: impl FnOnce(Wire) -> S) -> Error {
    play(server, async |connected| {
        let client = connected.unwrap();
        let error = client.read(8192, Buffer::zeroed(4096)).await.unwrap_err();
        assert_eq!(error.context().operation, Some("read"));
        assert_eq!((error.context().offset, error.context().len), (Some(8192), Some(4096)));
        error
    })
    .await
}

fn expect(error: &Error, kind: ErrorKind, says: &str) {
    let text = chain(error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(says), "`{says}` is not in: {text}");
}

/// A read whose reply is one chunk, with `len` claimed.
async fn misread_chunk(kind: u16, len: u32, payload: Vec<u8>) -> Error {
    misread(async move |mut wire: Wire| {
        wire.enter(true).await;
        let request = wire.request().await;
        wire.chunk_claiming(true, kind, request.cookie, len, &payload).await;
        wire.linger().await;
    })
    .await
}

fn data_at(offset: u64, len: usize) -> Vec<u8> {
    [&offset.to_be_bytes()[..], &vec![9; len]].concat()
}

#[tokio::test]
async fn a_size_beyond_all_disks_is_a_lie() {
    let error = refused(async |mut wire: Wire| wire.enter_sized(false, u64::MAX).await).await;
    expect(&error, ErrorKind::Protocol, "impossible export size");
}

#[tokio::test]
async fn a_truncated_handshake_is_an_io_error() {
    let error = refused(async |mut wire: Wire| wire.send(&[b"NBDMAGICIHAV"]).await).await;
    expect(&error, ErrorKind::Io, "in the middle of the handshake");
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        wire.option().await;
        wire.send(&[&0x3e889045565a9u64.to_be_bytes()[..5]]).await;
    })
    .await;
    expect(&error, ErrorKind::Io, "in the middle of the handshake");
}

#[tokio::test]
async fn something_else_on_the_port_is_no_nbd_server() {
    let error = refused(async |mut wire: Wire| wire.send(&[b"SSH-2.0-OpenSSH_9.6\r\n"]).await).await;
    expect(&error, ErrorKind::Protocol, "greeting: magic");
    let oldstyle = [&b"NBDMAGIC"[..], &0x420281861253u64.to_be_bytes(), &[0; 136]].concat();
    let error = refused(async move |mut wire: Wire| wire.send(&[&oldstyle]).await).await;
    expect(&error, ErrorKind::PeerUnsupported, "oldstyle");
}

#[tokio::test]
async fn a_huge_option_reply_is_not_read() {
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        let (option, _) = wire.option().await;
        let header = [0x3e889045565a9u64.to_be_bytes().to_vec(), option.to_be_bytes().to_vec()].concat();
        wire.send(&[&header, &1u32.to_be_bytes(), &u32::MAX.to_be_bytes()]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "4294967295 bytes of data with option 0x8");
}

#[tokio::test]
async fn a_reply_to_another_option_is_refused() {
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        wire.option().await;
        wire.reply(3, 1, &[]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "a reply to option 0x3 while option 0x8");
}

#[tokio::test]
async fn endless_information_ends() {
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        wire.option().await;
        wire.reply(8, 0x8000_0001, &[]).await;
        wire.option().await;
        for _ in 0..100 {
            wire.reply(7, 3, &[0, 99]).await;
        }
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "more than 64 information replies");
}

#[tokio::test]
async fn an_export_without_a_size_is_refused() {
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        wire.option().await;
        wire.reply(8, 0x8000_0001, &[]).await;
        wire.option().await;
        wire.reply(7, 1, &[]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "without NBD_INFO_EXPORT");
}

#[tokio::test]
async fn a_server_that_insists_on_tls_is_named_so() {
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        wire.option().await;
        wire.reply(8, 0x8000_0005, b"no secrets in the clear").await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::PeerUnsupported, "insists on TLS");
}

#[tokio::test]
async fn a_silent_handshake_times_out() {
    let error = refused(async |mut wire: Wire| {
        wire.greet().await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Io, "did not answer within 0.3 s");
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let error = misread(async |mut wire: Wire| {
        wire.enter(false).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Io, "stood still for 0.3 s");
}

#[tokio::test]
async fn a_server_that_stops_within_a_payload_times_out() {
    let error = misread(async |mut wire: Wire| {
        wire.enter(false).await;
        let request = wire.request().await;
        wire.simple(0, request.cookie, &[1; 100]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Io, "stood still for 0.3 s");
}

#[tokio::test]
async fn a_server_that_takes_no_payload_times_out() {
    let given_up = Arc::new(Notify::new());
    let until = Arc::clone(&given_up);
    let error = play(
        async move |mut wire: Wire| {
            wire.enter(false).await;
            until.notified().await;
        },
        async |connected| {
            let error = connected.unwrap().write(0, Buffer::zeroed(1 << 20)).await.unwrap_err();
            given_up.notify_one();
            error
        },
    )
    .await;
    expect(&error, ErrorKind::Io, "stood still for 0.3 s");
}

#[tokio::test]
async fn a_request_that_is_left_out_times_out_while_others_are_answered() {
    let error = play(
        async |mut wire: Wire| {
            wire.enter(false).await;
            let first = wire.request().await;
            assert_eq!(first.offset, 0);
            loop {
                let mut bytes = [0; 28];
                if wire.0.read_exact(&mut bytes).await.is_err() {
                    return;
                }
                let cookie = u64::from_be_bytes(bytes[8..16].try_into().unwrap());
                wire.simple(0, cookie, &[0; 512]).await;
            }
        },
        async |connected| {
            let client = connected.unwrap();
            let others = async {
                loop {
                    let _ = client.read(512, Buffer::zeroed(512)).await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::select! {
                biased;
                result = client.read(0, Buffer::zeroed(512)) => result.unwrap_err(),
                () = others => unreachable!(),
            }
        },
    )
    .await;
    expect(&error, ErrorKind::Io, "left a request unanswered");
}

#[tokio::test]
async fn a_server_that_dies_fails_every_request_under_way() {
    play(
        async |mut wire: Wire| {
            wire.enter(false).await;
            for _ in 0..3 {
                wire.request().await;
            }
        },
        async |connected| {
            let client = connected.unwrap();
            let reads = tokio::join!(
                client.read(0, Buffer::zeroed(1)),
                client.read(1, Buffer::zeroed(1)),
                client.extents(ByteRange::new(0, 1)),
                client.read(2, Buffer::zeroed(1)),
            );
            for error in [reads.0.unwrap_err(), reads.1.unwrap_err(), reads.3.unwrap_err()] {
                expect(&error, ErrorKind::Io, "closed the connection");
            }
            // Without a metadata context nothing is asked.
            assert_eq!(reads.2.unwrap().len(), 1);
            expect(&client.flush().await.unwrap_err(), ErrorKind::Io, "closed the connection");
            expect(&client.close().await.unwrap_err(), ErrorKind::Io, "closed the connection");
        },
    )
    .await;
}

#[tokio::test]
async fn a_server_that_dies_within_a_reply_is_an_io_error() {
    for cut in [1, 10, 15] {
        let error = misread(async move |mut wire: Wire| {
            wire.enter(false).await;
            wire.request().await;
            wire.send(&[&[0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..cut]]).await;
        })
        .await;
        expect(&error, ErrorKind::Io, "in the middle of a reply");
    }
    let error = misread(async |mut wire: Wire| {
        wire.enter(true).await;
        let request = wire.request().await;
        wire.chunk_claiming(true, 1, request.cookie, 4104, &data_at(8192, 1000)).await;
    })
    .await;
    expect(&error, ErrorKind::Io, "in the middle of a reply");
}

#[tokio::test]
async fn a_wrong_cookie_is_refused() {
    let error = misread(async |mut wire: Wire| {
        wire.enter(false).await;
        wire.request().await;
        wire.simple(0, 0xdead_beef, &[0; 4096]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "unknown cookie 0xdeadbeef");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("cookie"));
}

#[tokio::test]
async fn a_request_is_not_answered_twice() {
    play(
        async |mut wire: Wire| {
            wire.enter(false).await;
            let request = wire.request().await;
            wire.simple(0, request.cookie, &[3; 16]).await;
            wire.simple(0, request.cookie, &[4; 16]).await;
            wire.linger().await;
        },
        async |connected| {
            let client = connected.unwrap();
            assert_eq!(client.read(0, Buffer::zeroed(16)).await.unwrap()[..], [3; 16]);
            expect(
                &client.read(0, Buffer::zeroed(16)).await.unwrap_err(),
                ErrorKind::Protocol,
                "unknown cookie",
            );
        },
    )
    .await;
}

#[tokio::test]
async fn garbage_instead_of_a_reply_is_refused() {
    let error = misread(async |mut wire: Wire| {
        wire.enter(false).await;
        wire.request().await;
        wire.send(&[&[0xff; 64]]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "reply: magic 0xffffffff");
}

#[tokio::test]
async fn a_chunk_outside_its_request_is_refused() {
    for (offset, len) in [(8191, 10), (8192 + 4090, 7), (0, 4096), (u64::MAX - 5, 10), (8192, 4097)] {
        let error = misread_chunk(1, 8 + len as u32, data_at(offset, len)).await;
        expect(&error, ErrorKind::Protocol, "outside of its request");
    }
    let hole = [&8192u64.to_be_bytes()[..], &4097u32.to_be_bytes()].concat();
    expect(&misread_chunk(2, 12, hole).await, ErrorKind::Protocol, "outside of its request");
}

#[tokio::test]
async fn an_oversize_chunk_is_not_read() {
    let error = misread_chunk(1, u32::MAX, data_at(8192, 0)).await;
    expect(&error, ErrorKind::Protocol, "outside of its request");
    // Error and hole chunks have lengths of their own.
    let error = misread_chunk(0x8001, 1 << 30, vec![0; 6]).await;
    expect(&error, ErrorKind::Protocol, "a chunk of type 0x8001 and 1073741824 bytes");
    expect(&misread_chunk(2, 13, vec![0; 13]).await, ErrorKind::Protocol, "a chunk of type 0x2 and 13 bytes");
    expect(&misread_chunk(0, 1, vec![0]).await, ErrorKind::Protocol, "a chunk of type 0x0 and 1 bytes");
}

#[tokio::test]
async fn a_chunk_of_another_command_is_refused() {
    expect(&misread_chunk(5, 12, vec![0; 12]).await, ErrorKind::Protocol, "type 0x5 in reply to command 0x0");
    expect(&misread_chunk(77, 0, vec![]).await, ErrorKind::Protocol, "type 0x4d in reply to command 0x0");
}

#[tokio::test]
async fn a_read_with_a_gap_is_no_read() {
    expect(&misread_chunk(1, 8 + 4000, data_at(8192, 4000)).await, ErrorKind::Protocol, "4000 of 4096 bytes");
    expect(&misread_chunk(0, 0, vec![]).await, ErrorKind::Protocol, "0 of 4096 bytes");
}

#[tokio::test]
async fn the_same_bytes_twice_are_refused() {
    let error = misread(async |mut wire: Wire| {
        wire.enter(true).await;
        let request = wire.request().await;
        wire.chunk(false, 1, request.cookie, &data_at(8192, 2048)).await;
        wire.chunk(true, 1, request.cookie, &data_at(8192 + 2047, 2048)).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "overlap");
    let source = std::error::Error::source(&error).expect("a source");
    assert!(source.to_string() == PeerMisbehaved::OverlappingChunks.to_string());
}

#[tokio::test]
async fn reply_styles_are_as_negotiated() {
    let error = misread(async |mut wire: Wire| {
        wire.enter(true).await;
        let request = wire.request().await;
        wire.simple(0, request.cookie, &[0; 4096]).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "a simple reply where a structured one is due");
    let error = misread(async |mut wire: Wire| {
        wire.enter(false).await;
        let request = wire.request().await;
        wire.chunk(true, 1, request.cookie, &data_at(8192, 4096)).await;
        wire.linger().await;
    })
    .await;
    expect(&error, ErrorKind::Protocol, "not negotiated");
}

#[tokio::test]
async fn chunks_come_in_any_order_and_errors_end_only_their_request() {
    play(
        async |mut wire: Wire| {
            wire.enter(true).await;
            let (first, second) = (wire.request().await, wire.request().await);
            assert_eq!((first.command, first.len), (0, 1024));
            wire.chunk(false, 1, first.cookie, &data_at(first.offset + 512, 512)).await;
            let message = b"bad sector";
            let error =
                [&5u32.to_be_bytes()[..], &10u16.to_be_bytes(), message, &2048u64.to_be_bytes()].concat();
            wire.chunk(false, 0x8002, second.cookie, &error).await;
            let hole = [&first.offset.to_be_bytes()[..], &512u32.to_be_bytes()].concat();
            wire.chunk(false, 2, first.cookie, &hole).await;
            wire.chunk(true, 0, second.cookie, &[]).await;
            wire.chunk(true, 0, first.cookie, &[]).await;
            wire.linger().await;
        },
        async |connected| {
            let client = connected.unwrap();
            let (first, second) = tokio::join!(
                client.read(0, Buffer::from(vec![1; 1024])),
                client.read(2048, Buffer::zeroed(1024)),
            );
            let first = first.unwrap();
            assert!(first[..512] == [0; 512] && first[512..] == [9; 512]);
            let second = second.unwrap_err();
            expect(&second, ErrorKind::Io, "NBD_EIO: bad sector");
            assert_eq!(second.context().offset, Some(2048));
        },
    )
    .await;
}

/// The error of asking for the block status of 4096 bytes at 8192.
async fn misstatus(context: u32, runs: &'static [(u32, u32)]) -> Error {
    play(
        async move |mut wire: Wire| {
            wire.enter(true).await;
            let request = wire.request().await;
            assert_eq!((request.command, request.offset, request.len), (7, 8192, 4096));
            let mut payload = context.to_be_bytes().to_vec();
            for (len, flags) in runs {
                payload.extend(len.to_be_bytes());
                payload.extend(flags.to_be_bytes());
            }
            wire.chunk(true, 5, request.cookie, &payload).await;
            wire.linger().await;
        },
        async |connected| connected.unwrap().extents(ByteRange::new(8192, 4096)).await.unwrap_err(),
    )
    .await
}

#[tokio::test]
async fn impossible_block_status_is_refused() {
    expect(&misstatus(8, &[(4096, 0)]).await, ErrorKind::Protocol, "unknown metadata context 8");
    expect(&misstatus(7, &[]).await, ErrorKind::Protocol, "a chunk of type 0x5 and 4 bytes");
    expect(&misstatus(7, &[(0, 0)]).await, ErrorKind::Protocol, "a block status descriptor of no bytes");
    expect(&misstatus(7, &[(9999, 0), (1, 0)]).await, ErrorKind::Protocol, "beyond the request");
}
