//! Compares two disks by their hashes and names what differs; only digests need to meet, so the
//! hashes may as well be made on two hosts.
//!
//! ```console
//! $ cargo run -p osm-examples --example verify_a_copy -- disk.img copy.img
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::hash::{HashOptions, differing, hash_disk};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: verify_a_copy SOURCE COPY";
    let source: Endpoint = words.next().context(usage)?.parse()?;
    let copy: Endpoint = words.next().context(usage)?.parse()?;

    let source = source.open_source(&OpenOptions::default()).await?;
    let copy = copy.open_source(&OpenOptions::default()).await?;
    // A copy may be larger than its source: what it has beyond does not count.
    let options = HashOptions { limit: Some(source.size()), ..HashOptions::default() };
    let expected = hash_disk(&source, &options, Arc::new(())).await?;
    let found = hash_disk(&copy, &options, Arc::new(())).await?;

    println!("source {}\ncopy   {}", expected.root, found.root);
    let ranges = differing(&expected, &found);
    for range in &ranges {
        println!("bytes {range} differ");
    }
    Ok(if ranges.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
