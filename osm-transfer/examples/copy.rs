//! Copies a disk: paths and NBD URIs alike.
//!
//! ```console
//! $ cargo run -p osm-transfer --example copy -- SOURCE TARGET
//! ```

use std::error::Error;

use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = words.as_slice() else { return Err("usage: copy SOURCE TARGET".into()) };
    let (from, to): (Endpoint, Endpoint) = (from.parse()?, to.parse()?);
    let options = OpenOptions::default();
    let source = from.open_source(&options).await?;
    // A missing file is made, as large as the source.
    let sink = to.open_sink(source.size(), &options).await?;
    let report = Transfer::builder().source(source).sink(sink).build()?.run().await?;
    println!("{} bytes of data and {} of zeroes in {:?}", report.copied, report.zeroed, report.elapsed);
    Ok(())
}
