//! One operation under way: its parts, what has arrived of it, its result.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::super::wire::{Command, PeerMisbehaved};
use super::cover::Cover;
use crate::Error;
use crate::block::{BlockSink, Buffer, ByteRange, Extent, ExtentKind};

/// What a caller gets back.
#[derive(Debug)]
pub(crate) enum Outcome {
    Nothing,
    Buffer(Buffer),
    /// Of a block status all, of a read into a sink those that were not moved.
    Extents(Vec<Extent>),
}

/// Where the payload of a read goes, or that of a write comes from.
pub(crate) enum Place {
    /// Memory, as long as the range.
    Buffer(Buffer),
    /// The same range of another disk.
    Sink(Arc<dyn BlockSink>),
    /// A pipe that holds what a write sends.
    Pipe(Arc<OwnedFd>),
}

/// A result on its way to the caller.
pub(crate) struct Finished {
    pub(crate) writes: bool,
    pub(crate) to: oneshot::Sender<crate::Result<Outcome>>,
    pub(crate) result: crate::Result<Outcome>,
}

/// Payload to be received into a place that is lent for that time.
pub(crate) struct Fill {
    pub(crate) place: Place,
    /// The bytes of the disk.
    pub(crate) range: ByteRange,
    /// The same bytes, counted from where the operation begins.
    pub(crate) into: Range<usize>,
    /// The place did not take them.
    pub(crate) error: Option<Error>,
    pub(super) cookie: u64,
    pub(super) done: bool,
}

/// An operation that waits for its replies.
pub(super) struct Pending {
    pub(super) command: Command,
    pub(super) range: ByteRange,
    pub(super) part: u32,
    pub(super) parts: Vec<Part>,
    /// Parts not answered yet.
    pub(super) open: usize,
    /// How often the place is lent out: it must come back before the operation ends.
    pub(super) lent: usize,
    pub(super) place: Option<Place>,
    pub(super) extents: Vec<Extent>,
    pub(super) error: Option<Error>,
    pub(super) sent: Option<Instant>,
    pub(super) to: oneshot::Sender<crate::Result<Outcome>>,
}

/// One request of an operation.
#[derive(Default)]
pub(super) struct Part {
    pub(super) done: bool,
    pub(super) cover: Cover,
}

/// Offset and length of one part.
pub(super) fn span(range: ByteRange, part: u32, index: u64) -> (u64, u32) {
    let before = index * u64::from(part);
    let len = range.len.saturating_sub(before).min(u64::from(part));
    (range.offset + before, u32::try_from(len).unwrap_or(part))
}

impl Pending {
    /// Whether its failure loses data.
    pub(super) fn writes(&self) -> bool {
        !matches!(self.command, Command::Read | Command::BlockStatus)
    }

    /// The error with what it befell.
    fn blame(&self, error: Error) -> Error {
        if error.context().endpoint.is_some() {
            // Another disk's: it says so itself.
            return error;
        }
        let ranged = error.context().offset.is_some() || self.command == Command::Flush;
        let error = error.with_operation(self.command.name());
        if ranged { error } else { error.with_range(self.range.offset, self.range.len) }
    }

    /// The operation is over.
    pub(super) fn finish(mut self) -> Finished {
        let writes = self.writes();
        let result = match self.error.take() {
            Some(error) => Err(self.blame(error)),
            None => Ok(match self.place.take() {
                Some(Place::Buffer(buffer)) => Outcome::Buffer(buffer),
                Some(Place::Sink(_)) => Outcome::Extents(self.extents),
                None if self.command == Command::BlockStatus => Outcome::Extents(self.extents),
                Some(Place::Pipe(_)) | None => Outcome::Nothing,
            }),
        };
        Finished { writes, to: self.to, result }
    }

    /// The first error counts.
    pub(super) fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Bytes of the disk that read as zeroes; they were checked by `cover`.
    pub(super) fn zero(&mut self, offset: u64, len: u32) {
        let into = self.within(offset, len);
        match &mut self.place {
            Some(Place::Buffer(buffer)) => buffer[into].fill(0),
            _ => {
                let range = ByteRange::new(offset, u64::from(len));
                self.extents.push(Extent { range, kind: ExtentKind::Hole });
            }
        }
    }

    /// Where the bytes of the disk go, counted from where the operation begins; they were checked by
    /// `cover`.
    fn within(&self, offset: u64, len: u32) -> Range<usize> {
        let start = usize::try_from(offset - self.range.offset).unwrap_or(usize::MAX);
        start..start.saturating_add(len as usize)
    }

    /// Marks bytes of a read as arrived: of this part, and not there yet.
    pub(super) fn cover(
        &mut self,
        index: u64,
        asked: (u64, u32),
        offset: u64,
        len: u32,
    ) -> Result<(), PeerMisbehaved> {
        let (request_offset, request_len) = asked;
        let end = offset.checked_add(u64::from(len));
        let inside = offset >= request_offset
            && len > 0
            && end.is_some_and(|end| end <= request_offset + u64::from(request_len));
        if !inside {
            return Err(PeerMisbehaved::ChunkOutsideRequest { offset, len, request_offset, request_len });
        }
        let start = u32::try_from(offset - request_offset).unwrap_or(u32::MAX);
        let part = &mut self.parts[usize::try_from(index).unwrap_or(0)];
        part.cover.add(start, len)
    }

    /// Lends the place out to be filled.
    pub(super) fn fill(
        &mut self,
        cookie: u64,
        offset: u64,
        len: u32,
        done: bool,
    ) -> Result<Fill, PeerMisbehaved> {
        let into = self.within(offset, len);
        let range = ByteRange::new(offset, u64::from(len));
        let place = match &self.place {
            // Several parts of it may be written at once.
            Some(Place::Sink(sink)) => Place::Sink(Arc::clone(sink)),
            _ => self.place.take().ok_or(PeerMisbehaved::UnknownCookie(cookie))?,
        };
        self.lent += 1;
        Ok(Fill { place, range, into, error: None, cookie, done })
    }
}
