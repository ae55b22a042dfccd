//! Answers that wait in pipes: the kernel lends the pages of its cache from the disk to the socket.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::pipe::Outbox;
use crate::Result;
use crate::block::{BlockSource, ByteRange};

/// A shorter answer is copied in less time than a pipe takes.
const SHORTEST: usize = 32 << 10;

/// The pipes of one connection, made as they are needed.
pub(super) struct Outboxes {
    idle: Mutex<Vec<Outbox>>,
    /// How many more may be in use; closed where nothing is lent.
    free: Arc<Semaphore>,
}

/// An answer in a pipe, and the right to have it there.
pub(super) struct Lent {
    pub(super) outbox: Outbox,
    _turn: OwnedSemaphorePermit,
}

impl Outboxes {
    pub(super) fn new(most: usize) -> Self {
        let free = Semaphore::new(most);
        if most == 0 {
            free.close();
        }
        Self { idle: Mutex::default(), free: Arc::new(free) }
    }

    /// An answer with this head and the bytes of `range`; none when they must be read instead.
    ///
    /// While every pipe is in use it waits for one: copying would take longer, and the answers
    /// leave one after the other anyway.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) async fn fill(
        &self,
        source: &dyn BlockSource,
        range: ByteRange,
        head: &[u8],
    ) -> Result<Option<Lent>> {
        let length = usize::try_from(range.len).unwrap_or(usize::MAX);
        if length < SHORTEST {
            return Ok(None);
        }
        let Ok(turn) = Arc::clone(&self.free).acquire_owned().await else { return Ok(None) };
        let Some(mut outbox) = self.take() else { return Ok(None) };
        if length > outbox.room() {
            self.put(Lent { outbox, _turn: turn });
            return Ok(None);
        }
        // Dropped with whatever is in it, when something is in the way.
        if outbox.push(head).is_err() || source.feed(range, outbox.inlet()).await? != Some(range.len) {
            return Ok(None);
        }
        outbox.fed(length);
        Ok(Some(Lent { outbox, _turn: turn }))
    }

    fn take(&self) -> Option<Outbox> {
        if let Some(outbox) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Some(outbox);
        }
        Outbox::new().inspect_err(|_| self.free.close()).ok()
    }

    /// A sent answer's pipe, which is empty.
    pub(super) fn put(&self, lent: Lent) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lent.outbox);
    }
}
