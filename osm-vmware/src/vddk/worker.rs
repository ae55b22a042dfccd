//! The one thread of an open disk, which alone calls VDDK for it.
//!
//! It begins reads without waiting for them, so that several are under way; VDDK's own threads tell it when they have
//! ended, by the same channel that requests come by. The invariant: memory that VDDK may still write to belongs to this
//! thread, whoever has lost interest in the request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use osm_transfer::block::{Buffer, ByteRange, Extent};
use tokio::sync::oneshot;

use super::Link;
use super::allocation::{Allocation, SECTOR};
use super::code::{VIX_E_NOT_SUPPORTED, VIX_OK, code_of};
use super::ffi::{Answer, Piece};
use super::library::Disk;

/// How many reads are under way at once.
pub(super) const UNDER_WAY: usize = 8;
/// How long a read is that VDDK gets to see, in bytes. Through a vCenter more than 2 MiB fail.
pub(super) const LONGEST: usize = 1 << 20;

/// How long VDDK's threads may take to tell of reads that `Wait` has waited for.
const STRAGGLERS: Duration = Duration::from_secs(60);

/// What happens to a disk.
pub(super) enum Event {
    Read { offset: u64, buffer: Buffer, reply: oneshot::Sender<osm_transfer::Result<Buffer>> },
    Extents { range: ByteRange, reply: oneshot::Sender<Vec<Extent>> },
    Completed { request: u64, piece: Piece, answer: Answer },
    Close,
}

pub(super) struct Worker {
    disk: Disk,
    link: Arc<Link>,
    allocation: Allocation,
    events: mpsc::Receiver<Event>,
    /// For completions.
    sender: mpsc::Sender<Event>,
    requests: HashMap<u64, Request>,
    next: u64,
    /// Pieces of requests, in order, that are not yet begun.
    queue: VecDeque<(u64, Piece)>,
    under_way: usize,
    /// Cleared when VDDK says that it cannot.
    reads_async: bool,
}

struct Request {
    offset: u64,
    reply: oneshot::Sender<osm_transfer::Result<Buffer>>,
    /// How many pieces are out.
    out: usize,
    back: Vec<Piece>,
    error: Option<osm_transfer::Error>,
}

impl Worker {
    /// A worker, and how it is told of what happens.
    pub(super) fn new(disk: Disk, link: Arc<Link>, allocation: Allocation) -> (Self, mpsc::Sender<Event>) {
        let (sender, events) = mpsc::channel();
        let worker = Self {
            reads_async: disk.library().reads_async(),
            disk,
            link,
            allocation,
            events,
            sender: sender.clone(),
            requests: HashMap::new(),
            next: 0,
            queue: VecDeque::new(),
            under_way: 0,
        };
        (worker, sender)
    }

    /// Works until the disk is to be closed, and closes it.
    pub(super) fn run(mut self) {
        while let Ok(event) = self.events.recv() {
            match event {
                Event::Read { offset, buffer, reply } => self.accept(offset, buffer, reply),
                Event::Extents { range, reply } => {
                    let disk = &self.disk;
                    let extents = self.allocation.extents(range, |start, count, chunk| {
                        disk.allocated(start, count, chunk).inspect_err(|failure| {
                            tracing::warn!(%failure, "what is allocated is not known: the whole disk is read");
                        })
                    });
                    drop(reply.send(extents));
                }
                Event::Completed { request, piece, answer } => self.completed(request, piece, answer),
                Event::Close => break,
            }
            self.begin_reads();
        }
        self.close();
    }

    fn accept(&mut self, offset: u64, buffer: Buffer, reply: oneshot::Sender<osm_transfer::Result<Buffer>>) {
        let pieces = Piece::cut(buffer, LONGEST);
        let request = Request { offset, reply, out: pieces.len(), back: Vec::new(), error: None };
        let number = self.next;
        self.next += 1;
        self.requests.insert(number, request);
        self.queue.extend(pieces.into_iter().map(|piece| (number, piece)));
    }

    fn begin_reads(&mut self) {
        while self.under_way < UNDER_WAY {
            let Some((number, mut piece)) = self.queue.pop_front() else { break };
            let Some(request) = self.requests.get(&number) else { continue };
            if request.error.is_some() || request.reply.is_closed() {
                // Nobody waits for these bytes any more.
                self.back(number, piece);
                continue;
            }
            let sector = (request.offset + piece.offset() as u64) / SECTOR;
            if self.reads_async {
                let sender = self.sender.clone();
                let done = move |piece, answer| {
                    drop(sender.send(Event::Completed { request: number, piece, answer }));
                };
                match self.disk.read_async(sector, piece, Box::new(done)) {
                    Ok(()) => self.under_way += 1,
                    Err((piece, answer)) if code_of(answer) == VIX_E_NOT_SUPPORTED => {
                        tracing::debug!("VDDK reads this disk one request at a time");
                        self.reads_async = false;
                        self.queue.push_front((number, piece));
                    }
                    Err((piece, answer)) => self.ended(number, piece, answer, "VixDiskLib_ReadAsync"),
                }
            } else {
                let answer = self.disk.read(sector, &mut piece);
                self.ended(number, piece, answer, "VixDiskLib_Read");
            }
        }
    }

    fn completed(&mut self, number: u64, piece: Piece, answer: Answer) {
        self.under_way -= 1;
        self.ended(number, piece, answer, "VixDiskLib_ReadAsync");
    }

    fn ended(&mut self, number: u64, piece: Piece, answer: Answer, call: &'static str) {
        if let Some(request) = self.requests.get_mut(&number)
            && answer != VIX_OK
            && request.error.is_none()
        {
            let failure = self.disk.library().failure(call, answer);
            let offset = request.offset + piece.offset() as u64;
            request.error = Some(failure.into_transfer(offset, piece.len() as u64));
        }
        self.back(number, piece);
    }

    /// Takes a piece back; the last one ends the request.
    fn back(&mut self, number: u64, piece: Piece) {
        let Some(request) = self.requests.get_mut(&number) else { return };
        request.back.push(piece);
        if request.back.len() < request.out {
            return;
        }
        if let Some(Request { reply, back, error, .. }) = self.requests.remove(&number) {
            let lost =
                || osm_transfer::Error::new(osm_transfer::ErrorKind::Io, "the buffer of a read is lost");
            let result = match error {
                Some(error) => Err(error),
                None => Piece::join(back).ok_or_else(lost),
            };
            drop(reply.send(result));
        }
    }

    /// Waits for what is under way, then has the control thread close the disk.
    fn close(mut self) {
        if let Err(failure) = self.disk.wait() {
            tracing::warn!(%failure, "VDDK does not wait for its reads");
        }
        while self.under_way > 0 {
            match self.events.recv_timeout(STRAGGLERS) {
                Ok(Event::Completed { request, piece, answer }) => self.completed(request, piece, answer),
                Ok(_) => {}
                Err(_) => {
                    // VDDK still holds the memory, which its reads own; to close the disk now would be worse than to leave it.
                    tracing::warn!(
                        reads = self.under_way,
                        "VDDK does not end its reads: a disk is left open"
                    );
                    std::mem::forget(self.link);
                    return;
                }
            }
        }
        let Self { disk, link, .. } = self;
        match link.control.call(move |_| disk.close()) {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!(%failure, "a disk is not closed as it should be"),
            Err(error) => tracing::warn!(%error, "a disk is left open"),
        }
        // Only now the connection may go.
        drop(link);
    }
}
