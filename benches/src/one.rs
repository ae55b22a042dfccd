//! One copy with the library alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use osm_transfer::block::ByteRange;
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;

use crate::arguments::Arguments;

pub(crate) fn run(arguments: &mut Arguments) -> Result<()> {
    let request_kib: Option<u32> = arguments.option("request-kib")?;
    let in_flight_mib: Option<usize> = arguments.option("in-flight-mib")?;
    let areas: Option<PathBuf> = arguments.option("areas")?;
    let areas = areas.map(|path| read_areas(&path)).transpose()?;
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
        if let Some(areas) = areas {
            builder = builder.areas(areas);
        }
        builder.build()?.run().await?;
        Ok(())
    })
}

/// Lines `OFFSET LENGTH`, as of `osm-cli copy --areas`.
fn read_areas(path: &Path) -> Result<Vec<ByteRange>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let area = |line: &str| -> Result<ByteRange> {
        let (offset, len) = line.split_once(' ').with_context(|| format!("`{line}` is no area"))?;
        Ok(ByteRange::new(offset.parse()?, len.parse()?))
    };
    text.lines().map(area).collect()
}
