//! When servers may be stopped.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::{Cancel, Error, ErrorKind, Result};

/// How often the clock is looked at: it may be set, and machines sleep.
const LOOK: Duration = Duration::from_secs(10);

/// The time in which servers may be stopped. What has begun by then is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub opens: Timestamp,
    /// Until when; without it there is no end.
    pub closes: Option<Timestamp>,
}

impl Window {
    /// How long until the window opens.
    pub(super) fn ahead(&self) -> Option<Duration> {
        let ahead = Duration::try_from(self.opens.duration_since(Timestamp::now())).ok()?;
        (!ahead.is_zero()).then_some(ahead)
    }

    /// Returns when the window is open.
    ///
    /// # Errors
    /// It is over, or the run was cancelled.
    pub(super) async fn wait(&self, cancel: &Cancel) -> Result<()> {
        while let Some(ahead) = self.ahead() {
            tokio::select! {
                () = sleep(ahead.min(LOOK)) => {}
                () = cancel.cancelled() => return Err(Error::interrupted()),
            }
        }
        self.check()
    }

    /// Whether a server may be stopped now.
    ///
    /// # Errors
    /// `Blocked` when the window is over.
    pub(super) fn check(&self) -> Result<()> {
        match self.closes {
            Some(closes) if Timestamp::now() >= closes => {
                let message = format!("the window has closed at {}", closes.strftime("%F %T UTC"));
                Err(Error::new(ErrorKind::Blocked, message).with_hint("run again with another window"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    #[tokio::test]
    async fn a_window_opens_and_closes() {
        let now = Timestamp::now();
        let over = Window { opens: now - 2.hours(), closes: Some(now - 1.hours()) };
        let error = over.wait(&Cancel::default()).await.unwrap_err();
        assert!(error.to_string().contains("has closed at"), "{error}");
        let soon = Window { opens: now + 300.milliseconds(), closes: None };
        assert!(soon.ahead().is_some());
        soon.wait(&Cancel::default()).await.unwrap();
        assert!(soon.ahead().is_none());
        let cancel = Cancel::default();
        cancel.cancel();
        let later = Window { opens: now + 1.hours(), closes: None };
        assert_eq!(later.wait(&cancel).await.unwrap_err().kind(), ErrorKind::Interrupted);
    }
}
