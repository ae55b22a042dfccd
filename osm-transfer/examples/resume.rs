//! A copy that continues where it was safe: kill it, and run it again.
//!
//! ```console
//! $ cargo run -p osm-transfer --example resume -- SOURCE TARGET JOURNAL
//! ```

use std::error::Error;

use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::journal::{Identity, Journal};
use osm_transfer::transfer::Transfer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, path] = words.as_slice() else {
        return Err("usage: resume SOURCE TARGET JOURNAL".into());
    };
    let (from, to): (Endpoint, Endpoint) = (from.parse()?, to.parse()?);
    let options = OpenOptions::default();
    let source = from.open_source(&options).await?;
    let sink = to.open_sink(source.size(), &options).await?;
    // A journal of other disks is refused.
    let identity = Identity {
        source: from.identity_as_source()?,
        source_size: source.size(),
        sink: to.identity_as_sink()?,
        sink_size: sink.size(),
    };
    let journal = Journal::open(path, &identity).await?;
    // The end of what the journal promises is compared before it is believed.
    let copy = to.open_source(&options).await?;
    let transfer = Transfer::builder().source(source).sink(sink).journal(journal, copy).build()?;
    let report = transfer.run().await?;
    println!("{} of {} bytes had been moved before", report.resumed, report.size);
    Ok(())
}
