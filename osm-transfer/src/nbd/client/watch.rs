//! The watchdog: a peer that stands still is given up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::transport::Moved;
use super::connection::Shared;
use super::failure::Failure;

/// How many timeouts one request may wait while others are answered: it may only be slow.
const STARVED: u32 = 4;

/// Ends when nothing moved for `timeout` though something is under way.
pub(super) async fn run(shared: &Shared, moved: Moved, timeout: Duration) -> Failure {
    let step = (timeout / 4).max(Duration::from_millis(1));
    let (mut seen, mut since) = (moved.total(), Instant::now());
    loop {
        sleep(step).await;
        let (idle, oldest) = {
            let state = shared.lock();
            (!state.table.is_waiting() && !state.closing, state.table.oldest())
        };
        let total = moved.total();
        if idle || total != seen {
            (seen, since) = (total, Instant::now());
        }
        if since.elapsed() >= timeout {
            return Failure::silent(timeout);
        }
        if let Some(waited) = oldest.map(|sent| sent.elapsed())
            && waited >= timeout.saturating_mul(STARVED)
        {
            return Failure::starved(waited);
        }
    }
}
