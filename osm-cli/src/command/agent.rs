//! `osm-cli agent ...`: what runs on conversion hosts.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use osm_migrate::agent::{self, DeviceArgs, ExportArgs, HashArgs, PullArgs};

use crate::args::Agent;

pub(crate) async fn run(arguments: Agent) -> Result<ExitCode> {
    match arguments {
        Agent::Export { device, identity, compress } => {
            agent::export(ExportArgs { device, identity: identity.into(), compress }).await?;
        }
        Agent::Pull { device, size, identity, compress } => {
            agent::pull(PullArgs { device, size, identity: identity.into(), compress }).await?;
        }
        Agent::Hash { device, size, identity } => {
            agent::hash(HashArgs { device, size, identity: identity.into() }).await?;
        }
        Agent::Device { volume, devices, wait } => {
            agent::device(DeviceArgs { volume, devices, wait: Duration::from_secs(wait) }).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
