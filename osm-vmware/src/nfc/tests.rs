//! What a host may send instead of what it should: every cut, and every bit that is another one.

use std::sync::Arc;
use std::time::Duration;

use osm_transfer::Retry;
use osm_transfer::block::Buffer;
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::sync::Semaphore;

use super::connection::Connection;
use super::table::{Asked, Outcome};
use super::wire;
use crate::{Error, ErrorKind, Result};

/// A read of two sectors at the third: its second half comes first, without its zeroes.
const OFFSET: u64 = 1024;
const LEN: usize = 1024;

/// Head of a message, and of a fragment.
const HEAD: usize = 16 + 44;

fn message(kind: u32, operation: u32, payload: &[u8], extra: &[u8]) -> Vec<u8> {
    let head = [0xa100_da7a, kind, payload.len() as u32, operation].map(u32::to_le_bytes).concat();
    [&head, payload, extra].concat()
}

fn fragment(operation: u32, sent: u32, at: u32, len: u32, bytes: &[u8]) -> Vec<u8> {
    let mut payload = 0_u64.to_le_bytes().to_vec();
    payload.extend([1, sent].map(u32::to_le_bytes).concat());
    payload.extend(OFFSET.to_le_bytes());
    payload.extend([LEN as u32, at, len, bytes.len() as u32, 0].map(u32::to_le_bytes).concat());
    message(wire::IO, operation, &payload, bytes)
}

fn refusal(operation: u32, text: &str) -> Vec<u8> {
    let mut payload = 0x0d_u64.to_le_bytes().to_vec();
    payload.extend([0, text.len() as u32].map(u32::to_le_bytes).concat());
    message(wire::ERROR, operation, &payload, text.as_bytes())
}

/// What the host sends, and the bytes that it means.
fn good() -> (Vec<u8>, Vec<u8>) {
    let plain = [7_u8; LEN / 2];
    // 512 bytes, of which the first four are not zero.
    let packed = [&[512_u32, 0, 0, 4].map(u32::to_le_bytes).concat()[..], b"abcd"].concat();
    let sent = [fragment(0, 3, 512, 512, &packed), fragment(0, 0, 0, 512, &plain)].concat();
    let mut meant = vec![0; LEN];
    meant[..512].copy_from_slice(&plain);
    meant[512..516].copy_from_slice(b"abcd");
    (sent, meant)
}

/// What becomes of the reads when the host sends this and closes.
async fn reads(sent: &[u8], count: usize) -> Vec<Result<Vec<u8>>> {
    let (ours, mut theirs) = duplex(1 << 16);
    theirs.write_all(sent).await.unwrap();
    drop(theirs);
    let connection = Connection::start(ours, Duration::from_secs(20));
    let room = Arc::new(Semaphore::new(count));
    let mut waiting = Vec::new();
    for _ in 0..count {
        let permit = Arc::clone(&room).try_acquire_owned().unwrap();
        let asked = Asked::Read { offset: OFFSET, buffer: Buffer::zeroed(LEN), _permit: permit };
        waiting.push(connection.begin(asked, |_| Vec::new()).unwrap());
    }
    let mut results = Vec::new();
    for result in waiting {
        let result = result.await.unwrap().map(|outcome| match outcome {
            Outcome::Buffer(buffer) => buffer.to_vec(),
            other => panic!("{other:?}"),
        });
        // So it would end if its task panicked; nobody has closed it.
        let is_closed = matches!(&result, Err(error) if error.to_string() == "the connection was closed");
        assert!(!is_closed);
        results.push(result);
    }
    results
}

async fn read(sent: &[u8]) -> Result<Vec<u8>> {
    reads(sent, 1).await.remove(0)
}

async fn error(sent: &[u8]) -> Error {
    read(sent).await.unwrap_err()
}

#[tokio::test]
async fn fragments_in_any_order_make_up_a_read() {
    let (sent, meant) = good();
    assert_eq!(read(&sent).await.unwrap(), meant);
}

#[tokio::test]
async fn a_message_that_breaks_off_is_a_lost_connection() {
    let (sent, _) = good();
    for len in 0..sent.len() {
        let error = error(&sent[..len]).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unreachable, Retry::Safe), "{len}");
    }
}

