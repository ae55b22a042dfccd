//! One copy with the library alone.

use std::sync::Arc;

use anyhow::Result;
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::{Transfer, Verify};

use crate::arguments::Arguments;

pub(crate) fn run(arguments: &mut Arguments) -> Result<()> {
    let request_kib: Option<u32> = arguments.option("request-kib")?;
    let in_flight_mib: Option<usize> = arguments.option("in-flight-mib")?;
    let hash: Option<bool> = arguments.option("hash")?;
    let mut options = OpenOptions::default();
    if let Some(connections) = arguments.option("connections")? {
        options.connections = connections;
    }
    let [from, to] = arguments.words()?;
    let (from, to): (Endpoint, Endpoint) = (from.parse()?, to.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let source = from.open_source(&options).await?;
        let sink = to.open_sink(source.size(), &options).await?;
        let mut builder = Transfer::builder().source(Arc::clone(&source)).sink(sink);
        if let Some(kib) = request_kib {
            builder = builder.request(kib << 10);
        }
        if let Some(mib) = in_flight_mib {
            builder = builder.in_flight(mib << 20);
        }
        if hash == Some(true) {
            builder = builder.verify(Verify::Inline);
        }
        builder.build()?.run().await?;
        Ok(())
    })
}
