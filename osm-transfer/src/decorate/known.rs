//! A disk of which somebody else knows where its data is.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::block::{self, BlockSource, Buffer, ByteRange, Capabilities, Extent, ExtentKind};

/// A disk that has data in known areas and reads as zeroes everywhere else: a hypervisor has told what was ever
/// written to it. What the disk itself knows of its extents is not asked.
#[derive(Debug)]
pub struct Known {
    disk: Arc<dyn BlockSource>,
    /// In order, apart from each other.
    areas: Vec<ByteRange>,
}

impl Known {
    /// The disk with data in these areas, in any order and overlapping as they may be.
    pub fn new(disk: Arc<dyn BlockSource>, mut areas: Vec<ByteRange>) -> Self {
        areas.retain(|area| !area.is_empty());
        areas.sort_unstable();
        Self { disk, areas: block::join(areas, 0) }
    }
}

#[async_trait]
impl BlockSource for Known {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { extents: true, splice: false, ..self.disk.capabilities() }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.disk.read(offset, buffer).await
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        let mut extents = Vec::new();
        let mut at = range.offset;
        let mut tell = |end: u64, kind| {
            if end > at {
                extents.push(Extent::new(at, end - at, kind));
                at = end;
            }
        };
        let first = self.areas.partition_point(|area| area.end() <= range.offset);
        for area in self.areas[first..].iter().map_while(|area| area.intersect(range)) {
            tell(area.offset, ExtentKind::Hole);
            tell(area.end(), ExtentKind::Data);
        }
        tell(range.end(), ExtentKind::Hole);
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decorate::Counted;

    #[tokio::test]
    async fn what_is_outside_the_areas_is_a_hole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, [7; 100]).unwrap();
        let disk = crate::file::FileDisk::open_source(&path).await.unwrap();
        let disk = Arc::new(Counted::new(Arc::new(disk)));
        let areas = [(40, 10), (10, 5), (45, 10), (0, 0)].map(|(offset, len)| ByteRange::new(offset, len));
        let known = Known::new(disk.clone(), areas.to_vec());
        let told = async |offset, len| {
            let extents = known.extents(ByteRange::new(offset, len)).await.unwrap();
            let short =
                |extent: Extent| (extent.range.offset, extent.range.len, extent.kind == ExtentKind::Data);
            extents.into_iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(
            told(0, 100).await,
            [(0, 10, false), (10, 5, true), (15, 25, false), (40, 15, true), (55, 45, false)]
        );
        assert_eq!(told(12, 30).await, [(12, 3, true), (15, 25, false), (40, 2, true)]);
        assert_eq!(told(60, 10).await, [(60, 10, false)]);
        assert_eq!(disk.counts().extents, 0);
    }
}
