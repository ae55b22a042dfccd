//! No conversion host, where disks travel as images.

use async_trait::async_trait;

use super::{AgentProcess, AgentStdio, ConversionHost};
use crate::agent::AgentCommand;
use crate::{Error, ErrorKind, Result};

/// Nothing that could run an agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

#[async_trait]
impl ConversionHost for NoHost {
    fn server(&self) -> &'static str {
        ""
    }

    fn devices(&self) -> Option<std::path::PathBuf> {
        None
    }

    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn spawn(&self, agent: AgentCommand, _stdio: AgentStdio) -> Result<AgentProcess> {
        let message = format!("there is no conversion host for {}", agent.verb());
        Err(Error::new(ErrorKind::Config, message).with_hint("name one, or do without what needs it"))
    }
}
