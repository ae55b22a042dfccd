//! A copy that continues where it was safe: kill it, and run it again.
//!
//! ```console
//! $ cargo run -p osm-examples --example resume_a_copy -- disk.img copy.img copy.journal
//! ```

use anyhow::{Context as _, Result};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::journal::{Identity, Journal};
use osm_transfer::transfer::Transfer;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: resume_a_copy SOURCE TARGET JOURNAL";
    let from: Endpoint = words.next().context(usage)?.parse()?;
    let to: Endpoint = words.next().context(usage)?.parse()?;
    let path = words.next().context(usage)?;

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
