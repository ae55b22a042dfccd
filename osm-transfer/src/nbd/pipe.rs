//! The pipes between sockets and disks.
//!
//! It is filled before it is drained: one long write to a disk costs less than many short ones.

use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

use crate::Result;
use crate::block::{BlockSink, ByteRange};

/// Bytes the pipe is asked to hold: what a user without privileges may have
/// (`/proc/sys/fs/pipe-max-size`). With less it works as well.
const CAPACITY: usize = 1 << 20;

/// What a slot of a pipe holds at most.
const PAGE: usize = 4096;

/// A pipe of which both ends are ours.
pub(super) struct Pipe {
    out: Arc<OwnedFd>,
    into: OwnedFd,
    held: u64,
}

/// A pipe from a disk to a socket: a whole answer is put into it, and then sent.
pub(super) struct Outbox {
    out: OwnedFd,
    into: Arc<OwnedFd>,
    /// Bytes that it takes, wherever pages begin.
    room: usize,
    held: usize,
}

impl Outbox {
    pub(super) fn new() -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let _ = fcntl_setpipe_size(&into, CAPACITY);
        let pages = fcntl_getpipe_size(&into)? / PAGE;
        // One for the head, and one more when the payload does not begin with a page.
        Ok(Self { out, into: Arc::new(into), room: pages.saturating_sub(2) * PAGE, held: 0 })
    }

    /// Bytes of payload that it takes after a head.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// The head of the answer.
    pub(super) fn push(&mut self, head: &[u8]) -> io::Result<()> {
        // The pipe is empty: less than a page is written whole.
        self.held = rustix::io::write(&self.into, head)?;
        Ok(())
    }

    /// Where the payload goes in.
    pub(super) fn inlet(&self) -> &Arc<OwnedFd> {
        &self.into
    }

    /// So many bytes of payload have been put in.
    pub(super) fn fed(&mut self, count: usize) {
        self.held += count;
    }

    /// Where it comes out, and how many bytes will.
    pub(super) fn outlet(&self) -> (&OwnedFd, usize) {
        (&self.out, self.held)
    }

    /// Everything in it was sent.
    pub(super) fn sent(&mut self) {
        self.held = 0;
    }
}

/// Gives the socket up to `most` bytes of what `pipe` holds, and it holds that much; how many it took.
/// `WouldBlock` always means the socket.
pub(super) fn give(pipe: BorrowedFd<'_>, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    match splice(pipe, None, socket, None, most, SpliceFlags::NONBLOCK | SpliceFlags::MOVE) {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Ok(count) => Ok(count),
        Err(Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// What came of an attempt to take more.
pub(super) enum Taken {
    /// So many bytes.
    Some(usize),
    /// Nothing, and there is something to drain.
    NoMore,
}

impl Pipe {
    pub(super) fn new() -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
        // Where many pipes are open already, it stays as small as it is.
        let _ = fcntl_setpipe_size(&into, CAPACITY);
        Ok(Self { out: Arc::new(out), into, held: 0 })
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Puts bytes into the empty pipe, fewer than a page.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() {
            // A page is written whole or not at all.
            self.held += rustix::io::write(&self.into, bytes)? as u64;
        }
        Ok(())
    }

    /// Takes what the socket has, until `most` bytes are in the pipe; `WouldBlock` only when the
    /// pipe is empty, so that it always means the socket.
    pub(super) fn take(&mut self, socket: BorrowedFd<'_>, most: u64) -> io::Result<Taken> {
        let wanted = usize::try_from(most - self.held).unwrap_or(usize::MAX);
        match splice(socket, None, &self.into, None, wanted, SpliceFlags::NONBLOCK | SpliceFlags::MOVE) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.held += count as u64;
                Ok(Taken::Some(count))
            }
            Err(Errno::INTR) => Ok(Taken::Some(0)),
            // The socket is empty or the pipe is full: who can tell?
            Err(Errno::AGAIN) if self.held > 0 => Ok(Taken::NoMore),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes everything in it to `range` of `sink`.
    pub(super) async fn drain(&mut self, sink: &dyn BlockSink, range: ByteRange) -> Result<()> {
        sink.splice(range, &self.out).await?;
        self.held = 0;
        Ok(())
    }
}

/// Empty pipes. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Pipes(Arc<Mutex<Vec<Pipe>>>);

impl Pipes {
    /// One of them, or a new one.
    pub(super) fn take(&self) -> io::Result<Pipe> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(pipe) => Ok(pipe),
            None => Pipe::new(),
        }
    }

    /// To be used again; it is empty.
    pub(super) fn put(&self, pipe: Pipe) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pipe);
    }
}
