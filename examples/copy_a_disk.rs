//! Copies a disk, shows how far it is, and proves the copy by reading it back.
//!
//! ```console
//! $ cargo run -p osm-examples --example copy_a_disk -- disk.img copy.img
//! $ cargo run -p osm-examples --example copy_a_disk -- 'nbd+unix:///?socket=/run/nbd.sock' /dev/vdb
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::{Advance, CancelFlag, Progress, Transfer, Verify};

/// Prints every tenth of the way.
#[derive(Default)]
struct Tenths(AtomicU64);

impl Progress for Tenths {
    fn advance(&self, advance: Advance) {
        let tenth = (advance.copied + advance.zeroed) * 10 / advance.total.max(1);
        if self.0.fetch_max(tenth, Ordering::Relaxed) < tenth {
            println!("{:>3} %: {} bytes of data, {} of zeroes", tenth * 10, advance.copied, advance.zeroed);
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut endpoint =
        || words.next().context("usage: copy_a_disk SOURCE TARGET")?.parse().map_err(anyhow::Error::from);
    let (from, to): (Endpoint, Endpoint) = (endpoint()?, endpoint()?);

    let options = OpenOptions::default();
    let source = from.open_source(&options).await?;
    // A file that does not exist yet is made; a target that is too small is refused here.
    let sink = to.open_sink(source.size(), &options).await?;
    let copy = to.open_source(&options).await?;

    let cancel = CancelFlag::new();
    let transfer = Transfer::builder()
        .source(source)
        .sink(sink)
        .progress(Arc::new(Tenths::default()))
        .cancel(cancel.clone())
        .verify(Verify::ReadBack)
        .verify_with(copy)
        .build()?;
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    let report = transfer.run().await?;
    println!("{from} -> {to} in {:?}", report.elapsed);
    if let Some(digest) = report.digest {
        println!("equal, BLAKE3 {digest}");
    }
    Ok(())
}
