//! Conversion hosts: servers of a cloud that volumes are attached to while agents move their bytes.

pub(crate) mod address;
mod link;
mod local;
mod none;
mod process;
mod quote;
mod spec;
mod ssh;

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use osm_openstack::Session;

use crate::agent::{AgentCommand, Device, DeviceArgs, HashArgs, ProbeArgs, Report};
use crate::{Error, ErrorKind, Result};

pub use self::link::{Reach, reach};
pub use self::local::LocalHost;
pub use self::none::NoHost;
pub use self::process::AgentProcess;
pub use self::spec::{HostSpec, SshSpec};
pub use self::ssh::SshHost;

/// Names the program to run as agent, instead of the running one.
pub const AGENT_BINARY: &str = "OSM_AGENT_BINARY";

/// A server that volumes are attached to, and that runs agents.
#[async_trait]
pub trait ConversionHost: fmt::Debug + Send + Sync {
    /// Name or id of its Nova server.
    fn server(&self) -> &str;

    /// Where devices are named by id on it, when not in the usual place.
    fn devices(&self) -> Option<PathBuf>;

    /// Makes sure that the host answers and has the agent of this version.
    ///
    /// # Errors
    /// It does not answer, or the agent cannot be put there.
    async fn prepare(&self) -> Result<()>;

    /// Where agents of another host may reach those of this one: addresses or names, the likeliest first.
    /// None for a host whose agents have no other way than their standard input and output.
    ///
    /// # Errors
    /// As for [`prepare`](Self::prepare).
    async fn addresses(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Starts an agent.
    ///
    /// # Errors
    /// It cannot be started. That it fails later, its process tells.
    async fn spawn(&self, agent: AgentCommand, stdio: AgentStdio) -> Result<AgentProcess>;

    /// The devices of volumes that are attached to the host, in their order.
    ///
    /// # Errors
    /// One does not appear within `wait`.
    async fn devices_of(&self, volumes: &[String], wait: Duration) -> Result<Vec<Device>> {
        let args = DeviceArgs { volumes: volumes.to_vec(), devices: self.devices(), wait };
        let mut process = self.spawn(AgentCommand::Device(args), AgentStdio::None).await?;
        match process.last_report(|_| {}).await? {
            Some(Report::Devices { devices }) if devices.len() == volumes.len() => Ok(devices),
            _ => Err(no_result("agent device", self.server())),
        }
    }

    /// The root of the hash of a device's first bytes, in hex.
    ///
    /// # Errors
    /// The device cannot be read.
    async fn hash(&self, args: HashArgs) -> Result<String> {
        let size = args.size;
        let agent = AgentCommand::Hash(args);
        let mut process = self.spawn(agent, AgentStdio::None).await?;
        match process.last_report(|_| {}).await? {
            Some(Report::Hashed { root, size: hashed }) if hashed == size => Ok(root),
            _ => Err(no_result("agent hash", self.server())),
        }
    }

    /// Whether one of the addresses answers on a TCP port within `wait`, as seen from the host.
    ///
    /// # Errors
    /// The host cannot tell.
    async fn probe(&self, addresses: &[String], port: u16, wait: Duration) -> Result<bool> {
        let args = ProbeArgs { addresses: addresses.to_vec(), port, wait };
        let mut process = self.spawn(AgentCommand::Probe(args), AgentStdio::None).await?;
        match process.last_report(|_| {}).await? {
            Some(Report::Probed { answers }) => Ok(answers),
            _ => Err(no_result("agent probe", self.server())),
        }
    }
}

/// What standard input and output of an agent are.
#[derive(Debug)]
pub enum AgentStdio {
    /// Nothing.
    None,
    /// Both are this socket. Little goes through it.
    Talk(OwnedFd),
    /// Both are this socket, and disks travel through it.
    Bulk(OwnedFd),
}

impl HostSpec {
    /// The host, its address asked of Nova where it must be.
    ///
    /// # Errors
    /// The cloud does not know the server, or it has no address; there is no agent program.
    pub async fn open(&self, session: &Session) -> Result<Arc<dyn ConversionHost>> {
        match self {
            Self::Local { server, devices } => {
                Ok(Arc::new(LocalHost::new(server.clone(), devices.clone(), agent_binary()?)))
            }
            Self::Ssh(spec) => {
                let address = match &spec.address {
                    Some(address) => address.clone(),
                    None => address::of_server(session, &spec.server).await?,
                };
                Ok(Arc::new(SshHost::new(spec.clone(), address, agent_binary()?)?))
            }
        }
    }
}

/// The program to run as agent.
pub(crate) fn agent_binary() -> Result<PathBuf> {
    match std::env::var_os(AGENT_BINARY) {
        Some(path) => Ok(path.into()),
        None => Ok(std::env::current_exe()?),
    }
}

fn no_result(verb: &str, server: &str) -> Error {
    Error::new(ErrorKind::Agent, format!("{verb} ended without a result"))
        .with_object(format!("conversion host {server}"))
}
