//! What the fuzz targets have found worth keeping (`fuzz/corpus`), once more: nothing panics or hangs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "../../fuzz/src/targets.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it is public where it is at home")]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let started = Instant::now();
        target(&fs::read(&path).unwrap());
        let took = started.elapsed();
        // The targets' own limit is 5 seconds: who waits for it hangs.
        assert!(took < Duration::from_secs(4), "{} took {took:?}", path.display());
        count += 1;
    }
    assert!(count > 0, "no corpus of {name}");
}

#[test]
fn handshakes() {
    replay("handshake", targets::handshake);
}

#[test]
fn replies() {
    replay("replies", targets::replies);
}

#[test]
fn requests_to_the_server() {
    replay("server", targets::server);
}

#[test]
fn uris() {
    replay("uri", targets::uri);
}

#[test]
fn journals() {
    replay("journal", targets::journal);
}
