//! The plan of a transfer: which pieces of the source are data, in order.

use tokio::sync::mpsc::Sender;

use super::engine::Job;
use crate::Result;
use crate::block::{self, ByteRange, Extent, ExtentKind};

/// Extents are asked for one range of this many bytes at a time, while the range before is moved.
pub(super) const WORK_RANGE: u64 = 256 << 20;

/// Pieces that may wait for their turn.
pub(super) const AHEAD: usize = 64;

/// One request's worth of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Must be read to be known.
    Data(ByteRange),
    /// Reads as zeroes.
    Zeroes(ByteRange),
}

/// Sends every piece of what is to be moved, in order; ends early once nobody takes them.
pub(super) async fn plan(job: &Job, pieces: Sender<Piece>) -> Result<()> {
    for area in &job.areas {
        let mut at = area.offset;
        while at < area.end() {
            let range = ByteRange::new(at, WORK_RANGE.min(area.end() - at));
            for extent in extents(job, range).await? {
                for piece in cut(extent, job) {
                    if pieces.send(piece).await.is_err() {
                        return Ok(());
                    }
                }
            }
            at = range.end();
        }
    }
    Ok(())
}

async fn extents(job: &Job, range: ByteRange) -> Result<Vec<Extent>> {
    if job.changed && range.len <= job.request {
        // To ask takes as long as to read.
        return Ok(Vec::from([Extent { range, kind: ExtentKind::Data }]));
    }
    // A chunk with any data is read as a whole.
    block::survey(job.source.as_ref(), range, job.chunk().unwrap_or(job.align)).await
}

/// The extent in pieces that end at multiples of the size of a request.
fn cut(extent: Extent, job: &Job) -> impl Iterator<Item = Piece> {
    let (most, piece): (u64, fn(ByteRange) -> Piece) = match extent.kind {
        ExtentKind::Data => (job.chunk().unwrap_or(job.request), Piece::Data),
        ExtentKind::Zero | ExtentKind::Hole => (job.zero_request, Piece::Zeroes),
    };
    extent.range.pieces(most).map(piece)
}
