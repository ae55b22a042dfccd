//! One connection in its transmission phase: what callers and the connection's task share.
//!
//! ```text
//!   caller -> submit -> queue --> send loop --> server
//!      ^                                           |
//!      '---- oneshot <- table <-- receive loop <---'
//! ```
//!
//! Send loop, receive loop and watchdog are one task. However it ends (an error, a close, a panic,
//! the runtime going down), everything under way is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::Failure;
use super::handshake::{Negotiated, Ready};
use super::pending::{Finished, Outcome};
use super::table::{Frame, Operation, Table};
use super::{receive, send, watch};
use crate::{Error, ErrorKind, Result};

/// The first error that nobody waited for any more; the next flush tells it.
pub(super) type Unclaimed = Arc<Mutex<Option<Error>>>;

/// A connection that takes operations.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
    timeout: Duration,
}

/// What callers and the task of a connection share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is something to send, or the end is near.
    pub(super) wake: Notify,
    pending: AtomicUsize,
    unclaimed: Unclaimed,
    pub(super) negotiated: Negotiated,
}

/// The state of a connection.
pub(super) struct State {
    pub(super) table: Table,
    pub(super) queue: VecDeque<Frame>,
    /// No new operations; leave when the last is answered.
    pub(super) closing: bool,
    ended: Option<Failure>,
}

impl Connection {
    /// Starts the task of a connection that has its handshake behind it.
    pub(super) fn start(ready: Ready, timeout: Duration, unclaimed: Unclaimed) -> Self {
        let Ready { reader, writer, negotiated } = ready;
        let state = State { table: Table::default(), queue: VecDeque::new(), closing: false, ended: None };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Notify::new(),
            pending: AtomicUsize::new(0),
            unclaimed,
            negotiated,
        });
        let last_words = LastWords(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let shared = &last_words.0;
            let moved = reader.moved();
            let failure = tokio::select! {
                biased;
                failure = send::run(shared, writer) => failure,
                failure = receive::run(shared, reader) => failure,
                failure = watch::run(shared, moved, timeout) => failure,
            };
            shared.end(failure);
        });
        Self { shared, task: Mutex::new(Some(task)), timeout }
    }

    /// How many operations are under way; `None` when the connection has ended.
    pub(super) fn load(&self) -> Option<usize> {
        let pending = self.shared.pending.load(Ordering::Relaxed);
        (pending != ENDED).then_some(pending)
    }

    /// Carries out one operation.
    ///
    /// # Cancel safety
    /// The operation goes on when this is dropped; the next flush tells if it failed.
    pub(super) async fn submit(&self, operation: Operation) -> Result<Outcome> {
        let (to, result) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            if let Some(failure) = &state.ended {
                return Err(failure.error());
            }
            if state.closing {
                return Err(Failure::closed().error());
            }
            let frame = state.table.insert(operation, to);
            state.queue.push_back(frame);
            self.shared.pending.store(state.table.len(), Ordering::Relaxed);
        }
        self.shared.wake.notify_one();
        // The table always answers: at the latest when the task ends.
        result.await.unwrap_or_else(|_| Err(Failure::hung_up().error()))
    }

    /// Waits for what is under way, says `NBD_CMD_DISC` and closes the stream.
    pub(super) async fn close(&self) -> Result<()> {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task {
            // The watchdog ends a task that stands still; this is for a peer that trickles.
            if timeout(self.timeout.saturating_mul(2), &mut task).await.is_err() {
                task.abort();
                return Err(Failure::silent(self.timeout).error());
            }
        }
        match &self.shared.lock().ended {
            Some(failure) if failure.kind() != ErrorKind::Interrupted => Err(failure.error()),
            _ => Ok(()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

/// What `pending` says of a connection that has ended.
const ENDED: usize = usize::MAX;

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a caller.
    pub(super) fn deliver(&self, finished: Finished) {
        let Finished { writes, to, result } = finished;
        if let Err(Err(error)) = to.send(result)
            && writes
        {
            tracing::warn!(%error, "a write failed that nobody waits for");
            self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// To be called with what the table gave back, after the lock was released.
    pub(super) fn settle(&self, finished: Option<Finished>) {
        let Some(finished) = finished else { return };
        self.deliver(finished);
    }

    /// Something happened to an operation; whoever waits for it is told if that was its end.
    pub(super) fn conclude(&self, happened: impl FnOnce(&mut Table) -> Option<Finished>) {
        let finished = {
            let mut state = self.lock();
            let finished = happened(&mut state.table);
            self.count(&state);
            finished
        };
        self.settle(finished);
    }

    /// Records how much is under way; wakes the send loop when the last answer came to a closing
    /// connection.
    pub(super) fn count(&self, state: &State) {
        if state.ended.is_some() {
            return;
        }
        self.pending.store(state.table.len(), Ordering::Relaxed);
        if state.closing && state.table.is_empty() {
            self.wake.notify_one();
        }
    }

    /// The connection is over: tells everybody, once.
    fn end(&self, failure: Failure) {
        let finished = {
            let mut state = self.lock();
            state.queue.clear();
            self.pending.store(ENDED, Ordering::Relaxed);
            let failure = state.ended.get_or_insert(failure).clone();
            state.table.fail(|| failure.error())
        };
        for finished in finished {
            self.deliver(finished);
        }
    }
}

/// Ends the connection however its task ends.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        self.0.end(Failure::closed());
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("pending", &self.pending).finish_non_exhaustive()
    }
}