#[tokio::test]
async fn a_wrong_bit_is_an_error_or_says_nothing() {
    let (sent, meant) = good();
    let second = sent.len() - HEAD - 512;
    let heads = (0..HEAD + 8).chain(second..second + HEAD);
    // NFC has no checksum: where a run lies within its fragment, and bytes themselves, only TLS protects.
    for at in heads {
        for bit in 0..8 {
            let mut wrong = sent.clone();
            wrong[at] ^= 1 << bit;
            if let Ok(bytes) = read(&wrong).await {
                assert!(bytes == meant, "bit {bit} of byte {at}");
            }
        }
    }
    for at in HEAD + 8..HEAD + 16 {
        for bit in 0..8 {
            let mut wrong = sent.clone();
            wrong[at] ^= 1 << bit;
            drop(read(&wrong).await);
        }
    }
}

#[tokio::test]
async fn nothing_that_a_host_sends_makes_us_panic() {
    let (sent, _) = good();
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut dice = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % most
    };
    for round in 0..3000 {
        let mut wrong = sent.clone();
        for _ in 0..1 + round % 5 {
            // Mostly in the first head, where lengths are.
            let at = if dice(3) == 0 { dice(wrong.len()) } else { dice(HEAD + 16) };
            wrong[at] = [0, 1, 3, 0x7f, 0xff][dice(5)];
        }
        wrong.truncate(wrong.len() - dice(wrong.len() / 2) * (round % 2));
        drop(reads(&wrong, 2).await);
    }
}

#[tokio::test]
async fn a_read_is_covered_exactly_once() {
    let half = |at| fragment(0, 0, at, 512, &[1; 512]);
    let wrong = [
        ("twice", [half(0), half(0)].concat()),
        ("over each other", [half(0), fragment(0, 0, 256, 512, &[1; 512])].concat()),
        ("beyond the end", half(513)),
        ("far beyond the end", half(u32::MAX)),
        ("nothing", fragment(0, 0, 0, 0, &[])),
        ("fewer bytes than it says", fragment(0, 0, 0, 512, &[1; 511])),
        ("compressed", fragment(0, 1, 0, 512, &[1; 512])),
        ("of another request", fragment(1, 0, 0, 512, &[1; 512])),
        ("of another type", message(wire::OPEN_FILE, 0, &[0; 60], &[])),
        ("too long a payload", message(wire::IO, 0, &[0; 45], &[])),
        ("endless", message(wire::IO, 0, &[0xff; 44], &[])),
        ("an error without end", message(wire::ERROR, 0, &[0xff; 16], &[])),
        ("an error too short", message(wire::ERROR, 0, &[0; 15], &[])),
    ];
    for (what, sent) in wrong {
        let error = error(&sent).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::BadResponse, Retry::Never), "{what}: {error}");
    }
}

#[tokio::test]
async fn an_error_ends_its_request_and_what_follows_it_is_passed_over() {
    let (sent, meant) = good();
    // The usual reply follows; then the second read is answered.
    let mut second = sent.clone();
    second[12] = 1;
    second[sent.len() - HEAD - 512 + 12] = 1;
    let sent = [refusal(0, "Disk\r\nfailed"), sent, second, refusal(0, "again")].concat();
    let results = reads(&sent, 2).await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.to_string(), "the host refuses with error 0xd: Disk  failed");
    assert_eq!(results[1].as_ref().unwrap(), &meant);
}

#[tokio::test]
async fn an_error_of_no_request_ends_them_all() {
    for result in reads(&refusal(99, "The host goes down"), 2).await {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().ends_with("The host goes down"), "{error}");
    }
}

#[tokio::test]
async fn a_fragment_that_failed_fails_its_read() {
    let mut sent = fragment(0, 0, 0, 512, &[1; 512]);
    sent[16] = 9;
    let error = error(&sent).await;
    assert_eq!(error.to_string(), "the host refuses with error 0x9: the read failed");
}

#[tokio::test]
async fn a_host_that_stands_still_is_given_up() {
    let (ours, theirs) = duplex(1 << 16);
    let connection = Connection::start(ours, Duration::from_millis(40));
    let asked = connection.submit(Asked::OpenSession, |_| vec![1, 2, 3]);
    let error = asked.await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unreachable, Retry::Safe));
    assert!(error.to_string().contains("stood still"), "{error}");
    drop(theirs);
}
