//! `osm-cli copy SRC DST`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use osm_transfer::block::{BlockSource, ByteRange};
use osm_transfer::decorate::{Rate, Throttle};
use osm_transfer::endpoint::Endpoint;
use osm_transfer::hash;
use osm_transfer::journal::{Identity, Journal};
use osm_transfer::transfer::{Transfer, Verify};
use serde_json::json;

use super::{Globals, verify};
use crate::limit::Limit;
use crate::output::{self, CopyBar};
use crate::{args, exit};

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Copy) -> Result<ExitCode> {
    let source: Endpoint = arguments.source.parse()?;
    let destination: Endpoint = arguments.destination.parse()?;
    let options = arguments.tuning.open_options();
    let from = source.open_source(&options).await.with_context(|| format!("cannot open {source}"))?;
    let to = destination
        .open_sink(from.size(), &options)
        .await
        .with_context(|| format!("cannot open {destination} for writing"))?;

    let journal = match arguments.journal {
        Some(path) => {
            let identity = Identity {
                source: source.identity_as_source()?,
                source_size: from.size(),
                sink: destination.identity_as_sink()?,
                sink_size: to.size(),
            };
            Some(Journal::open(path, &identity).await?)
        }
        None => None,
    };

    let areas = match &arguments.areas {
        Some(path) => Some(read_areas(path)?),
        None if arguments.delta => {
            let copy = destination.open_source(&options).await?;
            let (a, b) = verify::hashes((&source, Arc::clone(&from)), (&destination, copy)).await?;
            Some(hash::differing(&a, &b))
        }
        None => None,
    };

    let rate = Rate::new(arguments.limit.as_ref().and_then(Limit::now));
    let read: Arc<dyn BlockSource> = match &arguments.limit {
        Some(_) => Arc::new(Throttle::new(Arc::clone(&from), rate.clone())),
        None => Arc::clone(&from),
    };
    let clock = arguments.limit.map(|limit| tokio::spawn(limit.keep(rate)));

    let bar = Arc::new(CopyBar::alone(&destination.to_string(), from.size()));
    let mut builder = Transfer::builder().source(read).sink(to).progress(Arc::clone(&bar) as _);
    if let Some(kib) = arguments.tuning.request_kib {
        builder = builder.request(kib.saturating_mul(1024));
    }
    if let Some(mib) = arguments.tuning.in_flight_mib {
        builder = builder.in_flight(mib as usize * (1 << 20));
    }
    if let Some(journal) = journal {
        let copy = destination.open_source(&options).await?;
        builder = builder.journal(journal, copy).checkpoint_every(arguments.checkpoint_mib << 20);
    }
    if let Some(areas) = areas {
        builder = builder.areas(areas);
    }
    if arguments.skip_bad {
        builder = builder.skip_bad();
    }
    if let Some(proof) = arguments.verify {
        let copy = destination.open_source(&options).await?;
        let verify = match proof {
            args::Proof::ReadBack => Verify::ReadBack,
            args::Proof::Inline => Verify::Inline,
        };
        builder = builder.verify(verify).verify_with(copy);
    }
    let report =
        builder.build()?.run().await.with_context(|| format!("cannot copy {source} to {destination}"))?;
    bar.finish();
    if let Some(clock) = clock {
        clock.abort();
    }

    if globals.is_json() {
        output::json_line(&json!({
            "event": "copied",
            "source": source.to_string(),
            "destination": destination.to_string(),
            "size": report.size,
            "copied": report.copied,
            "zeroed": report.zeroed,
            "resumed": report.resumed,
            "bad": report.bad.iter().map(|range| json!([range.offset, range.len])).collect::<Vec<_>>(),
            "seconds": report.elapsed.as_secs_f64(),
            "digest": report.digest.map(|digest| digest.to_string()),
        }));
    } else {
        let seconds = report.elapsed.as_secs_f64().max(0.001);
        let rate = output::bytes((report.size as f64 / seconds) as u64);
        println!(
            "{source} -> {destination}: {} ({} data, {} zeroes) in {seconds:.1} s, {rate}/s",
            output::bytes(report.size),
            output::bytes(report.copied),
            output::bytes(report.zeroed),
        );
        if report.resumed > 0 {
            println!("continued after {}", output::bytes(report.resumed));
        }
        for range in &report.bad {
            println!("not copied, the source cannot read it: bytes {range}");
        }
        if let Some(digest) = report.digest {
            println!("verified, BLAKE3 {digest}");
        }
    }
    Ok(ExitCode::from(if report.bad.is_empty() { exit::DONE } else { exit::FAILED }))
}

/// The areas of a file: a line `OFFSET LENGTH` each; what follows `#` is a remark.
fn read_areas(path: &Path) -> Result<Vec<ByteRange>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut areas = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let numbers = words.iter().map(|word| word.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
        match numbers.as_deref() {
            Some([]) => {}
            Some(&[offset, len]) => areas.push(ByteRange::new(offset, len)),
            _ => {
                let (path, line_number) = (path.display(), index + 1);
                return Err(exit::usage(format!(
                    "{path}, line {line_number}: `{line}` is no area: write OFFSET LENGTH, in bytes"
                )));
            }
        }
    }
    Ok(areas)
}
