//! When a failed request may be repeated, and after which time.
//!
//! The advice ([`Retry`]) is decided here, from the status and from whether
//! the request can do its work twice; the client only follows it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::{ErrorKind, Retry};

/// How often and how long a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most, the first time included.
    pub attempts: u32,
    /// The pause before the first repetition; each further one is twice as long.
    pub first_delay: Duration,
    /// The longest pause, unless the service asks for a longer one.
    pub longest_delay: Duration,
    /// The time after which no repetition is begun any more.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(300),
            longest_delay: Duration::from_secs(10),
            total: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// Never repeats anything.
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// The pause after attempt number `attempt` (from 1): doubled each time,
    /// and shortened by up to a half at random, so that clients that failed
    /// together do not come back together.
    pub(super) fn delay(&self, attempt: u32) -> Duration {
        let doubled =
            self.first_delay.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let [random, ..] = uuid::Uuid::new_v4().into_bytes();
        doubled.min(self.longest_delay).mul_f64(1.0 - f64::from(random) / 512.0)
    }
}

/// What to do about an answer of `status` that means `kind`.
pub(super) fn advice(
    kind: ErrorKind,
    status: StatusCode,
    after: Option<Duration>,
    idempotent: bool,
) -> Retry {
    let again = after.map_or(Retry::Safe, Retry::After);
    match (kind, status) {
        // Quota errors of Cinder come with `Retry-After: 0`, but no time heals them.
        (ErrorKind::Quota, _) => Retry::Never,
        // Turned away before any work was done.
        (ErrorKind::RateLimited, _) | (_, StatusCode::SERVICE_UNAVAILABLE) => again,
        (
            _,
            StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::REQUEST_TIMEOUT,
        ) if idempotent => again,
        _ => Retry::Never,
    }
}

/// The time named by `Retry-After`, in either of its forms.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let policy = RetryPolicy::default();
        for (attempt, most) in [(1, 300), (2, 600), (3, 1200), (6, 9600), (7, 10_000), (80, 10_000)] {
            let most = Duration::from_millis(most);
            let pauses: Vec<Duration> = (0..64).map(|_| policy.delay(attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause <= most && *pause >= most / 2), "{attempt}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{attempt}: no jitter");
        }
    }
}
