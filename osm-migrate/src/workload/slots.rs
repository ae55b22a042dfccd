//! How much is done at once: disks that bear a label, and disks that are attached to a conversion host.
//!
//! A disk has labels: `copies`, `type:TYPE` and `zone:ZONE` of its volume in the destination, and those of its workload's
//! `_migration_params.labels`. A limit on a label holds while the bytes of a disk travel. Who waits longest is next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use osm_model::Server as Workload;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::place::Place;
use crate::{Error, ErrorKind, Result};

/// The label of every disk.
const COPIES: &str = "copies";

/// What limits the volumes that are attached to a host at once.
const ATTACHED: &str = "attached";

/// Volumes on a host, unless said otherwise: QEMU has room for 26 disks on a virtio bus, some less where other devices
/// are.
const MOST_ATTACHED: usize = 20;

/// The places that there are.
#[derive(Debug)]
pub(super) struct Slots {
    labels: BTreeMap<String, Arc<Semaphore>>,
    /// By the id of the host's server.
    hosts: BTreeMap<String, Arc<Semaphore>>,
    attached: usize,
    /// Who copies a shared volume.
    shared: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

impl Slots {
    /// Places for disks by label, and for volumes on each of these hosts.
    pub(super) fn new(limits: &BTreeMap<String, usize>, hosts: impl IntoIterator<Item = String>) -> Self {
        let attached = limits.get(ATTACHED).copied().unwrap_or(MOST_ATTACHED);
        let places = |count: usize| Arc::new(Semaphore::new(count));
        Self {
            labels: limits.iter().map(|(label, count)| (label.clone(), places(*count))).collect(),
            hosts: hosts.into_iter().map(|host| (host, places(attached))).collect(),
            attached,
            shared: Mutex::default(),
        }
    }

    /// Returns once nobody else of this run works on a shared volume.
    pub(super) async fn alone(&self, volume: &str) -> OwnedMutexGuard<()> {
        let place = Arc::clone(self.shared.lock().await.entry(volume.to_owned()).or_default());
        place.lock_owned().await
    }

    /// A place under each label that is limited; they are given back when they are dropped.
    pub(super) async fn copying(&self, labels: &BTreeSet<String>) -> Result<Vec<OwnedSemaphorePermit>> {
        let mut places = Vec::new();
        // Everybody takes them in the order of the labels, so that nobody waits for somebody who waits for them.
        for label in labels {
            if let Some(slots) = self.labels.get(label) {
                places.push(Arc::clone(slots).acquire_owned().await.map_err(closed)?);
            }
        }
        Ok(places)
    }

    /// Whether a host may have so many disks at all.
    pub(super) fn check(&self, disks: usize) -> Result<()> {
        if disks <= self.attached {
            return Ok(());
        }
        let message = format!("it has {disks} disks, and a conversion host gets {} at once", self.attached);
        Err(Error::new(ErrorKind::Blocked, message)
            .with_hint(format!("allow more with --limit {ATTACHED}={disks}, if the hosts can have them")))
    }

    /// Places for all disks of a workload on both its hosts.
    ///
    /// # Errors
    /// There are more disks than places.
    pub(super) async fn attaching(
        &self,
        hosts: [&str; 2],
        disks: usize,
    ) -> Result<Vec<OwnedSemaphorePermit>> {
        self.check(disks)?;
        let wanted = u32::try_from(disks).unwrap_or(u32::MAX);
        let mut places = Vec::new();
        // First the source's, then the destination's: as above. One host may be both.
        for host in hosts {
            if let Some(slots) = self.hosts.get(host) {
                places.push(Arc::clone(slots).acquire_many_owned(wanted).await.map_err(closed)?);
            }
        }
        Ok(places)
    }
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Interrupted, "no places are given out any more").with_source(error)
}

/// The labels of a disk of a workload, whose copy is a volume in this place.
pub(super) fn labels(place: &Place, workload: &Workload) -> BTreeSet<String> {
    let named = |word: &str, name: &Option<String>| name.as_ref().map(|name| format!("{word}:{name}"));
    let places = [named("type", &place.volume_type), named("zone", &place.zone)];
    let own = workload.migration_params.labels.iter().flatten().cloned();
    places.into_iter().flatten().chain(own).chain([COPIES.to_owned()]).collect()
}

/// Which pair of hosts each workload gets, by its size: in order, the one that has got least so far. The same workloads
/// get the same pairs.
pub(super) fn assign(sizes: &[u64], pairs: usize) -> Vec<usize> {
    let mut loads = vec![0; pairs.max(1)];
    let mut assigned = Vec::new();
    for size in sizes {
        let least = loads.iter().enumerate().min_by_key(|(index, load)| (**load, *index));
        let pair = least.map_or(0, |(index, _)| index);
        assigned.push(pair);
        loads[pair] += (*size).max(1);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::time::Duration;

    use super::*;

    #[test]
    fn workloads_are_spread_by_size_and_always_alike() {
        assert_eq!(assign(&[10, 1, 1, 1, 9, 1], 2), [0, 1, 1, 1, 1, 0]);
        assert_eq!(assign(&[0, 0, 0], 3), [0, 1, 2]);
        assert_eq!(assign(&[5, 5], 1), [0, 0]);
    }

    async fn is_waiting(work: Pin<&mut impl Future>) -> bool {
        tokio::time::timeout(Duration::from_millis(20), work).await.is_err()
    }

    #[tokio::test]
    async fn a_limit_holds_and_waiting_ends() {
        let slots = Slots::new(&[("type:ssd".to_owned(), 1)].into(), ["a".to_owned(), "b".to_owned()]);
        let ssd: BTreeSet<String> = ["copies".to_owned(), "type:ssd".to_owned()].into();
        let first = slots.copying(&ssd).await.unwrap();
        let mut second = std::pin::pin!(slots.copying(&ssd));
        assert!(is_waiting(second.as_mut()).await);
        assert_eq!(slots.copying(&["type:hdd".to_owned()].into()).await.unwrap().len(), 0, "not limited");
        drop(first);
        assert_eq!(second.await.unwrap().len(), 1);
        let hosts = slots.attaching(["a", "b"], 15).await.unwrap();
        let mut waiting = std::pin::pin!(slots.attaching(["a", "b"], 6));
        assert!(is_waiting(waiting.as_mut()).await);
        drop(hosts);
        assert_eq!(waiting.await.unwrap().len(), 2);
        assert_eq!(slots.attaching(["a", "b"], 21).await.unwrap_err().kind(), ErrorKind::Blocked);
    }
}
