//! The wish to stop, shared by everyone who works on a run.

use tokio::sync::watch;

/// Says that a run shall end early, having put things back. Clones are one.
#[derive(Debug, Clone)]
pub struct Cancel {
    wish: watch::Sender<bool>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { wish: watch::Sender::new(false) }
    }
}

impl Cancel {
    /// Asks for the end.
    pub fn cancel(&self) {
        self.wish.send_replace(true);
    }

    /// Whether the end was asked for.
    pub fn is_cancelled(&self) -> bool {
        *self.wish.borrow()
    }

    /// Returns when the end is asked for.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn cancelled(&self) {
        let mut wish = self.wish.subscribe();
        // The sender lives as long as `self`.
        let _ended = wish.wait_for(|wish| *wish).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_before_or_after_is_heard() {
        let cancel = Cancel::default();
        let other = cancel.clone();
        let waiting = tokio::spawn(async move { other.cancelled().await });
        assert!(!cancel.is_cancelled());
        cancel.cancel();
        waiting.await.unwrap();
        cancel.cancelled().await;
        assert!(cancel.is_cancelled());
    }
}
