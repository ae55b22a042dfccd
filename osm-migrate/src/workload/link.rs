//! Which way the disks of a run take: from host to host, or through the orchestrator.

use tokio::sync::OnceCell;

use super::side::Side;
use crate::host::{Reach, reach};
use crate::{Event, EventSink};

/// How the agents of the two hosts come together, found out when the first disk travels.
#[derive(Debug, Default)]
pub(super) struct Link(OnceCell<Reach>);

impl Link {
    /// Where the agents of the source's host are reached from the destination's; none: disks travel through
    /// the orchestrator.
    pub(super) async fn addresses(&self, src: &Side, dst: &Side, events: &dyn EventSink) -> &[String] {
        let found = self.0.get_or_init(|| async {
            let found = reach(src.host.as_ref(), dst.host.as_ref()).await;
            let found = found.unwrap_or_else(|error| Reach::Relayed(error.chain()));
            if let Some(message) = found.advice(src.host.server(), dst.host.server()) {
                events.emit(&Event::Warning { workload: None, message });
            }
            found
        });
        match found.await {
            Reach::Direct(addresses) => addresses,
            Reach::Relayed(_) | Reach::Unasked => &[],
        }
    }

    /// How disks have travelled, as the end of a sentence; nothing where none has.
    pub(super) fn way(&self) -> &'static str {
        match self.0.get() {
            None => "",
            Some(Reach::Direct(_)) => " from host to host",
            Some(Reach::Relayed(_) | Reach::Unasked) => " through this machine",
        }
    }
}
