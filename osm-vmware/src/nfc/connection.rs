//! One connection in its asynchronous phase: what callers and the connection's task share.
//!
//! ```text
//!   caller -> submit -> queue --> send --> host
//!      ^                                    |
//!      '---- oneshot <- table <- receive <--'
//! ```
//!
//! Sending, receiving and the watchdog are one task. However it ends, everything under way is told.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::failure::Failure;
use super::receive;
use super::table::{Asked, Finished, Outcome, Table};
use crate::Result;

/// How long a host has to take notice of the end.
const LINGER: Duration = Duration::from_secs(2);

/// How many timeouts one request may wait while others are answered: it may only be slow.
const STARVED: u32 = 4;

/// A connection that takes requests. Its task ends when this is dropped, and what is queued was sent.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Vec<u8>>,
}

/// What callers and the task of a connection share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// How many bytes went either way.
    pub(super) moved: AtomicU64,
}

/// The state of a connection.
#[derive(Default)]
pub(super) struct State {
    pub(super) table: Table,
    ended: Option<Failure>,
}

impl Connection {
    /// Starts the task of a connection, on the runtime that its stream belongs to.
    pub(super) fn start(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        limit: Duration,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (queue, frames) = mpsc::unbounded_channel();
        let last_words = LastWords(Arc::clone(&shared));
        tokio::spawn(async move {
            let shared = &last_words.0;
            let (reader, writer) = split(stream);
            let mut receiving = pin!(receive::run(shared, reader));
            let failure = tokio::select! {
                biased;
                failure = &mut receiving => failure,
                sent = send(shared, frames, writer) => match sent {
                    Ok(()) => {
                        // Answers that nobody reads would make the kernel cut off what was just sent.
                        let _ = timeout(LINGER, receiving).await;
                        Failure::closed()
                    }
                    Err(error) => error.into(),
                },
                failure = watch(shared, limit) => failure,
            };
            shared.end(failure);
        });
        Self { shared, queue }
    }

    /// Makes a request; `frame` gives the bytes of the request of a number.
    ///
    /// # Cancel safety
    /// The request goes on when this is dropped.
    pub(super) async fn submit(&self, asked: Asked, frame: impl FnOnce(u32) -> Vec<u8>) -> Result<Outcome> {
        let result = self.begin(asked, frame)?;
        // The table always answers: at the latest when the task ends.
        result.await.unwrap_or_else(|_| Err(Failure::closed().error()))
    }

    /// Makes a request whose answer may be waited for.
    pub(super) fn begin(
        &self,
        asked: Asked,
        frame: impl FnOnce(u32) -> Vec<u8>,
    ) -> Result<oneshot::Receiver<Result<Outcome>>> {
        let (to, result) = oneshot::channel();
        let mut state = self.shared.lock();
        if let Some(failure) = &state.ended {
            return Err(failure.error());
        }
        let number = state.table.insert(asked, to);
        // Under the lock, so that requests go out in the order of their numbers. Without a task nobody takes it, and
        // the task has told everybody.
        drop(self.queue.send(frame(number)));
        Ok(result)
    }

    /// Whether nothing can be asked for any more.
    pub(super) fn has_ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// Sends what is not answered.
    pub(super) fn tell(&self, bytes: &[u8]) {
        drop(self.queue.send(bytes.to_vec()));
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called with what the table gave back, after the lock was released.
    pub(super) fn settle(&self, finished: Option<Finished>) {
        if let Some(finished) = finished {
            finished.deliver();
        }
    }

    /// The connection is over: tells everybody, once.
    fn end(&self, failure: Failure) {
        let finished = {
            let mut state = self.lock();
            let failure = state.ended.get_or_insert(failure).clone();
            state.table.fail(&failure)
        };
        finished.into_iter().for_each(Finished::deliver);
    }
}

/// Sends until nobody can ask for anything any more.
async fn send(
    shared: &Shared,
    mut frames: mpsc::UnboundedReceiver<Vec<u8>>,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(mut bytes) = frames.recv().await {
        while let Ok(more) = frames.try_recv() {
            bytes.extend_from_slice(&more);
        }
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        shared.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
    match timeout(LINGER, writer.shutdown()).await {
        Ok(result) => result,
        Err(_) => Ok(()),
    }
}

/// Ends when nothing moved for so long though something is under way.
async fn watch(shared: &Shared, limit: Duration) -> Failure {
    let step = (limit / 4).max(Duration::from_millis(1));
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        sleep(step).await;
        let oldest = shared.lock().table.oldest();
        let moved = shared.moved.load(Ordering::Relaxed);
        if oldest.is_none() || moved != seen {
            (seen, since) = (moved, Instant::now());
        }
        if since.elapsed() >= limit {
            return Failure::silent(limit);
        }
        if let Some(waited) = oldest.map(|made| made.elapsed())
            && waited >= limit.saturating_mul(STARVED)
        {
            return Failure::starved(waited);
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
        f.debug_struct("Shared").field("moved", &self.moved).finish_non_exhaustive()
    }
}
