//! A copy of 8 MiB a second that is let off its leash after 2 s.
//!
//! ```console
//! $ cargo run -p osm-transfer --example throttle -- SOURCE TARGET
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use osm_transfer::decorate::{Rate, Throttle};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = words.as_slice() else { return Err("usage: throttle SOURCE TARGET".into()) };
    let (from, to): (Endpoint, Endpoint) = (from.parse()?, to.parse()?);
    let options = OpenOptions::default();
    let source = from.open_source(&options).await?;
    let sink = to.open_sink(source.size(), &options).await?;
    let rate = Rate::new(Some(8 << 20));
    let slow = Arc::new(Throttle::new(source, rate.clone()));
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        rate.set(None);
    });
    let report = Transfer::builder().source(slow).sink(sink).build()?.run().await?;
    println!("{} bytes in {:?}", report.size, report.elapsed);
    Ok(())
}
