//! A disk that is opened again when its connection breaks.
//!
//! Only for reading: a server that went away may have lost writes that it had acknowledged, and then it is
//! not enough to repeat the last one.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::block::{BlockSink, BlockSource, Buffer, ByteRange, Capabilities, Extent};
use crate::{Error, ErrorKind, Result, Retry};

/// Opens the disk.
type Open = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn BlockSource>>> + Send + Sync>;

/// How long a broken connection is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often in a row, while no request at all is answered.
    pub attempts: u32,
    /// How long to wait before the first of them; twice as long before each further one.
    pub first_delay: Duration,
}

impl Default for Patience {
    /// Five attempts in about half a minute.
    fn default() -> Self {
        Self { attempts: 5, first_delay: Duration::from_secs(1) }
    }
}

/// A disk that is read through a connection which may break.
pub struct Reconnect {
    open: Open,
    patience: Patience,
    size: u64,
    capabilities: Capabilities,
    current: Mutex<Current>,
    /// One at a time opens the disk again.
    opening: tokio::sync::Mutex<()>,
    /// How often it was opened again, or tried to be, since a request was last answered.
    unanswered: AtomicU32,
}

/// The open disk, and how many there were before it.
#[derive(Clone)]
struct Current {
    disk: Arc<dyn BlockSource>,
    number: u64,
}

impl Reconnect {
    /// Opens the disk for the first time.
    ///
    /// # Errors
    /// It cannot be opened: that is not tried again.
    pub async fn open<F>(open: F, patience: Patience) -> Result<Self>
    where
        F: Fn() -> BoxFuture<'static, Result<Arc<dyn BlockSource>>> + Send + Sync + 'static,
    {
        let disk = open().await?;
        Ok(Self {
            open: Box::new(open),
            patience,
            size: disk.size(),
            capabilities: disk.capabilities(),
            current: Mutex::new(Current { disk, number: 0 }),
            opening: tokio::sync::Mutex::new(()),
            unanswered: AtomicU32::new(0),
        })
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A disk that was opened after the one of this number, which broke.
    async fn reopened(&self, broken: u64, mut error: Error) -> Result<Current> {
        let _opening = self.opening.lock().await;
        let current = self.current();
        if current.number > broken {
            return Ok(current);
        }
        loop {
            let made = self.unanswered.fetch_add(1, Ordering::Relaxed);
            if made >= self.patience.attempts {
                return Err(error.with_retry(Retry::Exhausted));
            }
            let left = self.patience.attempts - made;
            tracing::warn!(%error, left, "the connection to a disk broke, it is opened again");
            sleep(self.patience.first_delay.saturating_mul(1 << made.min(16))).await;
            match (self.open)().await {
                Ok(disk) => return self.replace(disk, broken + 1),
                Err(again) if is_broken(&again) => error = again,
                Err(again) => return Err(again),
            }
        }
    }

    fn replace(&self, disk: Arc<dyn BlockSource>, number: u64) -> Result<Current> {
        if disk.size() != self.size || disk.capabilities() != self.capabilities {
            let message = format!("the disk is another one since it was opened again: {} bytes", disk.size());
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        let current = Current { disk, number };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current.clone();
        Ok(current)
    }
}

/// The disk that one request is sent to, and the next one when it breaks.
struct Attempts<'a> {
    of: &'a Reconnect,
    current: Current,
}

impl<'a> Attempts<'a> {
    fn new(of: &'a Reconnect) -> Self {
        Self { of, current: of.current() }
    }

    /// The disk answered: patience begins anew, for every request.
    fn answered<T>(&self, answer: T) -> T {
        self.of.unanswered.store(0, Ordering::Relaxed);
        answer
    }

    /// Waits, and opens the disk again; the error when it is not the connection's or patience has ended.
    async fn after(&mut self, error: Error) -> Result<()> {
        if !is_broken(&error) {
            return Err(error);
        }
        self.current = self.of.reopened(self.current.number, error).await?;
        Ok(())
    }
}

fn is_broken(error: &Error) -> bool {
    error.kind() == ErrorKind::Io && matches!(error.retry(), Retry::Safe | Retry::After(_))
}

#[async_trait]
impl BlockSource for Reconnect {
    fn size(&self) -> u64 {
        self.size
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        let length = buffer.len();
        let mut attempts = Attempts::new(self);
        // A request that fails keeps its buffer.
        let mut buffer = Some(buffer);
        loop {
            let buffer = buffer.take().unwrap_or_else(|| Buffer::zeroed(length));
            match attempts.current.disk.read(offset, buffer).await {
                Ok(buffer) => return Ok(attempts.answered(buffer)),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        let mut attempts = Attempts::new(self);
        loop {
            match attempts.current.disk.extents(range).await {
                Ok(extents) => return Ok(attempts.answered(extents)),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn splice(&self, range: ByteRange, sink: &Arc<dyn BlockSink>) -> Result<Vec<ByteRange>> {
        let mut attempts = Attempts::new(self);
        loop {
            match attempts.current.disk.splice(range, sink).await {
                Ok(zeroes) => return Ok(attempts.answered(zeroes)),
                Err(error) => attempts.after(error).await?,
            }
        }
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current();
        f.debug_struct("Reconnect")
            .field("disk", &current.disk)
            .field("opened_again", &current.number)
            .finish()
    }
}
