//! What is repeated, how often, and what is not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use osm_openstack::{ErrorKind, Method, Retry, RetryPolicy, ServiceKind, Session};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{config, header, keystone, network, requests, v3};

async fn failing(server: &MockServer, times: u64, answer: ResponseTemplate) {
    Mock::given(path("/v2.0/things")).respond_with(answer).up_to_n_times(times).mount(server).await;
    Mock::given(path("/v2.0/things"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"thing": {"id": 1}})))
        .mount(server)
        .await;
}

#[tokio::test]
async fn harmless_requests_outlast_passing_failures() {
    for status in [429, 500, 502, 503, 504] {
        let server = MockServer::start().await;
        let network = network(&server).await;
        failing(&server, 2, ResponseTemplate::new(status)).await;
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            network.request("do", method, "things").json(&json!({"a": 1})).send().await.unwrap();
        }
        let seen = requests(&server, "/v2.0/things").await;
        assert_eq!(seen.len(), 5, "{status}");
        // The body is sent again, under an id of its own.
        assert_eq!(seen[0].body, seen[2].body);
        assert_ne!(header(&seen[0], "x-openstack-request-id"), header(&seen[1], "x-openstack-request-id"));
    }
}

#[tokio::test]
async fn other_requests_are_repeated_only_when_they_were_turned_away() {
    for (status, sent) in [(429, 2), (503, 2), (500, 1), (502, 1), (504, 1), (400, 1), (409, 1)] {
        let server = MockServer::start().await;
        let network = network(&server).await;
        failing(&server, 1, ResponseTemplate::new(status)).await;
        let answer = network.request("do", Method::POST, "things").json(&json!({})).send().await;
        assert_eq!(answer.is_ok(), sent == 2, "{status}");
        assert_eq!(requests(&server, "/v2.0/things").await.len(), sent, "{status}");
    }
    // Unless the caller knows that it is harmless.
    let server = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 1, ResponseTemplate::new(502)).await;
    network.request("do", Method::POST, "things").idempotent(true).send().await.unwrap();
}

#[tokio::test]
async fn attempts_are_limited_and_the_error_says_so() {
    let server = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 99, ResponseTemplate::new(503).insert_header("x-compute-request-id", "req-c")).await;
    let error = network.request("get thing", Method::GET, "things").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ServerFault, Retry::Exhausted));
    assert_eq!(error.context().request_id.as_deref(), Some("req-c"));
    assert_eq!((error.context().service, error.context().operation), (Some("network"), Some("get thing")));
    assert_eq!(requests(&server, "/v2.0/things").await.len(), 4);
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let server = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 1, ResponseTemplate::new(429).insert_header("Retry-After", "1")).await;
    let started = Instant::now();
    network.request("do", Method::POST, "things").send().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_retry_after_beyond_the_limit_is_left_to_the_caller() {
    let server = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 1, ResponseTemplate::new(429).insert_header("Retry-After", "3600")).await;
    let error = network.request("do", Method::GET, "things").send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::RateLimited, Retry::After(Duration::from_secs(3600)))
    );
}

/// What a server does to each connection, in turn; then it answers well.
#[derive(Clone, Copy)]
enum Mischief {
    /// Reads the request and hangs up.
    HangUp,
    /// Begins an answer and hangs up.
    HalfAnswer,
    /// Reads the request and says nothing.
    Silence,
}

/// A server on its own address; it says how many requests it got.
async fn mischievous(mischief: Vec<Mischief>) -> (String, tokio::sync::watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2.0", listener.local_addr().unwrap());
    let (count, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        let mut mischief = mischief.into_iter();
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            if socket.read(&mut buffer).await.unwrap_or(0) == 0 {
                continue;
            }
            count.send_modify(|count| *count += 1);
            match mischief.next() {
                Some(Mischief::HangUp) => {}
                Some(Mischief::HalfAnswer) => {
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"thi").await;
                }
                Some(Mischief::Silence) => kept.push(socket),
                None => {
                    let answer =
                        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 12\r\n\r\n{\"thing\": 1}";
                    let _ = socket.write_all(answer).await;
                }
            }
        }
    });
    (url, counted)
}

async fn session_with(server: &MockServer, url: &str, timeout: Duration) -> osm_openstack::Service {
    keystone(server, &[("network", url)]).await;
    let session = Session::connect(config(&v3(server), "").with_timeout(timeout)).await.unwrap();
    session.service(ServiceKind::Network).await.unwrap()
}

