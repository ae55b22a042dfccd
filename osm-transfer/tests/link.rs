//! A link lets in who was pinned, in the dialler's order, and nobody else.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use osm_transfer::block::BlockSource;
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::link::{Listener, OneOff, Stream, dial};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const WAIT: Duration = Duration::from_secs(5);

fn loopback() -> Vec<String> {
    vec!["127.0.0.1".to_owned()]
}

/// Both ends of a link of `count` connections.
async fn link(count: u8) -> (Vec<Stream>, Vec<Stream>) {
    let (server, client) = (OneOff::generate().unwrap(), OneOff::generate().unwrap());
    let listener = Listener::bind(0..=0, &server, client.fingerprint()).await.unwrap();
    let port = listener.port();
    let addresses = loopback();
    let dialling = dial(&addresses, port, count, &client, server.fingerprint(), WAIT);
    let (accepted, dialled) = tokio::join!(listener.accept(count.into()), dialling);
    (accepted.unwrap(), dialled.unwrap().0)
}

#[tokio::test]
async fn connections_come_in_the_order_of_the_dialler() {
    let (accepted, dialled) = link(5).await;
    for (index, (mut near, mut far)) in (0u8..).zip(dialled.into_iter().zip(accepted)) {
        near.write_u8(index).await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), index);
    }
}

#[tokio::test]
async fn another_certificate_is_refused_on_either_end() {
    let [server, client, stranger] = [(); 3].map(|()| OneOff::generate().unwrap());
    let listener = Listener::bind(0..=0, &server, client.fingerprint()).await.unwrap();
    let port = listener.port();
    let accepting = tokio::spawn(listener.accept(1));
    // It takes the server for another one.
    let error =
        dial(&loopback(), port, 1, &client, stranger.fingerprint(), WAIT).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1") && error.contains("certificate"), "{error}");
    // It is not the client that is waited for: TLS 1.3 tells it after its own part of the handshake.
    if let Ok((mut streams, _)) = dial(&loopback(), port, 1, &stranger, server.fingerprint(), WAIT).await {
        assert!(streams[0].read_u8().await.is_err(), "a stranger was let in");
    }
    // Who speaks no TLS, or nothing, stands in nobody's way.
    let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap()
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    assert!(!accepting.is_finished());
    dial(&loopback(), port, 1, &client, server.fingerprint(), WAIT).await.unwrap();
    assert_eq!(accepting.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn where_nobody_listens_each_address_is_named() {
    let own = OneOff::generate().unwrap();
    let listener = Listener::bind(0..=0, &own, own.fingerprint()).await.unwrap();
    let port = listener.port();
    drop(listener);
    let addresses = ["127.0.0.1".to_owned(), "::1".to_owned()];
    let error = dial(&addresses, port, 1, &own, own.fingerprint(), WAIT).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1: ") && error.contains("::1: "), "{error}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_left_to_its_owner() {
    let own = OneOff::generate().unwrap();
    let first = Listener::bind(0..=0, &own, own.fingerprint()).await.unwrap();
    let taken = first.port();
    let error = Listener::bind(taken..=taken, &own, own.fingerprint()).await.unwrap_err();
    assert!(error.to_string().contains("no port"), "{error}");
}

#[tokio::test]
async fn a_disk_is_read_over_all_connections() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk");
    let bytes: Vec<u8> = (0..4u32 << 20).map(|at| (at / 4096 + at % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let source = Endpoint::File(path).open_source(&OpenOptions::default()).await.unwrap();
    let server = Server::new(vec![Export::read_only("", source)], ServerOptions::default());
    let (accepted, dialled) = link(3).await;
    let serving: Vec<_> = accepted
        .into_iter()
        .map(|stream| {
            let server = server.clone();
            tokio::spawn(async move {
                let (reader, writer) = tokio::io::split(stream);
                server.serve_stream(reader, writer).await
            })
        })
        .collect();
    let streams = dialled
        .into_iter()
        .map(|stream| {
            let (reader, writer) = tokio::io::split(stream);
            (Box::new(reader) as _, Box::new(writer) as _)
        })
        .collect();
    let client = Arc::new(Client::over_all(streams, "", &ClientOptions::default()).await.unwrap());
    assert_eq!((client.connections(), client.size()), (3, bytes.len() as u64));
    let hash = |source: Arc<dyn BlockSource>| async move {
        let options = osm_transfer::hash::HashOptions::default();
        osm_transfer::hash::hash_disk(&source, &options, Arc::new(())).await.unwrap().root
    };
    let local = Endpoint::File(dir.path().join("disk")).open_source(&OpenOptions::default()).await.unwrap();
    assert_eq!(hash(client.clone()).await, hash(local).await);
    client.close().await.unwrap();
    for served in serving {
        served.await.unwrap().unwrap();
    }
}
