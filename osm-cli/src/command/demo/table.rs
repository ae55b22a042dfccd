//! What the demo ends with: the tenant as the destination cloud has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use osm_migrate::{Event, EventSink};
use osm_openstack::Session;
use osm_openstack::block_storage::Filter;
use osm_openstack::compute::ServerFilter;

use crate::output;

/// How much of a digest is shown.
const SHOWN_DIGITS: usize = 16;

/// Passes events on, and remembers the digests of verified disks.
pub(super) struct Witness {
    next: Arc<dyn EventSink>,
    /// Digest by workload and volume.
    verified: Mutex<BTreeMap<(String, String), String>>,
}

impl Witness {
    pub(super) fn new(next: Arc<dyn EventSink>) -> Self {
        Self { next, verified: Mutex::default() }
    }

    /// One line a disk: where it is now, and the hash that both ends share.
    pub(super) async fn table(&self, dst: &Session) -> Result<String> {
        let servers = dst.compute().await?.servers(&ServerFilter::default()).await?;
        let volumes = dst.block_storage().await?.volumes(&Filter::default()).await?;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let size_of = |name: &str| {
            let found = volumes.iter().find(|volume| volume.name.as_deref() == Some(name));
            found.map(|volume| format!("{} GiB", volume.size)).unwrap_or_default()
        };
        let shown = |digest: &str| format!("{}...", digest.get(..SHOWN_DIGITS).unwrap_or(digest));
        let mut rows = Vec::new();
        for server in
            servers.iter().filter(|server| verified.keys().any(|(workload, _)| *workload == server.name))
        {
            let addresses: Vec<&str> = server
                .addresses
                .iter()
                .flat_map(|(_, list)| list)
                .map(|address| address.addr.as_str())
                .collect();
            let disks = verified.iter().filter(|((workload, _), _)| *workload == server.name);
            for (index, ((_, volume), digest)) in disks.enumerate() {
                let first = |text: &str| if index == 0 { text.to_owned() } else { String::new() };
                rows.push(vec![
                    first(&server.name),
                    first(&server.status),
                    first(&addresses.join(" ")),
                    volume.clone(),
                    size_of(volume),
                    shown(digest),
                ]);
            }
        }
        // What is left belongs to no server.
        verified.retain(|(workload, _), _| !servers.iter().any(|server| server.name == *workload));
        for ((_, volume), digest) in &verified {
            let nothing = String::new();
            rows.push(vec![
                "-".to_owned(),
                nothing.clone(),
                nothing,
                volume.clone(),
                size_of(volume),
                shown(digest),
            ]);
        }
        Ok(output::table(&["server", "status", "addresses", "disk", "size", "equal, BLAKE3"], rows))
    }
}

impl EventSink for Witness {
    fn emit(&self, event: &Event) {
        if let Event::DiskVerified { workload, volume, digest } = event {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert((workload.clone(), volume.clone()), digest.clone());
        }
        self.next.emit(event);
    }
}
