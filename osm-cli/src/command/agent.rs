//! `osm-cli agent ...`: what runs on conversion hosts.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use osm_migrate::agent::{self, DeviceArgs, ExportArgs, HashArgs, ProbeArgs, PullArgs};

use crate::args::Agent;

pub(crate) async fn run(arguments: Agent) -> Result<ExitCode> {
    match arguments {
        Agent::Export { device, identity, compress, delta } => {
            agent::export(ExportArgs { device, identity: identity.into(), compress, delta }).await?;
        }
        Agent::Pull { device, size, identity, compress, delta } => {
            agent::pull(PullArgs { device, size, identity: identity.into(), compress, delta }).await?;
        }
        Agent::Hash { device, size, identity } => {
            agent::hash(HashArgs { device, size, identity: identity.into() }).await?;
        }
        Agent::Device { volume, devices, wait } => {
            agent::device(DeviceArgs { volume, devices, wait: Duration::from_secs(wait) }).await?;
        }
        Agent::Probe { addresses, port, wait } => {
            agent::probe(ProbeArgs { addresses, port, wait: Duration::from_secs(wait) }).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
