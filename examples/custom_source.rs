//! A disk that is nowhere but in code: any type with two methods can be copied, served or hashed.
//!
//! ```console
//! $ cargo run -p osm-examples --example custom_source -- /tmp/pattern.img
//! ```

use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use osm_transfer::block::{BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;

const MIB: u64 = 1 << 20;

/// 64 MiB: in every eighth mebibyte each byte holds the number of that mebibyte, the rest is a hole.
#[derive(Debug)]
struct Pattern;

impl Pattern {
    fn is_data(offset: u64) -> bool {
        (offset / MIB).is_multiple_of(8)
    }
}

#[async_trait]
impl BlockSource for Pattern {
    fn size(&self) -> u64 {
        64 * MIB
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            block_size: BlockSize { minimum: 1, preferred: 64 << 10, maximum: 1 << 20 },
            parallel: 4,
            extents: true,
            fast_zero: false,
            trim: false,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> osm_transfer::Result<Buffer> {
        for (at, byte) in (offset..).zip(buffer.iter_mut()) {
            *byte = if Self::is_data(at) { u8::try_from(at / MIB).unwrap_or(u8::MAX) } else { 0 };
        }
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        let kind = if Self::is_data(range.offset) { ExtentKind::Data } else { ExtentKind::Hole };
        // To the end of this mebibyte; who wants to know more asks again.
        let end = (range.offset / MIB + 1) * MIB;
        Ok(vec![Extent::new(range.offset, end.min(range.end()) - range.offset, kind)])
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let target: Endpoint = std::env::args().nth(1).context("usage: custom_source TARGET")?.parse()?;
    let source = Arc::new(Pattern);
    let sink = target.open_sink(source.size(), &OpenOptions::default()).await?;
    let report = Transfer::builder().source(source).sink(sink).build()?.run().await?;
    println!("{} bytes written, {} left as a hole", report.copied, report.zeroed);
    Ok(())
}
