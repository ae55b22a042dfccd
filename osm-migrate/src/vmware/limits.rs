//! How many disks are read at once: an ESXi host has memory for some, and a vCenter connections for some more.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::{Error, ErrorKind, Result};

/// The places that disks are read in.
#[derive(Debug)]
pub(super) struct Limits {
    vcenter: Arc<Semaphore>,
    per_host: usize,
    /// By the reference of the ESXi host.
    hosts: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Limits {
    pub(super) fn new(per_vcenter: usize, per_host: usize) -> Self {
        let vcenter = Arc::new(Semaphore::new(per_vcenter.max(1)));
        Self { vcenter, per_host: per_host.max(1), hosts: Mutex::default() }
    }

    /// A place for a disk of a machine on this ESXi host; it is given back when it is dropped.
    pub(super) async fn place(&self, host: Option<&str>) -> Result<[OwnedSemaphorePermit; 2]> {
        let places = || Arc::new(Semaphore::new(self.per_host));
        let of_host = Arc::clone(
            self.hosts.lock().await.entry(host.unwrap_or_default().to_owned()).or_insert_with(places),
        );
        let closed = |_| Error::new(ErrorKind::Interrupted, "no places are given out any more");
        // The narrower one first, or who waits for a host keeps others from theirs.
        let host = of_host.acquire_owned().await.map_err(closed)?;
        let vcenter = Arc::clone(&self.vcenter).acquire_owned().await.map_err(closed)?;
        Ok([host, vcenter])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_host_that_is_full_keeps_nobody_from_another() {
        let limits = Limits::new(3, 1);
        let first = limits.place(Some("host-9")).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(20), limits.place(Some("host-9")));
        assert!(waits.await.is_err());
        let _second = limits.place(Some("host-10")).await.unwrap();
        let _third = limits.place(None).await.unwrap();
        let full = tokio::time::timeout(Duration::from_millis(20), limits.place(Some("host-11")));
        assert!(full.await.is_err(), "the vCenter has no place left");
        drop(first);
        drop(limits.place(Some("host-9")).await.unwrap());
    }
}
