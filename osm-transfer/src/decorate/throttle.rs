//! A disk that is read no faster than it may be.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use crate::Result;
use crate::block::{BlockSink, BlockSource, Buffer, ByteRange, Capabilities, Extent};

/// How long a changed rate may take to count.
const ATTENTION: Duration = Duration::from_millis(200);

/// What may be read at once after a rest, in seconds of the rate.
const BURST: f64 = 0.1;

/// How many bytes a second may pass. Clones are one rate, for one disk or for many; it can be changed at
/// any time.
#[derive(Debug, Clone)]
pub struct Rate(Arc<Mutex<Bucket>>);

#[derive(Debug)]
struct Bucket {
    /// Bytes a second; none: no limit.
    rate: Option<u64>,
    /// Bytes that may pass now; less than none when a large request has passed.
    credit: f64,
    since: Instant,
}

impl Rate {
    /// This many bytes a second, or as many as there are.
    pub fn new(bytes: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(Bucket { rate: bytes, credit: 0.0, since: Instant::now() })))
    }

    /// Changes it, also for who is waiting.
    pub fn set(&self, bytes: Option<u64>) {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.refill();
        bucket.rate = bytes;
        bucket.credit = bucket.credit.min(0.0);
    }

    /// What it is now.
    pub fn get(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rate
    }

    /// Waits until `bytes` may pass.
    async fn admit(&self, bytes: u64) {
        loop {
            let wait = {
                let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                bucket.refill();
                match bucket.rate {
                    None => return,
                    // A request longer than the credit passes as a whole, and the next ones wait for it.
                    Some(_) if bucket.credit >= 0.0 => {
                        bucket.credit -= bytes as f64;
                        return;
                    }
                    Some(0) => ATTENTION,
                    Some(rate) => Duration::from_secs_f64((-bucket.credit / rate as f64).min(1.0)),
                }
            };
            sleep(wait.min(ATTENTION)).await;
        }
    }
}

impl Bucket {
    fn refill(&mut self) {
        let passed = self.since.elapsed();
        self.since += passed;
        let rate = self.rate.unwrap_or(0) as f64;
        // Credit is not saved up: the link is shared with somebody.
        self.credit = (self.credit + passed.as_secs_f64() * rate).min(rate * BURST);
    }
}

/// A disk with a rate; extents, and what they say is zero, cost nothing.
#[derive(Debug)]
pub struct Throttle {
    disk: Arc<dyn BlockSource>,
    rate: Rate,
}

impl Throttle {
    /// The disk, read no faster than this.
    pub fn new(disk: Arc<dyn BlockSource>, rate: Rate) -> Self {
        Self { disk, rate }
    }
}

#[async_trait]
impl BlockSource for Throttle {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        self.disk.capabilities()
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> Result<Buffer> {
        self.rate.admit(buffer.len() as u64).await;
        self.disk.read(offset, buffer).await
    }

    async fn extents(&self, range: ByteRange) -> Result<Vec<Extent>> {
        self.disk.extents(range).await
    }

    async fn splice(&self, range: ByteRange, sink: &Arc<dyn BlockSink>) -> Result<Vec<ByteRange>> {
        self.rate.admit(range.len).await;
        self.disk.splice(range, sink).await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.disk.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;

    async fn time(rate: &Rate, requests: u64, bytes: u64) -> Duration {
        let started = Instant::now();
        for _ in 0..requests {
            rate.admit(bytes).await;
        }
        started.elapsed()
    }

    #[tokio::test]
    async fn no_more_passes_than_the_rate_lets() {
        assert!(time(&Rate::new(None), 1000, 1 << 30).await < Duration::from_millis(100));
        // 300 KiB, of which the first 100 KiB request is free.
        let took = time(&Rate::new(Some(1000 * KIB)), 4, 100 * KIB).await;
        assert!(took >= Duration::from_millis(290), "{took:?}");
    }

    #[tokio::test]
    async fn a_change_counts_for_who_is_waiting_and_nothing_passes_at_zero() {
        let rate = Rate::new(Some(0));
        rate.admit(1).await;
        let waiting = tokio::spawn({
            let rate = rate.clone();
            async move { rate.admit(1).await }
        });
        sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        rate.set(None);
        tokio::time::timeout(ATTENTION * 10, waiting).await.unwrap().unwrap();
        assert_eq!(rate.get(), None);
    }
}
