//! Changed block tracking: whether a machine keeps it, and how it begins.

use std::time::Duration;

use crate::session::Session;
use crate::soap::Request;
use crate::{Error, ErrorKind, Moref, Result};

/// How long a machine may take to be configured anew.
const CONFIGURE: Duration = Duration::from_secs(300);

impl Session {
    /// Begins to record the changes of a machine's disks. A machine that runs is stunned for it by a snapshot that
    /// is removed again, named `name`.
    ///
    /// # Errors
    /// `Refused`: it has snapshots; a record that begins then is wrong, and vSphere does not say so. Or vSphere
    /// refuses, or the record does not begin all the same.
    pub async fn enable_tracking(&self, machine: &Moref, name: &str, description: &str) -> Result<()> {
        if let Some(snapshot) = self.snapshots(machine).await?.first() {
            let message = "changes must not begin to be recorded while the machine has snapshots";
            return Err(Error::new(ErrorKind::Refused, message)
                .with_object(format!("snapshot `{}` of {machine}", snapshot.name))
                .with_hint("remove its snapshots, or migrate it cold"));
        }
        let request = Request::new("ReconfigVM_Task", machine)
            .nested("spec", |spec| spec.text("changeTrackingEnabled", "true"));
        self.perform(&request, CONFIGURE).await?;
        if !self.is_off(machine).await? {
            let stun = self.take_snapshot(machine, name, description, false).await?;
            self.remove_snapshot(&stun.moref).await?;
        }
        let found = self.properties(machine, &["config.changeTrackingEnabled"]).await?;
        match found.text("config.changeTrackingEnabled") {
            Some("true") => Ok(()),
            _ => Err(Error::new(
                ErrorKind::CbtUnavailable,
                "the machine does not record changes, although told to",
            )
            .with_object(machine.to_string())),
        }
    }
}
