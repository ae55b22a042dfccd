//! Power: a guest that is asked to stop, and a machine that is switched off.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::session::Session;
use crate::soap::Request;
use crate::{Error, ErrorKind, Moref, Result};

/// How long switching a machine on or off may take.
const SWITCH: Duration = Duration::from_secs(120);

/// How often a guest that shuts down is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How a machine came to be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It was off already.
    Before,
    /// Its guest has shut down.
    Gracefully,
    /// It was switched off: what the guest had in memory is lost, and vSphere may begin its record of changes anew.
    Hard,
}

impl Session {
    /// Whether a machine is off: not running, not suspended.
    ///
    /// # Errors
    /// `NotFound`: it is gone. The server refuses.
    pub async fn is_off(&self, machine: &Moref) -> Result<bool> {
        let found = self.properties(machine, &["runtime.powerState"]).await?;
        Ok(found.text("runtime.powerState") == Some("poweredOff"))
    }

    /// Brings a machine to rest: asks its guest to shut down, and switches it off when that does not help within
    /// `patience`, if `hard` allows it. Returns when it is off.
    ///
    /// # Errors
    /// The guest does not shut down and the machine may not be switched off, or vSphere refuses.
    pub async fn stop(&self, machine: &Moref, patience: Duration, hard: bool) -> Result<Stopped> {
        if self.is_off(machine).await? {
            return Ok(Stopped::Before);
        }
        let why = match self.shut_down(machine, patience).await {
            Ok(()) => return Ok(Stopped::Gracefully),
            // Somebody was faster.
            Err(_) if self.is_off(machine).await? => return Ok(Stopped::Gracefully),
            Err(error) => error,
        };
        if !hard {
            return Err(why.with_hint("shut the guest down yourself, or allow that it is switched off"));
        }
        tracing::debug!(error = %why, "the guest does not shut down, so its machine is switched off");
        self.perform(&Request::new("PowerOffVM_Task", machine), SWITCH).await?;
        match self.is_off(machine).await? {
            true => Ok(Stopped::Hard),
            false => Err(Error::new(ErrorKind::Refused, "it runs although it was switched off")
                .with_object(machine.to_string())),
        }
    }

    async fn shut_down(&self, machine: &Moref, patience: Duration) -> Result<()> {
        self.call(&Request::new("ShutdownGuest", machine)).await?;
        let until = Instant::now() + patience;
        while !self.is_off(machine).await? {
            if Instant::now() >= until {
                let message = format!("the guest has not shut down within {} s", patience.as_secs());
                return Err(Error::new(ErrorKind::Timeout, message).with_object(machine.to_string()));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Switches a machine on.
    ///
    /// # Errors
    /// vSphere refuses: no host has room for it.
    pub async fn start(&self, machine: &Moref) -> Result<()> {
        self.perform(&Request::new("PowerOnVM_Task", machine), SWITCH).await.map(drop)
    }
}
