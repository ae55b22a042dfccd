//! JSON lines on standard output: one event, one line, written whole.

use std::io::Write as _;

use osm_migrate::{Event, EventSink};
use serde::Serialize;

/// Prints every event as a line.
#[derive(Debug)]
pub(crate) struct JsonLines;

/// The last line: a summary that says whether anything changed.
#[derive(Serialize)]
struct Last<'a> {
    #[serde(flatten)]
    event: &'a Event,
    changed: bool,
}

impl EventSink for JsonLines {
    fn emit(&self, event: &Event) {
        match event {
            Event::Summary(summary) => print(&Last { event, changed: summary.has_changed() }),
            event => print(event),
        }
    }
}

/// One line, flushed, so that a reader sees the event before its consequences. A reader that has
/// gone away does not stop a migration.
pub(crate) fn print(value: &impl Serialize) {
    if let Ok(mut line) = serde_json::to_vec(value) {
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(&line).and_then(|()| out.flush()) {
            tracing::debug!(%error, "nobody reads standard output");
        }
    }
}
