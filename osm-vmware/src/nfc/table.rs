//! The requests under way on a connection, and the rules that every reply is checked against. No input or output.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Instant;

use osm_transfer::block::Buffer;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::cover::Cover;
use super::failure::Failure;
use super::skip;
use super::wire::{self, FILE_LEN, FragmentHead, Header, Opened, QUERY_LEN, READ_LEN, READS, SESSION_LEN};
use crate::Result;

/// What the caller of a request gets.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    Opened(Opened),
    Buffer(Buffer),
    /// One bit for each chunk that was asked about.
    Bitmap(Vec<u8>),
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    OpenSession,
    OpenFile,
    /// As many bytes as the buffer has. The permit stands for the buffers that the host needs for it.
    Read {
        offset: u64,
        buffer: Buffer,
        _permit: OwnedSemaphorePermit,
    },
    /// Which of so many chunks are allocated.
    Allocated {
        count: u64,
    },
    CloseFile,
    CloseSession,
}

/// A result on its way to its caller.
pub(super) struct Finished {
    to: oneshot::Sender<Result<Outcome>>,
    result: Result<Outcome>,
}

/// A place for the bytes of a fragment; the buffer is lent for that time.
pub(super) struct Fill {
    pub(super) operation: u32,
    pub(super) buffer: Buffer,
    pub(super) into: Range<usize>,
    /// Where the fragment lies within the read.
    place: (u32, u32),
}

/// What a reply is to be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// How long its payload is.
    pub(super) payload: usize,
    /// The request was refused already: nobody waits for it.
    pub(super) is_late: bool,
}

struct Pending {
    asked: Asked,
    cover: Cover,
    since: Instant,
    to: oneshot::Sender<Result<Outcome>>,
}

/// The requests of one connection.
#[derive(Default)]
pub(super) struct Table {
    pending: HashMap<u32, Pending>,
    /// What was refused last: the usual reply may follow the refusal.
    refused: VecDeque<(u32, u32)>,
    next: u32,
}

/// How many refused requests are remembered; far more than are ever under way.
const REMEMBERED: usize = 256;

/// No reply whose length is its own affair is longer.
const ANY: u32 = 64;

/// The most bytes of a late reply that are passed over.
const MOST_LATE: u64 = 32 << 20;

impl Asked {
    /// The type of its message.
    fn kind(&self) -> u32 {
        match self {
            Self::OpenSession => wire::OPEN_SESSION,
            Self::OpenFile => wire::OPEN_FILE,
            Self::Read { .. } => wire::IO,
            Self::Allocated { .. } => wire::QUERY_ALLOCATED_BLOCKS,
            Self::CloseFile => wire::CLOSE_FILE,
            Self::CloseSession => wire::CLOSE_SESSION,
        }
    }
}

impl Finished {
    /// Tells the caller, who may have gone.
    pub(super) fn deliver(self) {
        drop(self.to.send(self.result));
    }
}

impl Table {
    /// Takes a request in; its number.
    pub(super) fn insert(&mut self, asked: Asked, to: oneshot::Sender<Result<Outcome>>) -> u32 {
        while self.pending.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        // Numbers come round: this one stands for a new request now.
        self.refused.retain(|(refused, _)| *refused != number);
        self.pending.insert(number, Pending { asked, cover: Cover::default(), since: Instant::now(), to });
        number
    }

