//! The flag that stops a transfer.

use tokio::sync::watch;

/// Stops every transfer that was given a clone of it.
#[derive(Debug, Clone)]
pub struct CancelFlag {
    raised: watch::Sender<bool>,
}

impl CancelFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self { raised: watch::Sender::new(false) }
    }

    /// Raises the flag, for good.
    pub fn cancel(&self) {
        self.raised.send_replace(true);
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        *self.raised.borrow()
    }

    /// Returns once the flag is raised.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn cancelled(&self) {
        // The sender lives as long as `self`, so the wait ends only with the flag.
        let _ = self.raised.subscribe().wait_for(|raised| *raised).await;
    }
}

impl Default for CancelFlag {
    fn default() -> Self {
        Self::new()
    }
}
