//! What the operator sees: text and bars, or JSON lines.

mod bars;
mod json;
mod text;

use std::io::IsTerminal as _;
use std::sync::Arc;

use osm_migrate::EventSink;
use tracing_subscriber::EnvFilter;

use crate::args::Output;

pub(crate) use self::bars::CopyBar;
pub(crate) use self::text::{bytes, table};

/// Where the events of a flow go.
pub(crate) fn event_sink(output: Output) -> Arc<dyn EventSink> {
    sink(output, false)
}

/// As [`event_sink`]; with `check`, the flow writes nothing and tells what it would do.
pub(crate) fn sink(output: Output, check: bool) -> Arc<dyn EventSink> {
    match output {
        Output::Json => Arc::new(json::JsonLines),
        Output::Text => Arc::new(text::Narrator::new(check)),
    }
}

/// Prints one JSON line, whole, at once.
pub(crate) fn json_line(value: &serde_json::Value) {
    json::print(value);
}

/// Logs go to standard error: warnings, more with `-v`, or what `OSM_LOG` says.
pub(crate) fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("OSM_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}
