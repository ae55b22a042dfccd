//! A disk that is opened again when its connection breaks.
//!
//! Only for reading: a server that went away may have lost writes that it had acknowledged, and then it is
//! not enough to repeat the last one.

use std::fmt;
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
    /// How often in a row.
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
        })
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A disk that was opened after the one of this number.
    async fn reopened(&self, broken: u64) -> Result<Current> {
        let _opening = self.opening.lock().await;
        let current = self.current();
        if current.number > broken {
            return Ok(current);
        }
        let disk = (self.open)().await?;
        if disk.size() != self.size || disk.capabilities() != self.capabilities {
            let message = format!("the disk is another one since it was opened again: {} bytes", disk.size());
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        let current = Current { disk, number: current.number + 1 };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current.clone();
        Ok(current)
    }
}

/// The attempts of one request.
struct Attempts<'a> {
    of: &'a Reconnect,
    current: Current,
    left: u32,
    delay: Duration,
}

impl<'a> Attempts<'a> {
    fn new(of: &'a Reconnect) -> Self {
        let Patience { attempts, first_delay } = of.patience;
        Self { of, current: of.current(), left: attempts, delay: first_delay }
    }

    /// Waits, and opens the disk again; the error when it is not the connection's or patience has ended.
    async fn after(&mut self, mut error: Error) -> Result<()> {
        while is_broken(&error) {
            if self.left == 0 {
                return Err(error.with_retry(Retry::Exhausted));
            }
            tracing::warn!(%error, left = self.left, "the connection to a disk broke, it is opened again");
            self.left -= 1;
            sleep(self.delay).await;
            self.delay = self.delay.saturating_mul(2);
            match self.of.reopened(self.current.number).await {
                Ok(current) => {
                    self.current = current;
                    return Ok(());
                }
                Err(again) => error = again,
            }
        }
        Err(error)
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
                Ok(buffer) => return Ok(buffer),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        let mut attempts = Attempts::new(self);
        loop {
            match attempts.current.disk.extents(range).await {
                Ok(extents) => return Ok(extents),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn splice(&self, range: ByteRange, sink: &Arc<dyn BlockSink>) -> Result<Vec<ByteRange>> {
        let mut attempts = Attempts::new(self);
        loop {
            match attempts.current.disk.splice(range, sink).await {
                Ok(zeroes) => return Ok(zeroes),
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
