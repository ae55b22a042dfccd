//! A disk of one's own as the source: every 512 bytes tell their number, and the second half is a hole.
//!
//! ```console
//! $ cargo run -p osm-transfer --example custom_source -- TARGET
//! ```

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use osm_transfer::Result;
use osm_transfer::block::{BlockSize, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::transfer::Transfer;

const SIZE: u64 = 64 << 20;
const SECTOR: usize = 512;

#[derive(Debug)]
struct Numbered;

#[async_trait]
impl BlockSource for Numbered {
    fn size(&self) -> u64 {
        SIZE
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            block_size: BlockSize { minimum: SECTOR as u32, preferred: 256 << 10, maximum: 32 << 20 },
            parallel: 4,
            extents: true,
            fast_zero: false,
            trim: false,
            starts_zeroed: false,
            splice: false,
        }
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer> {
        buffer.fill(0);
        for (index, sector) in buffer.chunks_mut(SECTOR).enumerate() {
            let at = offset + (index * SECTOR) as u64;
            if at < SIZE / 2 {
                sector[..8].copy_from_slice(&(at / SECTOR as u64).to_le_bytes());
            }
        }
        Ok(buffer)
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        let halves = [(0, ExtentKind::Data), (SIZE / 2, ExtentKind::Hole)];
        let parts = halves.map(|(start, kind)| (ByteRange::new(start, SIZE / 2).intersect(range), kind));
        Ok(parts.into_iter().filter_map(|(part, kind)| Some(Extent { range: part?, kind })).collect())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let target: Endpoint = std::env::args().nth(1).ok_or("usage: custom_source TARGET")?.parse()?;
    let sink = target.open_sink(SIZE, &OpenOptions::default()).await?;
    let report = Transfer::builder().source(Arc::new(Numbered)).sink(sink).build()?.run().await?;
    println!("{} bytes of data, {} of zeroes", report.copied, report.zeroed);
    Ok(())
}
