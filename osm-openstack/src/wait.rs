//! Waiting for an object to reach a state, never without a deadline.
//!
//! The caller looks at the object and says what it saw ([`Observation`]);
//! this module decides when to look again and when to give up.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Error, ErrorKind, Result, Retry};

/// What one look at the object showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation<T> {
    /// The wanted state is reached.
    Ready(T),
    /// Not yet; the text names the state seen: `BUILD`, `creating`.
    Pending(String),
    /// It will never be reached; the text names the state and the fault.
    Failed(String),
}

impl<T> Observation<T> {
    /// The failure of an object with `status`, and the service's fault message if it gave one.
    pub fn failed(status: &str, fault: Option<&str>) -> Self {
        match fault.map(str::trim).filter(|fault| !fault.is_empty()) {
            Some(fault) => Self::Failed(format!("status {status}: {fault}")),
            None => Self::Failed(format!("status {status}")),
        }
    }
}

/// How often to look: quickly at first, then ever more slowly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Poll {
    first: Duration,
    longest: Duration,
    factor: f64,
}

impl Poll {
    /// Looks after `first`, then after times growing up to `longest`.
    pub fn growing(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.max(first), factor: 1.6 }
    }

    /// Looks at a fixed interval.
    pub fn every(interval: Duration) -> Self {
        Self { first: interval, longest: interval, factor: 1.0 }
    }

    fn next(&self, delay: Duration) -> Duration {
        delay.mul_f64(self.factor).min(self.longest)
    }
}

impl Default for Poll {
    fn default() -> Self {
        Self::growing(Duration::from_millis(20), Duration::from_secs(5))
    }
}

/// A point in time after which nothing is waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `time` from now.
    pub fn after(time: Duration) -> Self {
        // A duration too long to add is as good as "in thirty years".
        let now = Instant::now();
        Self(now.checked_add(time).unwrap_or(now + Duration::from_secs(30 * 365 * 86_400)))
    }

    /// How much time is left; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn expired(&self) -> bool {
        self.remaining().is_zero()
    }
}

/// Looks at an object until it is ready, at most for `limit`.
///
/// A look that fails in a way that may pass (a service away for a moment) is
/// repeated until the deadline; any other error ends the wait.
///
/// # Errors
/// `Timeout` with the last state seen when the deadline passes; `State` when
/// the object failed; the look's own error when that is final.
pub async fn wait_for<T, F, Fut>(what: &str, limit: Duration, poll: Poll, mut observe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Observation<T>>>,
{
    let deadline = Deadline::after(limit);
    let mut delay = poll.first;
    let mut last_state: Option<String> = None;
    let mut last_error: Option<Error> = None;
    loop {
        let asked = match timeout_at(deadline.0, observe()).await {
            Ok(Ok(Observation::Ready(value))) => return Ok(value),
            Ok(Ok(Observation::Failed(state))) => {
                return Err(Error::new(ErrorKind::State, format!("{what} failed: {state}")));
            }
            Ok(Ok(Observation::Pending(state))) => {
                last_state = Some(state);
                last_error = None;
                Duration::ZERO
            }
            Ok(Err(error)) if error.retry() == Retry::Never => return Err(error),
            Ok(Err(error)) => {
                tracing::warn!(%error, what, "could not look, will look again");
                let asked = if let Retry::After(time) = error.retry() { time } else { Duration::ZERO };
                last_error = Some(error);
                asked
            }
            Err(_) => return Err(timed_out(what, limit, last_state, last_error)),
        };
        if deadline.expired() {
            return Err(timed_out(what, limit, last_state, last_error));
        }
        sleep(delay.max(asked).min(deadline.remaining())).await;
        delay = poll.next(delay);
    }
}

fn timed_out(what: &str, limit: Duration, state: Option<String>, cause: Option<Error>) -> Error {
    let seen =
        state.map_or_else(|| "nothing was seen of it".to_owned(), |state| format!("last seen {state}"));
    let error = Error::new(ErrorKind::Timeout, format!("{what} was not ready within {limit:?}, {seen}"));
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

#[cfg(test)]
#[path = "wait/tests.rs"]
mod tests;
