//! `osm-cli verify SRC DST`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use osm_transfer::block::BlockSource;
use osm_transfer::endpoint::Endpoint;
use osm_transfer::hash::{self, HashOptions};
use serde_json::json;

use super::Globals;
use crate::output::{self, CopyBar};
use crate::{args, exit};

/// How many differing ranges are named on a terminal.
const NAMED_RANGES: usize = 20;

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Verify) -> Result<ExitCode> {
    let source: Endpoint = arguments.source.parse()?;
    let destination: Endpoint = arguments.destination.parse()?;
    let options = arguments.tuning.open_options();
    let left = source.open_source(&options).await.with_context(|| format!("cannot open {source}"))?;
    let right =
        destination.open_source(&options).await.with_context(|| format!("cannot open {destination}"))?;
    if right.size() < left.size() {
        return Err(exit::usage(format!(
            "{destination} has {} bytes, fewer than the {} of {source}: it cannot be a copy of it",
            right.size(),
            left.size(),
        )));
    }
    let (a, b) = hashes((&source, left), (&destination, right)).await?;
    let differing = hash::differing(&a, &b);
    if globals.is_json() {
        let ranges: Vec<_> =
            differing.iter().map(|range| json!({"offset": range.offset, "len": range.len})).collect();
        output::json_line(&json!({
            "event": "verified",
            "equal": differing.is_empty(),
            "source": {"endpoint": source.to_string(), "digest": a.root.to_string()},
            "destination": {"endpoint": destination.to_string(), "digest": b.root.to_string()},
            "differing": ranges,
        }));
    } else if differing.is_empty() {
        println!("equal: {} of {source} and {destination}, BLAKE3 {}", output::bytes(a.size), a.root);
    } else {
        println!("{source} and {destination} differ:");
        for range in differing.iter().take(NAMED_RANGES) {
            println!("  bytes {range}");
        }
        if let Some(more) = differing.len().checked_sub(NAMED_RANGES).filter(|more| *more > 0) {
            println!("  and {more} more ranges");
        }
    }
    Ok(ExitCode::from(if differing.is_empty() { exit::DONE } else { exit::MISMATCH }))
}

/// The hashes of both disks, as far as the source goes.
pub(super) async fn hashes(
    (source, left): (&Endpoint, Arc<dyn BlockSource>),
    (destination, right): (&Endpoint, Arc<dyn BlockSource>),
) -> Result<(hash::DiskHash, hash::DiskHash)> {
    let limits = HashOptions { limit: Some(left.size()), ..HashOptions::default() };
    tokio::try_join!(hash_of(source, left, &limits), hash_of(destination, right, &limits))
}

async fn hash_of(
    endpoint: &Endpoint,
    disk: Arc<dyn BlockSource>,
    limits: &HashOptions,
) -> Result<hash::DiskHash> {
    let bar = Arc::new(CopyBar::alone(&endpoint.to_string(), disk.size()));
    let hash = hash::hash_disk(&disk, limits, Arc::clone(&bar) as _).await;
    bar.finish();
    hash.with_context(|| format!("cannot hash {endpoint}"))
}
