//! The requests under way on a connection, and the rules every reply is checked against.
//!
//! No input or output. A caller's *operation* is one request, or several where the server's
//! maximum block size is smaller: its *parts*. A cookie is the number of the operation and the
//! number of the part.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::super::wire::consts::*;
use super::super::wire::{
    BlockStatus, Broken, Chunk, Command, Cursor, Errno, ErrorChunk, PeerMisbehaved, REQUEST_LEN, Request,
};
use super::pending::{Fill, Finished, Outcome, Part, Pending, Place, span};
use crate::Error;
use crate::block::{Buffer, ByteRange};

/// What a caller asks for.
pub(crate) struct Operation {
    pub(crate) command: Command,
    pub(crate) flags: CommandFlags,
    pub(crate) range: ByteRange,
    /// The longest part.
    pub(crate) part: u32,
    /// What a write sends, or where a read goes.
    pub(crate) place: Option<Place>,
}

/// What goes out for an operation.
pub(crate) struct Frame {
    pub(crate) operation: u64,
    pub(crate) headers: Vec<[u8; REQUEST_LEN]>,
    pub(crate) payload: Payload,
}

/// What goes out behind the headers.
pub(crate) enum Payload {
    Nothing,
    /// The payload of writes, and how much of it belongs to each header.
    Buffer(Buffer, usize),
    /// The same, in a pipe: how much of it belongs to each header.
    Pipe(Arc<OwnedFd>, Vec<usize>),
}

/// The operations of one connection.
#[derive(Default)]
pub(crate) struct Table {
    pending: HashMap<u64, Pending>,
    next: u64,
}

/// How many bits of a cookie number the parts.
const PART_BITS: u32 = 16;

/// The most parts of one operation.
pub(crate) const MAX_PARTS: u64 = 1 << PART_BITS;

impl Table {
    /// Takes an operation in; what is to be sent for it.
    pub(crate) fn insert(
        &mut self,
        operation: Operation,
        to: oneshot::Sender<crate::Result<Outcome>>,
    ) -> Frame {
        let Operation { command, flags, range, part, place } = operation;
        self.next += 1;
        let number = self.next;
        let count = range.len.div_ceil(u64::from(part)).clamp(1, MAX_PARTS);
        let headers = (0..count).map(|index| {
            let (offset, len) = span(range, part, index);
            Request { flags, command, cookie: number << PART_BITS | index, offset, len }.encode()
        });
        let headers: Vec<_> = headers.collect();
        let (payload, place) = match (command, place) {
            (Command::Write, Some(Place::Buffer(buffer))) => (Payload::Buffer(buffer, part as usize), None),
            (Command::Write, Some(Place::Pipe(pipe))) => {
                let lens = (0..count).map(|index| span(range, part, index).1 as usize);
                (Payload::Pipe(pipe, lens.collect()), None)
            }
            (_, place) => (Payload::Nothing, place),
        };
        let pending = Pending {
            command,
            range,
            part,
            parts: headers.iter().map(|_| Part::default()).collect(),
            open: headers.len(),
            lent: usize::from(!matches!(payload, Payload::Nothing)),
            place,
            extents: Vec::new(),
            error: None,
            sent: None,
            to,
        };
        self.pending.insert(number, pending);
        Frame { operation: number, headers, payload }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether the server owes an answer. What arrived may still be on its way to another disk.
    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.values().any(|pending| pending.open > 0)
    }

