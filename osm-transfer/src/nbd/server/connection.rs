//! One connection: the handshake, then the request loop.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::super::transport::{Moved, Reader, Writer};
use super::super::wire::consts::MAX_PAYLOAD;
use super::super::wire::{Command, PeerMisbehaved, REQUEST_LEN, Request};
use super::handshake::{self, Session};
use super::outbox::Outboxes;
use super::{Server, reply, work};
use crate::block::{Buffer, BufferPool};
use crate::{Error, ErrorKind, Result, Retry};

/// Requests up to this size find their memory in the pool.
const POOLED: usize = 2 << 20;
/// How much of the request stream is read ahead; payload of a write that gets in there is copied
/// once more, so that it must not be much.
const LOOKAHEAD: usize = 4 * REQUEST_LEN;

/// Answers of one connection that may wait in pipes.
const OUTBOXES: usize = 8;

/// What the request loop and the tasks of the requests share.
pub(super) struct Link {
    pub(super) session: Session,
    pub(super) writer: tokio::sync::Mutex<Writer>,
    pub(super) pool: BufferPool,
    pub(super) outboxes: Outboxes,
    /// The reason why nothing more can be sent.
    broken: Mutex<Option<Error>>,
    broke: Notify,
    moved: Moved,
    timeout: Duration,
}

/// Serves one client until it leaves, or `shutdown` has lost its sender.
pub(super) async fn serve(
    server: &Server,
    reader: Reader,
    writer: Writer,
    shutdown: &mut watch::Receiver<()>,
) -> Result<()> {
    let limit = server.options.timeout;
    let session = tokio::select! {
        _ = shutdown.changed() => return Ok(()),
        shaken = timeout(limit, handshake::shake(server, reader, writer)) => {
            shaken.unwrap_or_else(|_| Err(stalled("the NBD client did not finish the handshake", limit)))
        }
    };
    let session = session.map_err(|error| error.with_operation("handshake"))?;
    let Some((session, mut reader, writer)) = session else { return Ok(()) };
    reader.set_lookahead(LOOKAHEAD);
    // Pages that are lent could change under the client's eyes where somebody may write.
    let lends = writer.is_socket() && session.export.sink.is_none();
    let outboxes = Outboxes::new(if lends { OUTBOXES } else { 0 });
    let link = Arc::new(Link {
        session,
        writer: tokio::sync::Mutex::new(writer),
        pool: BufferPool::new(POOLED),
        outboxes,
        broken: Mutex::new(None),
        broke: Notify::new(),
        moved: reader.moved(),
        timeout: limit,
    });
    let bytes = server.options.in_flight.clamp(1, MAX_BUDGET);
    let requests = server.options.requests.clamp(1, MAX_BUDGET);
    let budget = Budget {
        bytes: Arc::new(Semaphore::new(bytes)),
        requests: Arc::new(Semaphore::new(requests)),
        most: u32::try_from(bytes).unwrap_or(u32::MAX),
    };
    let result = receive(&link, &mut reader, &budget, shutdown).await;
    // What is under way is answered, whoever ended the loop.
    let all = u32::try_from(requests).unwrap_or(u32::MAX);
    if result.is_ok() && timeout(server.options.drain, budget.requests.acquire_many(all)).await.is_err() {
        return Err(stalled("requests under way did not end", server.options.drain));
    }
    if let Some(error) = link.broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    if result.is_ok() {
        let _ = link.writer.lock().await.shutdown().await;
    }
    result
}

/// What a semaphore of `u32` acquisitions can hold.
const MAX_BUDGET: usize = 1 << 30;

struct Budget {
    bytes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// All of the bytes; a longer request takes all.
    most: u32,
}

/// What a request holds while it is under way.
struct Permit {
    _request: Option<OwnedSemaphorePermit>,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl Budget {
    async fn acquire(&self, request: &Request) -> Permit {
        let payload = matches!(request.command, Command::Read | Command::Write);
        let bytes = if payload { request.len.min(self.most) } else { 0 };
        // Neither semaphore is ever closed.
        Permit {
            _request: Arc::clone(&self.requests).acquire_owned().await.ok(),
            _bytes: Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok(),
        }
    }
}

async fn receive(
    link: &Arc<Link>,
    reader: &mut Reader,
    budget: &Budget,
    shutdown: &mut watch::Receiver<()>,
) -> Result<()> {
    loop {
        let header = tokio::select! {
            biased;
            _ = shutdown.changed() => return Ok(()),
            () = link.broke.notified() => return Ok(()),
            header = reader.peek(REQUEST_LEN) => header.map_err(lost)?,
        };
        let Some(header) = header else { return Ok(()) };
        let request = Request::decode(header)?;
        reader.consume(REQUEST_LEN);
        if request.command == Command::Disconnect {
            return Ok(());
        }
        let permit = budget.acquire(&request).await;
        let payload = if request.command == Command::Write {
            if request.len > MAX_PAYLOAD {
                return Err(PeerMisbehaved::PayloadTooLong { len: request.len, limit: MAX_PAYLOAD }.into());
            }
            let mut payload = link.pool.take(request.len as usize);
            link.moving(reader.read_exact(&mut payload)).await.map_err(lost)?;
            Some(payload)
        } else {
            None
        };
        let due = Due { link: Arc::clone(link), answered: false };
        tokio::spawn(answer(due, request, payload, permit));
    }
}

async fn answer(mut due: Due, request: Request, payload: Option<Buffer>, permit: Permit) {
    let result = work::carry_out(&due.link, &request, payload).await;
    reply::send(&due.link, &request, result).await;
    due.answered = true;
    drop(permit);
}

/// A request that must be answered: when its task panics, the client must not wait for ever.
struct Due {
    link: Arc<Link>,
    answered: bool,
}

impl Drop for Due {
    fn drop(&mut self) {
        if !self.answered {
            self.link.fail(Error::new(ErrorKind::Interrupted, "a request was given up"));
        }
    }
}

impl Link {
    /// Nothing more can be sent: ends the request loop.
    pub(super) fn fail(&self, error: Error) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.broke.notify_one();
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits for `work` for as long as bytes move.
    pub(super) async fn moving<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut work = pin!(work);
        loop {
            let before = self.moved.total();
            match timeout(self.timeout, &mut work).await {
                Ok(result) => return result,
                Err(_) if self.moved.total() != before => {}
                Err(elapsed) => return Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
            }
        }
    }
}

fn stalled(what: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Io, format!("{what} within {} s", limit.as_secs_f32())).with_retry(Retry::Safe)
}

/// The error of a stream that failed.
pub(super) fn lost(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "the NBD client was lost").with_source(error)
}
