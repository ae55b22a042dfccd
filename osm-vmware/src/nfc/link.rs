//! The connection that a disk is read over, and the next one when it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use osm_transfer::Retry;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::dial;
use super::failure::Failure;
use super::open::OpenDisk;
use super::options::NfcOptions;
use super::ticket::TicketDesk;
use crate::{Error, ErrorKind, Result};

/// Where a disk is, and the connection to it.
#[derive(Debug)]
pub(super) struct Link {
    desk: TicketDesk,
    pub(super) path: String,
    pub(super) options: NfcOptions,
    pub(super) size: u64,
    state: Mutex<State>,
    /// How often the host was given up: whoever waited meanwhile does not begin anew.
    given_up: AtomicU64,
}

#[derive(Debug)]
struct State {
    open: Option<Arc<OpenDisk>>,
    /// Why the host was given up last.
    why: Option<Failure>,
}

/// How often something may still be tried, and what is waited before.
#[derive(Debug)]
pub(super) struct Attempts {
    left: u32,
    pause: Duration,
    given_up: u64,
}

impl Attempts {
    /// One is used up by an error; after the last, and after one that would come again, there is none.
    async fn after(&mut self, error: Error) -> Result<()> {
        if error.retry() != Retry::Safe || self.left == 0 {
            return Err(error);
        }
        tracing::debug!(%error, "the connection is lost, another one is made");
        self.left -= 1;
        sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2);
        Ok(())
    }
}

impl Link {
    /// Opens a disk for the first time; a host that does not answer may be tried again.
    pub(super) async fn open(
        desk: TicketDesk,
        path: String,
        size: u64,
        options: NfcOptions,
    ) -> Result<(Self, Arc<OpenDisk>)> {
        let state = Mutex::new(State { open: None, why: None });
        let link = Self { desk, path, options, size, state, given_up: AtomicU64::new(0) };
        let open = link.disk(&mut link.attempts()).await?;
        Ok((link, open))
    }

    pub(super) fn attempts(&self) -> Attempts {
        Attempts {
            left: self.options.attempts.saturating_sub(1),
            pause: self.options.pause,
            given_up: self.given_up.load(Ordering::Acquire),
        }
    }

    /// The open disk. One task at a time opens it again, the others wait for that.
    pub(super) async fn disk(&self, attempts: &mut Attempts) -> Result<Arc<OpenDisk>> {
        let mut state = self.state.lock().await;
        // A host may close a connection that nobody used for long.
        if let Some(open) = state.open.as_ref().filter(|open| !open.has_ended()) {
            return Ok(Arc::clone(open));
        }
        state.open = None;
        let is_given_up = self.given_up.load(Ordering::Acquire) != attempts.given_up;
        if let Some(why) = state.why.as_ref().filter(|_| is_given_up) {
            return Err(why.error());
        }
        loop {
            match self.dial().await {
                Ok(open) => {
                    let open = Arc::new(open);
                    state.open = Some(Arc::clone(&open));
                    return Ok(open);
                }
                Err(error) => {
                    let why = Failure::of(&error);
                    if let Err(error) = attempts.after(error).await {
                        state.why = Some(why);
                        self.given_up.fetch_add(1, Ordering::Release);
                        return Err(error);
                    }
                }
            }
        }
    }

    /// What `open` was used for failed: gives it up if its connection is over. An error that would come again is
    /// given back.
    pub(super) async fn lost(
        &self,
        open: &Arc<OpenDisk>,
        error: Error,
        attempts: &mut Attempts,
    ) -> Result<()> {
        if open.has_ended() {
            // Another task may have opened it again already.
            let mut state = self.state.lock().await;
            state.open.take_if(|current| Arc::ptr_eq(current, open));
        }
        attempts.after(error).await
    }

    /// Closes the connection, if there is one.
    pub(super) async fn close(&self) {
        let open = self.state.lock().await.open.take();
        if let Some(open) = open {
            open.close().await;
        }
    }

    async fn dial(&self) -> Result<OpenDisk> {
        let ticket = self.desk.ticket().await?;
        let open = dial::open(ticket, self.desk.version, &self.path, &self.options).await?;
        if open.size == self.size {
            return Ok(open);
        }
        let message =
            format!("the host opens a disk of {} bytes, the snapshot's has {}", open.size, self.size);
        Err(Error::new(ErrorKind::BadResponse, message).with_object(self.path.clone()))
    }
}
