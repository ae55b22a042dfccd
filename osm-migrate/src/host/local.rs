//! This machine as conversion host.

use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use tokio::process::Command;

use super::{AgentProcess, AgentStdio, ConversionHost};
use crate::agent::AgentCommand;
use crate::{Error, ErrorKind, Result};

/// This machine.
#[derive(Debug)]
pub struct LocalHost {
    server: String,
    devices: Option<PathBuf>,
    program: PathBuf,
}

impl LocalHost {
    /// This machine, known to Nova as `server`; `program` is run as agent.
    pub fn new(server: impl Into<String>, devices: Option<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self { server: server.into(), devices, program: program.into() }
    }
}

#[async_trait]
impl ConversionHost for LocalHost {
    fn server(&self) -> &str {
        &self.server
    }

    fn devices(&self) -> Option<PathBuf> {
        self.devices.clone()
    }

    async fn prepare(&self) -> Result<()> {
        let missing = |path: &PathBuf, what: &str| {
            Error::new(ErrorKind::Host, format!("{what} is not there"))
                .with_object(path.display().to_string())
        };
        if !self.program.is_file() {
            return Err(missing(&self.program, "the agent program"));
        }
        match &self.devices {
            Some(devices) if !devices.is_dir() => Err(missing(devices, "the folder of devices")),
            _ => Ok(()),
        }
    }

    async fn spawn(&self, agent: AgentCommand, stdio: AgentStdio) -> Result<AgentProcess> {
        let mut command = Command::new(&self.program);
        command.args(agent.words());
        match stdio {
            AgentStdio::None => {
                command.stdin(Stdio::null()).stdout(Stdio::null());
            }
            AgentStdio::Talk(socket) | AgentStdio::Bulk(socket) => {
                command.stdin(socket.try_clone()?).stdout(socket);
            }
        }
        AgentProcess::start(command, agent.verb(), &self.server)
    }
}
