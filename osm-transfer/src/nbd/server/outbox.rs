//! Answers that wait in pipes: the kernel lends the pages of its cache from the disk to the socket.

use std::sync::{Mutex, PoisonError};

use super::super::pipe::Outbox;
use crate::Result;
use crate::block::{BlockSource, ByteRange};

/// A shorter answer is copied in less time than a pipe takes.
const SHORTEST: usize = 32 << 10;

/// The pipes of one connection, made as they are needed.
pub(super) struct Outboxes {
    idle: Mutex<Idle>,
}

struct Idle {
    outboxes: Vec<Outbox>,
    /// How many more may be made.
    left: usize,
}

impl Outboxes {
    pub(super) fn new(most: usize) -> Self {
        Self { idle: Mutex::new(Idle { outboxes: Vec::new(), left: most }) }
    }

    /// An answer with this head and the bytes of `range`; none when they must be read instead.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) async fn fill(
        &self,
        source: &dyn BlockSource,
        range: ByteRange,
        head: &[u8],
    ) -> Result<Option<Outbox>> {
        let length = usize::try_from(range.len).unwrap_or(usize::MAX);
        if length < SHORTEST {
            return Ok(None);
        }
        let Some(mut outbox) = self.take() else { return Ok(None) };
        if length > outbox.room() {
            self.put(outbox);
            return Ok(None);
        }
        // Dropped with whatever is in it, when something is in the way.
        if outbox.push(head).is_err() {
            return Ok(None);
        }
        let fed = source.feed(range, outbox.inlet()).await;
        match fed.inspect_err(|_| self.lost())? {
            Some(count) if count == range.len => {
                outbox.fed(length);
                Ok(Some(outbox))
            }
            _ => {
                self.lost();
                Ok(None)
            }
        }
    }

    fn take(&self) -> Option<Outbox> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outbox) = idle.outboxes.pop() {
            return Some(outbox);
        }
        idle.left = idle.left.checked_sub(1)?;
        match Outbox::new() {
            Ok(outbox) => Some(outbox),
            Err(_) => {
                idle.left = 0;
                None
            }
        }
    }

    /// A sent answer's pipe, which is empty.
    pub(super) fn put(&self, outbox: Outbox) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).outboxes.push(outbox);
    }

    /// A pipe is gone; another one may be made.
    fn lost(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).left += 1;
    }
}
