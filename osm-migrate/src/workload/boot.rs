//! Whether the destination server has come up, and what is done when it has not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use osm_openstack::compute::Server;
use osm_openstack::{ErrorKind as CloudError, Observation, Poll, wait_for};

use super::job::Job;
use super::side::Side;
use super::tag;
use crate::course::Done;
use crate::{Error, ErrorKind, Result, Step};

/// How many lines of the console are looked at.
const LINES: u32 = 500;

/// How much of the console is shown when it does not say what is waited for.
const SHOWN: usize = 3;

/// How it is told that a server has come up in the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootCheck {
    /// A text that its console must show, such as `login:`.
    pub console: Option<String>,
    /// A TCP port of one of its fixed addresses that the destination's conversion host must reach.
    pub port: Option<u16>,
    /// How long that may take.
    pub wait: Duration,
}

impl Job<'_> {
    /// Checks that the destination server has come up. One that has not is deleted, for the source to run
    /// again; its volumes stay as seeds.
    ///
    /// # Errors
    /// `Blocked` when it has not; any other error says nothing about the server, and leaves it.
    pub(super) async fn check_boot(&self, id: &str) -> Result<()> {
        let Some(check) = self.options().boot_check.clone() else { return Ok(()) };
        let failed = self.step(Step::CheckBoot, self.failure_to_boot(id, &check)).await?;
        let Some(failure) = failed else { return Ok(()) };
        self.reject(id).await?;
        Err(self
            .course
            .blocked(
                format!("the server did not come up in the destination: {failure}"),
                "the source runs again, the copies are kept as seeds; mend what keeps the guest from booting (its \
                 machine type, drivers, network names), and cut over again",
            )
            .with_operation(Step::CheckBoot.as_str()))
    }

    /// Why the server has not come up; none when it has.
    pub(super) async fn failure_to_boot(&self, id: &str, check: &BootCheck) -> Result<Done<Option<String>>> {
        failure_to_boot(self.dst, id, check, &self.fixed_addresses()).await
    }

    fn fixed_addresses(&self) -> Vec<String> {
        let addresses = self.resolved.ports.iter().flat_map(|port| &port.fixed_ips);
        addresses.filter_map(|ip| ip.ip_address.clone()).collect()
    }

    /// Deletes a server that did not come up. Whatever it wrote, its volumes are seeds again.
    pub(super) async fn reject(&self, id: &str) -> Result<()> {
        // First of all: whoever finishes this must know that the server is not to live.
        let mark = tag::pairs([(tag::STATE, tag::REJECTED)]);
        self.dst.compute.set_server_metadata(id, &mark).await?;
        self.migration.state.forget(&self.course.claim, Step::CopyDisks).await?;
        self.dst.compute.stop_server(id).await.or_else(|error| match error.kind() {
            // It is off, or so broken that it cannot be.
            CloudError::Conflict => Ok(()),
            _ => Err(error),
        })?;
        self.unfinish_copies().await?;
        self.drop_server(id).await
    }

    /// No copy is complete any more: its guest wrote to it, or its source runs on.
    pub(super) async fn unfinish_copies(&self) -> Result<()> {
        for volume in self.dst.made_volumes(self.id, Step::CreateVolumes).await? {
            if volume.metadata.get(tag::STATE).is_some_and(|state| state == tag::COMPLETE) {
                self.dst.tag_volume(&volume.id, tag::pairs([(tag::STATE, tag::SEEDING)])).await?;
            }
        }
        Ok(())
    }
}

/// Why a server has not come up; none when it has. `addresses` are those that a port is asked on.
pub(crate) async fn failure_to_boot(
    dst: &Side,
    id: &str,
    check: &BootCheck,
    addresses: &[String],
) -> Result<Done<Option<String>>> {
    let mut seen = Vec::new();
    if let Some(wanted) = &check.console {
        if let Some(failure) = silent_console(dst, id, wanted, check.wait).await? {
            return Ok(Done::new(Some(failure.clone()), failure));
        }
        seen.push(format!("the console says `{wanted}`"));
    }
    if let Some(port) = check.port {
        if !dst.host.probe(addresses, port, check.wait).await? {
            let failure = format!("port {port} of {} does not answer", addresses.join(", "));
            return Ok(Done::new(Some(failure.clone()), failure));
        }
        seen.push(format!("port {port} answers"));
    }
    match dst.compute.server(id).await? {
        Some(Server { status, .. }) if status == "ACTIVE" => {}
        Some(Server { status, .. }) => return Ok(Done::silent(Some(format!("it is {status}")))),
        None => return Ok(Done::silent(Some("it is gone".to_owned()))),
    }
    seen.push("it is ACTIVE".to_owned());
    Ok(Done::new(None, seen.join(", ")))
}

async fn silent_console(dst: &Side, id: &str, wanted: &str, wait: Duration) -> Result<Option<String>> {
    let last = Mutex::new(String::new());
    let what = format!("console of server {id}");
    let shown = wait_for(&what, wait, Poll::default(), || async {
        let output = dst.compute.console(id, LINES).await?;
        if output.contains(wanted) {
            return Ok(Observation::Ready(()));
        }
        *last.lock().unwrap_or_else(PoisonError::into_inner) = output;
        Ok(Observation::Pending("booting".to_owned()))
    });
    match shown.await {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == CloudError::Timeout => {
            let console = last.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut lines: Vec<&str> = console.lines().rev().take(SHOWN).collect();
            lines.reverse();
            Ok(Some(format!(
                "after {} s its console does not say `{wanted}`, but ends with `{}`",
                wait.as_secs(),
                lines.join(" / ")
            )))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a server was found not to have come up.
pub(super) fn is_rejected(server: &Server) -> bool {
    server.metadata.get(tag::STATE).is_some_and(|state| state == tag::REJECTED)
}

/// What must be there for a check to mean anything.
pub(super) fn check_options(check: Option<&BootCheck>) -> Result<()> {
    match check {
        Some(BootCheck { console: Some(text), .. }) if text.trim().is_empty() => {
            Err(Error::new(ErrorKind::Config, "the text that the console must show is empty"))
        }
        _ => Ok(()),
    }
}
