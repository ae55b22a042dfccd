//! Which way the disks of a run take: from host to host, or through the orchestrator.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tokio::sync::OnceCell;

use super::side::Side;
use crate::agent::{AgentCommand, LINK_PORTS, LinkArgs, Report};
use crate::host::AgentStdio;
use crate::{Error, Event, EventSink, Result};

/// How the agents of the two hosts come together, found out when the first disk travels.
#[derive(Debug, Default)]
pub(super) struct Link(OnceCell<Vec<String>>);

impl Link {
    /// Where the agents of the source's host are reached from the destination's; none: disks travel through
    /// the orchestrator.
    pub(super) async fn addresses(
        &self,
        src: &Side,
        dst: &Side,
        events: &dyn EventSink,
    ) -> Result<&[String]> {
        let found = self.0.get_or_try_init(|| async {
            let (addresses, dialler) = tokio::try_join!(src.host.addresses(), dst.host.addresses())?;
            if addresses.is_empty() || dialler.is_empty() {
                return Ok(Vec::new());
            }
            let why_not = match try_link(src, dst, &addresses).await {
                Ok(None) => return Ok(addresses),
                Ok(Some(why_not)) => why_not,
                Err(error) => error.chain(),
            };
            let (from, to) = (dst.host.server(), src.host.server());
            let (first, last) = (LINK_PORTS.start(), LINK_PORTS.end());
            let message = format!(
                "disks travel through SSH and this machine, for {from} does not reach {to} by itself: {why_not}; \
                 let it in to the TCP ports {first}-{last} there, or say link=no"
            );
            events.emit(&Event::Warning { workload: None, message });
            Ok::<_, Error>(Vec::new())
        });
        Ok(found.await?)
    }

    /// How disks have travelled, as the end of a sentence; nothing where none has.
    pub(super) fn way(&self) -> &'static str {
        match self.0.get() {
            None => "",
            Some(addresses) if addresses.is_empty() => " through this machine",
            Some(_) => " from host to host",
        }
    }
}

/// Why two agents do not reach each other, if they do not.
async fn try_link(src: &Side, dst: &Side, addresses: &[String]) -> Result<Option<String>> {
    let (near, far) = UnixStream::pair()?;
    let waits = AgentCommand::Link(LinkArgs { addresses: Vec::new() });
    let dials = AgentCommand::Link(LinkArgs { addresses: addresses.to_vec() });
    let mut waiter = src.host.spawn(waits, AgentStdio::Talk(OwnedFd::from(near))).await?;
    let mut dialler = dst.host.spawn(dials, AgentStdio::Talk(OwnedFd::from(far))).await?;
    let (_, dialled) = tokio::try_join!(waiter.last_report(|_| {}), dialler.last_report(|_| {}))?;
    match dialled {
        Some(Report::Linked { at: Some(at), .. }) => {
            tracing::info!(%at, "disks travel from host to host");
            Ok(None)
        }
        Some(Report::Linked { why_not, .. }) => Ok(Some(why_not.unwrap_or_default())),
        _ => Ok(Some("the agents ended without a result".to_owned())),
    }
}
