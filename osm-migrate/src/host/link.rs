//! Whether the agents of two hosts reach each other by themselves.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::{AgentStdio, ConversionHost};
use crate::Result;
use crate::agent::{AgentCommand, LINK_PORTS, LinkArgs, Report};

/// How the agents of two hosts come together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The destination's reach the source's at the first of these addresses that answers.
    Direct(Vec<String>),
    /// They do not, for this reason.
    Relayed(String),
    /// Nobody wants them to, or one of the hosts is this machine.
    Unasked,
}

/// Tries it, with an agent on each host.
///
/// # Errors
/// A host does not answer.
pub async fn reach(src: &dyn ConversionHost, dst: &dyn ConversionHost) -> Result<Reach> {
    let (addresses, dialler) = tokio::try_join!(src.addresses(), dst.addresses())?;
    if addresses.is_empty() || dialler.is_empty() {
        return Ok(Reach::Unasked);
    }
    let (near, far) = UnixStream::pair()?;
    let waits = AgentCommand::Link(LinkArgs { addresses: Vec::new() });
    let dials = AgentCommand::Link(LinkArgs { addresses: addresses.clone() });
    let mut waiter = src.spawn(waits, AgentStdio::Talk(OwnedFd::from(near))).await?;
    let mut dialler = dst.spawn(dials, AgentStdio::Talk(OwnedFd::from(far))).await?;
    let (_, dialled) = tokio::try_join!(waiter.last_report(|_| {}), dialler.last_report(|_| {}))?;
    Ok(match dialled {
        Some(Report::Linked { at: Some(at), .. }) => {
            tracing::info!(%at, "agents reach each other");
            Reach::Direct(addresses)
        }
        Some(Report::Linked { why_not, .. }) => Reach::Relayed(why_not.unwrap_or_default()),
        _ => Reach::Relayed("the agents ended without a result".to_owned()),
    })
}

impl Reach {
    /// What the operator should know, where it is not as good as it could be.
    pub fn advice(&self, src: &str, dst: &str) -> Option<String> {
        let Self::Relayed(why_not) = self else { return None };
        let (first, last) = (LINK_PORTS.start(), LINK_PORTS.end());
        Some(format!(
            "disks travel through SSH and this machine, for {dst} does not reach {src} by itself: {why_not}; let it in \
             to the TCP ports {first}-{last} there, or say link=no"
        ))
    }
}
