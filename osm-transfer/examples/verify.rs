//! A copy that is proven: the source is hashed while it is read, and the copy read back.
//!
//! ```console
//! $ cargo run -p osm-transfer --example verify -- SOURCE TARGET
//! ```

use std::error::Error;

use osm_transfer::ErrorKind;
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::{Transfer, Verify};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = words.as_slice() else { return Err("usage: verify SOURCE TARGET".into()) };
    let (from, to): (Endpoint, Endpoint) = (from.parse()?, to.parse()?);
    let options = OpenOptions::default();
    let source = from.open_source(&options).await?;
    let sink = to.open_sink(source.size(), &options).await?;
    let copy = to.open_source(&options).await?;
    let builder = Transfer::builder().source(source).sink(sink).verify(Verify::Inline).verify_with(copy);
    match builder.build()?.run().await {
        Ok(report) => {
            if let Some(digest) = report.digest {
                println!("equal, BLAKE3 {digest}");
            }
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Mismatch => Err(format!("not equal: {error}").into()),
        Err(error) => Err(error.into()),
    }
}