    /// When the request that waits longest was made.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.since).min()
    }

    /// Everything under way, because nothing will be answered any more.
    pub(super) fn fail(&mut self, failure: &Failure) -> Vec<Finished> {
        let pending = std::mem::take(&mut self.pending).into_values();
        pending.map(|pending| Finished { to: pending.to, result: Err(failure.error()) }).collect()
    }

    /// Whether this reply may come, before a byte of it is read.
    pub(super) fn expect(&self, header: &Header) -> std::result::Result<Expected, Failure> {
        let Header { kind, payload, operation } = *header;
        let asked = self.pending.get(&operation).map(|pending| pending.asked.kind());
        let late = self.refused.iter().find(|(refused, _)| *refused == operation).map(|(_, kind)| *kind);
        let wanted = asked.or(late).ok_or_else(|| {
            Failure::broken(format!("a reply of type {kind} to request {operation}, which is not under way"))
        })?;
        if wanted != kind {
            return Err(Failure::broken(format!("a reply of type {kind} to a request of type {wanted}")));
        }
        let length = match kind {
            wire::OPEN_SESSION => SESSION_LEN,
            wire::OPEN_FILE => FILE_LEN,
            wire::IO => READ_LEN,
            wire::QUERY_ALLOCATED_BLOCKS => QUERY_LEN,
            _ if payload <= ANY => payload as usize,
            _ => 0,
        };
        match payload as usize == length {
            true => Ok(Expected { payload: length, is_late: asked.is_none() }),
            false => Err(Failure::broken(format!("a reply of type {kind} with {payload} bytes"))),
        }
    }

    /// A request is answered by nothing more than its reply.
    pub(super) fn done(&mut self, operation: u32, outcome: Outcome) -> Option<Finished> {
        let pending = self.pending.remove(&operation)?;
        Some(Finished { to: pending.to, result: Ok(outcome) })
    }

    /// The host says no to a request, or to the whole connection.
    pub(super) fn refuse(
        &mut self,
        operation: u32,
        why: String,
    ) -> std::result::Result<Option<Finished>, Failure> {
        let failure = Failure::refused(why);
        if let Some(pending) = self.pending.remove(&operation) {
            self.refused.push_back((operation, pending.asked.kind()));
            if self.refused.len() > REMEMBERED {
                self.refused.pop_front();
            }
            return Ok(Some(Finished { to: pending.to, result: Err(failure.error()) }));
        }
        // A second word on the same request tells nothing new.
        let is_known = self.refused.iter().any(|(refused, _)| *refused == operation);
        if is_known { Ok(None) } else { Err(failure) }
    }

    /// How many bytes behind a late reply are passed over.
    pub(super) fn late(extra: u64) -> std::result::Result<u64, Failure> {
        match extra <= MOST_LATE {
            true => Ok(extra),
            false => Err(Failure::broken(format!("{extra} bytes behind a reply that nobody waits for"))),
        }
    }

    /// How many chunks a bitmap was asked for.
    pub(super) fn chunks(&self, operation: u32) -> u64 {
        match self.pending.get(&operation).map(|pending| &pending.asked) {
            Some(Asked::Allocated { count }) => *count,
            _ => 0,
        }
    }

    /// A fragment of a read: checked against the read, and what came of it before. Lends the buffer out.
    pub(super) fn fragment(
        &mut self,
        operation: u32,
        head: &FragmentHead,
    ) -> std::result::Result<Fill, Failure> {
        let pending = self.pending.get_mut(&operation);
        let Some(Pending { asked: Asked::Read { offset, buffer, .. }, cover, .. }) = pending else {
            return Err(Failure::broken(format!("a fragment for request {operation}, which is no read")));
        };
        let length = buffer.len();
        if head.direction != READS || head.offset != *offset || head.total as usize != length {
            return Err(Failure::broken(format!(
                "a fragment of {} bytes at {}, direction {}, for a read of {length} at {offset}",
                head.total, head.offset, head.direction
            )));
        }
        let end = head.at.checked_add(head.len).filter(|end| *end as usize <= length);
        let end = end.ok_or_else(|| {
            Failure::broken(format!("a fragment of {} bytes at {} in a read of {length}", head.len, head.at))
        })?;
        let fits = match head.sent {
            wire::PLAIN => head.wire == head.len,
            wire::SKIP_ZEROES => head.wire as usize <= skip::longest(head.len as usize),
            way => {
                return Err(Failure::broken(format!(
                    "bytes compressed in way {way}, which was not asked for"
                )));
            }
        };
        if !fits {
            return Err(Failure::broken(format!("{} bytes sent for a fragment of {}", head.wire, head.len)));
        }
        let into = head.at as usize..end as usize;
        if cover.overlaps(head.at, end) {
            return Err(Failure::broken(format!("bytes {into:?} of a read twice")));
        }
        let buffer = std::mem::replace(buffer, Buffer::zeroed(0));
        Ok(Fill { operation, buffer, into, place: (head.at, end) })
    }

    /// The bytes of a fragment are where they belong.
    pub(super) fn filled(&mut self, fill: Fill) -> std::result::Result<Option<Finished>, Failure> {
        let Fill { operation, buffer: lent, into, place } = fill;
        let Some(pending) = self.pending.get_mut(&operation) else { return Ok(None) };
        if !pending.cover.add(place.0, place.1) {
            return Err(Failure::broken(format!("too many scattered fragments, the last of bytes {into:?}")));
        }
        let is_whole = pending.cover.is(u32::try_from(lent.len()).unwrap_or(u32::MAX));
        if is_whole {
            return Ok(self.done(operation, Outcome::Buffer(lent)));
        }
        if let Asked::Read { buffer, .. } = &mut pending.asked {
            *buffer = lent;
        }
        Ok(None)
    }
}