#[tokio::test]
async fn a_broken_connection_is_mended_only_when_that_is_harmless() {
    let server = MockServer::start().await;
    let mischief = vec![Mischief::HangUp, Mischief::HalfAnswer, Mischief::Silence];
    let (url, counted) = mischievous(mischief).await;
    let network = session_with(&server, &url, Duration::from_millis(200)).await;
    let thing: u32 = network.request("get thing", Method::GET, "things").keyed("thing").await.unwrap();
    assert_eq!((thing, *counted.borrow()), (1, 4));

    for mischief in [Mischief::HangUp, Mischief::HalfAnswer, Mischief::Silence] {
        let server = MockServer::start().await;
        let (url, counted) = mischievous(vec![mischief]).await;
        let network = session_with(&server, &url, Duration::from_millis(200)).await;
        let error = network
            .request("create thing", Method::POST, "things")
            .json(&json!({}))
            .send()
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Ambiguous, Retry::Never));
        assert!(error.to_string().contains("may have been carried out"), "{error}");
        assert_eq!(*counted.borrow(), 1);
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = MockServer::start().await;
    let (url, _counted) = mischievous(vec![Mischief::Silence; 9]).await;
    keystone(&server, &[("network", &url)]).await;
    let config = config(&v3(&server), "").with_retry(RetryPolicy::never());
    let network = Session::connect(config).await.unwrap().service(ServiceKind::Network).await.unwrap();
    let request = network.request("get thing", Method::GET, "things").timeout(Duration::from_millis(50));
    let error = request.send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Exhausted));
    assert!(error.to_string().starts_with("no answer within 50ms"), "{error}");
}

#[tokio::test]
async fn a_post_that_was_surely_not_sent_is_repeated() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v2.0", listener.local_addr().unwrap());
    drop(listener);
    let server = MockServer::start().await;
    let network = session_with(&server, &url, Duration::from_secs(5)).await;
    let error = network.request("create thing", Method::POST, "things").send().await.unwrap_err();
    // Tried as often as allowed: nothing was done by it.
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ServerFault, Retry::Exhausted));
}

#[tokio::test]
async fn a_stream_is_sent_once_and_as_long_as_it_moves() {
    let server = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 1, ResponseTemplate::new(503)).await;
    let pieces = || {
        // Slower as a whole than the limit, which counts between pieces.
        stream::iter(["ab", "cd", "ef"]).then(|piece| async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(Bytes::from_static(piece.as_bytes()))
        })
    };
    let put = || {
        network.request("upload", Method::PUT, "things").timeout(Duration::from_millis(120)).stream(pieces())
    };
    let error = put().send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ServerFault, Retry::Safe));
    put().send().await.unwrap();
    let seen = requests(&server, "/v2.0/things").await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].body, b"abcdef");
    assert_eq!(header(&seen[1], "content-type"), Some("application/octet-stream"));

    let stuck = network
        .request("upload", Method::PUT, "things")
        .timeout(Duration::from_millis(50))
        .stream(stream::pending::<std::io::Result<Bytes>>());
    assert_eq!(stuck.send().await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_download_comes_in_pieces_and_its_failure_out_of_it() {
    let server = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 1, ResponseTemplate::new(503)).await;
    let download = network.request("download", Method::GET, "things").download().await.unwrap();
    assert_eq!(download.len(), Some(18));
    let pieces: Vec<Bytes> = download.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), br#"{"thing":{"id":1}}"#);

    let (url, _counted) = mischievous(vec![Mischief::HalfAnswer]).await;
    let server = MockServer::start().await;
    let network = session_with(&server, &url, Duration::from_secs(5)).await;
    let download = network.request("download", Method::GET, "things").download().await.unwrap();
    let error = download.try_collect::<Vec<Bytes>>().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ServerFault, Retry::Safe));
}

#[tokio::test]
async fn a_redirect_does_not_take_the_token_elsewhere() {
    let server = MockServer::start().await;
    let elsewhere = MockServer::start().await;
    let network = network(&server).await;
    failing(&server, 1, ResponseTemplate::new(302).insert_header("Location", elsewhere.uri())).await;
    let error = network.request("get thing", Method::GET, "things").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::BadResponse, Retry::Never));
    assert!(error.to_string().contains(&format!("redirects to {}", elsewhere.uri())), "{error}");
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
