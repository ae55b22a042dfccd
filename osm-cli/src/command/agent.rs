//! `osm-cli agent ...`: what runs on conversion hosts.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use osm_migrate::agent::{self, DeviceArgs, ExportArgs, FetchArgs, HashArgs, LinkArgs, ProbeArgs, PullArgs};

use crate::args::Agent;

pub(crate) async fn run(arguments: Agent) -> Result<ExitCode> {
    match arguments {
        Agent::Export { device, identity, compress, delta, link } => {
            agent::export(ExportArgs { device, identity: identity.into(), compress, delta, link }).await?;
        }
        Agent::Pull { device, size, identity, compress, delta, link } => {
            agent::pull(PullArgs { device, size, identity: identity.into(), compress, delta, link }).await?;
        }
        Agent::Convert => agent::convert().await?,
        Agent::Fetch { device, identity } => {
            agent::fetch(FetchArgs { device, identity: identity.into() }).await?;
        }
        Agent::Vddk => agent::vddk().await?,
        Agent::Hash { device, size, identity } => {
            agent::hash(HashArgs { device, size, identity: identity.into() }).await?;
        }
        Agent::Device { volumes, devices, wait } => {
            agent::device(DeviceArgs { volumes, devices, wait: Duration::from_secs(wait) }).await?;
        }
        Agent::Link { addresses } => agent::link(LinkArgs { addresses }).await?,
        Agent::Probe { addresses, port, wait } => {
            agent::probe(ProbeArgs { addresses, port, wait: Duration::from_secs(wait) }).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
