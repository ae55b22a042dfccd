//! A copy of 8 MiB a second that is let off its leash after two seconds.
//!
//! ```console
//! $ cargo run -p osm-examples --example throttle_a_copy -- disk.img copy.img
//! ```

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use osm_transfer::decorate::{Rate, Throttle};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: throttle_a_copy SOURCE TARGET";
    let from: Endpoint = words.next().context(usage)?.parse()?;
    let to: Endpoint = words.next().context(usage)?.parse()?;

    let options = OpenOptions::default();
    let source = from.open_source(&options).await?;
    let sink = to.open_sink(source.size(), &options).await?;
    let rate = Rate::new(Some(8 << 20));
    let throttled = Throttle::new(source, rate.clone());
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        rate.set(None);
    });
    let report = Transfer::builder().source(Arc::new(throttled)).sink(sink).build()?.run().await?;
    println!("{} bytes in {:?}", report.size, report.elapsed);
    Ok(())
}
