//! `osm-cli agent ...`: what runs on conversion hosts.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use osm_migrate::agent::{self, DeviceArgs, ExportArgs, HashArgs, PullArgs};

use crate::args::Agent;

pub(crate) async fn run(arguments: Agent) -> Result<ExitCode> {
    match arguments {
        Agent::Export { device } => agent::export(ExportArgs { device }).await?,
        Agent::Pull { device, size } => agent::pull(PullArgs { device, size }).await?,
        Agent::Hash { device, size } => agent::hash(HashArgs { device, size }).await?,
        Agent::Device { volume, devices, wait } => {
            agent::device(DeviceArgs { volume, devices, wait: Duration::from_secs(wait) }).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