    /// When the operation that waits longest was sent.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.pending.values().filter_map(|pending| pending.sent).min()
    }

    /// Everything under way, because nothing will be answered any more.
    pub(crate) fn fail(&mut self, error: impl Fn() -> Error) -> Vec<Finished> {
        let pending = std::mem::take(&mut self.pending).into_values();
        pending
            .map(|mut pending| {
                pending.error = Some(error());
                pending.finish()
            })
            .collect()
    }

    /// A frame left, and gives its payload back.
    pub(crate) fn sent(&mut self, operation: u64, payload: Payload) -> Option<Finished> {
        let pending = self.pending.get_mut(&operation)?;
        // The answer may have been faster.
        if pending.open > 0 {
            pending.sent = Some(Instant::now());
        }
        match payload {
            Payload::Nothing => {}
            Payload::Buffer(buffer, _) => {
                pending.place = Some(Place::Buffer(buffer));
                pending.lent -= 1;
            }
            Payload::Pipe(..) => pending.lent -= 1,
        }
        self.finish(operation)
    }

    /// A simple reply; a successful read has its payload behind it.
    pub(crate) fn simple(
        &mut self,
        cookie: u64,
        error: Errno,
        structured: bool,
    ) -> Result<Reply, PeerMisbehaved> {
        let (pending, index) = self.part(cookie)?;
        let read = pending.command == Command::Read;
        if error == Errno::OK {
            if structured && (read || pending.command == Command::BlockStatus) {
                return Err(PeerMisbehaved::SimpleReplyToStructuredRead);
            }
            if read {
                let (offset, len) = span(pending.range, pending.part, index);
                return Ok(Reply::Fill(pending.fill(cookie, offset, len, true)?));
            }
        } else {
            pending.fail(error.into_error(""));
        }
        self.end_part(cookie)
    }

    /// The chunk may come: checked before a byte of its payload is read. Whether its payload is
    /// read into a buffer of its own ([`Table::chunk`]) or is data of a read ([`Table::data`]).
    pub(crate) fn announce(&mut self, chunk: &Chunk) -> Result<(), PeerMisbehaved> {
        let (pending, _) = self.part(chunk.cookie)?;
        let command = pending.command;
        let (fits, belongs) = match chunk.kind {
            NBD_REPLY_TYPE_NONE => (chunk.len == 0 && chunk.is_done(), true),
            NBD_REPLY_TYPE_OFFSET_DATA => (chunk.len > 8, command == Command::Read),
            NBD_REPLY_TYPE_OFFSET_HOLE => (chunk.len == 12, command == Command::Read),
            NBD_REPLY_TYPE_BLOCK_STATUS => {
                let fits = (12..=BlockStatus::MAX_LEN).contains(&chunk.len) && chunk.len % 8 == 4;
                (fits, command == Command::BlockStatus)
            }
            kind if kind & NBD_REPLY_TYPE_FLAG_ERROR != 0 => {
                ((6..=ErrorChunk::MAX_LEN).contains(&chunk.len), true)
            }
            _ => (true, false),
        };
        if !belongs {
            return Err(PeerMisbehaved::UnexpectedChunk { chunk: chunk.kind, command: command.code() });
        }
        if !fits {
            return Err(PeerMisbehaved::ChunkLength { chunk: chunk.kind, len: chunk.len });
        }
        Ok(())
    }

    /// Data of a read: where its payload goes.
    pub(crate) fn data(&mut self, chunk: &Chunk, offset: u64) -> Result<Fill, PeerMisbehaved> {
        let (pending, index) = self.part(chunk.cookie)?;
        let len = chunk.len.saturating_sub(8);
        let asked = span(pending.range, pending.part, index);
        pending.cover(index, asked, offset, len)?;
        pending.fill(chunk.cookie, offset, len, chunk.is_done())
    }

    /// The payload arrived, and is where it belongs.
    pub(crate) fn filled(&mut self, fill: Fill) -> Result<Option<Finished>, PeerMisbehaved> {
        self.arrived(&fill)?;
        Ok(self.returned(fill))
    }

    /// The payload arrived; where it belongs it may be later.
    pub(crate) fn arrived(&mut self, fill: &Fill) -> Result<(), PeerMisbehaved> {
        let Ok((pending, index)) = self.part(fill.cookie) else { return Ok(()) };
        if pending.parts[usize::try_from(index).unwrap_or(0)].cover.is_empty() {
            // A simple reply covers its part at once.
            let asked = span(pending.range, pending.part, index);
            pending.cover(index, asked, asked.0, asked.1)?;
        }
        if fill.done {
            // Its place is lent: nothing is finished yet.
            self.end_part(fill.cookie)?;
        }
        Ok(())
    }

    /// The payload is where it belongs, or could not be put there.
    pub(crate) fn returned(&mut self, fill: Fill) -> Option<Finished> {
        let operation = fill.cookie >> PART_BITS;
        let pending = self.pending.get_mut(&operation)?;
        pending.place = Some(fill.place);
        pending.lent -= 1;
        if let Some(error) = fill.error {
            pending.fail(error);
        }
        self.finish(operation)
    }

    /// Any other chunk, with its payload.
    pub(crate) fn chunk(
        &mut self,
        chunk: &Chunk,
        payload: &[u8],
        allocation: Option<u32>,
    ) -> Result<Option<Finished>, Broken> {
        let (pending, index) = self.part(chunk.cookie)?;
        match chunk.kind {
            NBD_REPLY_TYPE_NONE => {}
            NBD_REPLY_TYPE_OFFSET_HOLE => {
                let mut cursor = Cursor::new("hole chunk", payload);
                let offset = cursor.u64("offset")?;
                let len = cursor.u32("hole size")?;
                let asked = span(pending.range, pending.part, index);
                pending.cover(index, asked, offset, len)?;
                pending.zero(offset, len);
            }
            NBD_REPLY_TYPE_BLOCK_STATUS => {
                let status = BlockStatus::decode(payload)?;
                if Some(status.context) != allocation {
                    return Err(PeerMisbehaved::UnknownMetaContext(status.context).into());
                }
                if !pending.extents.is_empty() {
                    return Err(PeerMisbehaved::RepeatedBlockStatus.into());
                }
                pending.extents = status.extents(pending.range)?;
            }
            kind => {
                let failed = ErrorChunk::decode(kind, payload)?;
                let error = failed.error.into_error(&failed.message);
                pending.fail(match failed.offset {
                    Some(offset) => error.with_range(offset, 0),
                    None => error,
                });
            }
        }
        if !chunk.is_done() {
            return Ok(None);
        }
        match self.end_part(chunk.cookie)? {
            Reply::Finished(finished) => Ok(finished),
            Reply::Fill(_) => Ok(None),
        }
    }

    fn part(&mut self, cookie: u64) -> Result<(&mut Pending, u64), PeerMisbehaved> {
        let unknown = PeerMisbehaved::UnknownCookie(cookie);
        let index = cookie % MAX_PARTS;
        let pending = self.pending.get_mut(&(cookie >> PART_BITS)).ok_or(unknown)?;
        let open = usize::try_from(index).ok().and_then(|index| pending.parts.get(index));
        match open {
            Some(part) if !part.done => Ok((pending, index)),
            _ => Err(unknown),
        }
    }

    fn end_part(&mut self, cookie: u64) -> Result<Reply, PeerMisbehaved> {
        let (pending, index) = self.part(cookie)?;
        let (_, expected) = span(pending.range, pending.part, index);
        let part = &mut pending.parts[usize::try_from(index).unwrap_or(0)];
        if pending.error.is_none() {
            let received = part.cover.total();
            match pending.command {
                Command::Read if received != expected => {
                    return Err(PeerMisbehaved::IncompleteRead { received, expected });
                }
                Command::BlockStatus if pending.extents.is_empty() => {
                    return Err(PeerMisbehaved::BlockStatusMissing);
                }
                _ => {}
            }
        }
        part.done = true;
        pending.open -= 1;
        if pending.open == 0 {
            // Whoever still waits does not wait for the server.
            pending.sent = None;
        }
        Ok(Reply::Finished(self.finish(cookie >> PART_BITS)))
    }

    fn finish(&mut self, operation: u64) -> Option<Finished> {
        let pending = self.pending.get(&operation)?;
        if pending.open > 0 || pending.lent > 0 {
            return None;
        }
        self.pending.remove(&operation).map(Pending::finish)
    }
}

/// What follows from a reply.
pub(crate) enum Reply {
    Finished(Option<Finished>),
    Fill(Fill),
}

impl Chunk {
    fn is_done(&self) -> bool {
        self.flags.contains(ReplyFlags::NBD_REPLY_FLAG_DONE)
    }
}
