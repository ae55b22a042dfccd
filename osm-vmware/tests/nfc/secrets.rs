//! Nothing that is logged holds a ticket's secret.

use std::io;
use std::sync::{Arc, Mutex};

use osm_lab::nfc::{NfcBehaviour, NfcMishap};
use osm_transfer::block::{BlockSource, Buffer};

use crate::stage::{Stage, options};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    // For all threads, for those that move data log as well; other tests write here, too.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let stage = Stage::open().await;
    stage.nfc().behave(NfcBehaviour { repeats_tickets: true, ..NfcBehaviour::default() });
    let secret = stage.nfc().ticket().session_id;
    let (disk, _) = stage.frozen(options()).await;
    stage.nfc().mishap(NfcMishap::Cut { after: 0 });
    // The same ticket is not taken again.
    let error = disk.read(0, Buffer::zeroed(512)).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains(&secret));
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("the connection is lost"), "{text}");
    assert!(!text.contains(&secret));
}
