//! The work on one machine, under a claim.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::time::{Duration, Instant};

use osm_model::machine::{Machine as Plan, MachinesFile};
use osm_vmware::{Machine, Moref, Severity, Stopped};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::limits::Limits;
use super::volume::Copies;
use super::{MachineMigration, MachineOptions, Phase};
use crate::agent::AgentCommand;
use crate::course::{Course, Done};
use crate::host::{AgentProcess, AgentStdio};
use crate::workload::side::Side;
use crate::{Event, Outcome, Result, Step};

pub(super) struct MachineJob<'a> {
    pub(super) migration: &'a MachineMigration,
    pub(super) dst: &'a Side,
    pub(super) limits: &'a Limits,
    /// The machine's entry in the plan, and the plan.
    pub(super) plan: &'a Plan,
    pub(super) plans: &'a MachinesFile,
    pub(super) machine: Machine,
    pub(super) moref: Moref,
    pub(super) phase: Phase,
    pub(super) course: Course<'a>,
}

/// The server that a machine became, and how that ended.
pub(super) type Ended = (Option<String>, Outcome);

impl<'a> MachineJob<'a> {
    pub(super) fn new(
        migration: &'a MachineMigration,
        (dst, limits): (&'a Side, &'a Limits),
        (plans, plan): (&'a MachinesFile, &'a Plan),
        machine: Machine,
        phase: Phase,
        course: Course<'a>,
    ) -> Self {
        Self { migration, dst, limits, plan, plans, moref: machine.moref(), machine, phase, course }
    }

    pub(super) fn options(&self) -> &MachineOptions {
        &self.migration.options
    }

    pub(super) fn vsphere(&self) -> &osm_vmware::Session {
        &self.migration.vsphere
    }

    /// Runs a step; it is recorded when its work is done.
    pub(super) async fn step<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<Done<T>>> + Send,
    ) -> Result<T> {
        self.course.begin(step).await;
        let done = Box::pin(work).await.map_err(|error| self.course.located(step, error))?;
        self.course.end(step, done.detail.as_deref()).await?;
        Ok(done.value)
    }

    pub(super) async fn run(&self) -> Result<Ended> {
        let ended = self.work().await?;
        let volumes: Vec<String> = self.copies().await?.all().map(|record| record.id().to_owned()).collect();
        if !volumes.is_empty() {
            self.course.emit(Event::MachineVolumes { workload: self.course.name.to_owned(), volumes }).await;
        }
        Ok(ended)
    }

    async fn work(&self) -> Result<Ended> {
        let copies = self.step(Step::Preflight, self.look()).await?;
        if self.options().check {
            return Ok((None, Outcome::Skipped));
        }
        if copies.is_converted() {
            return match self.becomes_server() {
                false => Ok((None, Outcome::Unchanged)),
                true => Box::pin(self.become_server(&copies)).await,
            };
        }
        self.remove_leftovers().await?;
        if self.phase.syncs() && !self.machine.change_tracking {
            self.step(Step::Snapshot, self.begin_tracking()).await?;
        }
        let copies = match self.phase {
            Phase::Seed => Box::pin(self.seed(copies)).await?,
            Phase::CutOver | Phase::Cold => Box::pin(self.bring_to_rest(copies)).await?,
        };
        self.step(Step::DetachDestination, self.detach()).await?;
        if self.phase.moves() && !self.becomes_server() {
            let message = "its disks are copied; the machine was not stopped, its guest is not converted, and there is no \
                           server, as asked";
            self.course.warn(message).await;
        }
        if !self.becomes_server() {
            return Ok((None, Outcome::Seeded));
        }
        Box::pin(self.convert(&copies)).await?;
        Box::pin(self.become_server(&copies)).await
    }

    /// Whether the machine is to become a server now.
    fn becomes_server(&self) -> bool {
        self.phase.moves() && !self.options().data_only
    }

    /// Pass after pass while the machine runs.
    async fn seed(&self, mut copies: Copies) -> Result<Copies> {
        let options = self.options();
        for _ in 0..options.passes.max(1) {
            let (now, took) = Box::pin(self.pass(copies)).await?;
            copies = now;
            if options.max_downtime.is_some_and(|wanted| took <= wanted) {
                break;
            }
        }
        Ok(copies)
    }

    /// Copies that are what the machine was when it stopped.
    async fn bring_to_rest(&self, mut copies: Copies) -> Result<Copies> {
        let options = self.options();
        if !options.final_sync {
            return self.as_they_are(copies).await;
        }
        let stops = self.becomes_server() && !self.vsphere().is_off(&self.moref).await?;
        if stops && self.phase == Phase::CutOver {
            // What is copied now need not be while it is stopped.
            (copies, _) = Box::pin(self.pass(copies)).await?;
        }
        if self.becomes_server() {
            self.step(Step::StopSource, self.stop()).await?;
        }
        Ok(Box::pin(self.pass(copies)).await?.0)
    }

    /// Copies that nothing is added to any more.
    async fn as_they_are(&self, copies: Copies) -> Result<Copies> {
        if !copies.are_synced() {
            return Err(self.course.blocked("its disks have no complete copies", "seed it first"));
        }
        if !self.options().accept_data_loss && !self.vsphere().is_off(&self.moref).await? {
            let message = "the machine runs: what it has written since its last seed would be lost";
            return Err(self
                .course
                .blocked(message, "let the copies be brought up to date, or say --accept-data-loss"));
        }
        Ok(copies)
    }

    /// Whether the machine can be worked on, and what there is of it. Nothing is changed.
    async fn look(&self) -> Result<Done<Copies>> {
        for concern in &self.machine.concerns {
            let refused = match concern.severity {
                Severity::Blocking => true,
                Severity::Cold => self.phase.syncs(),
                Severity::Note => false,
            };
            if refused {
                let hint = match concern.severity {
                    Severity::Cold => "migrate it cold: osm-cli vmware migrate",
                    _ => "see what vSphere tells of it: osm-cli vmware inventory",
                };
                return Err(self.course.blocked(concern.message.clone(), hint));
            }
        }
        let copies = self.copies().await?;
        let becomes_server = self.becomes_server();
        if becomes_server {
            self.resolve().await?;
        }
        if copies.is_converted() {
            return Ok(Done::new(copies, "Volume already converted"));
        }
        if becomes_server && !self.options().check {
            self.check_converter().await?;
        }
        if self.phase == Phase::Cold
            && let Some(volume) = copies.of_another_run()
        {
            let message = "volume already exists";
            return Err(self.course.blocked(message, "it was seeded: bring it up to date and cut over with vmware cutover, or delete the volume")
                .with_object(format!("volume {volume}")));
        }
        if self.phase.syncs() && !self.machine.change_tracking && !self.options().enable_tracking {
            let message = "vSphere keeps no record of its changes (changed block tracking)";
            return Err(self.course.blocked(message, "allow it with --enable-cbt, or migrate it cold"));
        }
        let detail = format!("{} disks, {} of them with a copy", self.machine.disks.len(), copies.known());
        Ok(Done::new(copies, detail))
    }

    /// Brings all copies to one point of the machine; tells how long that took.
    async fn pass(&self, copies: Copies) -> Result<(Copies, Duration)> {
        let begun = Instant::now();
        let copies = Box::pin(self.step(Step::CreateVolumes, self.create(copies))).await?;
        let devices = self.step(Step::AttachDestination, self.attach(&copies)).await?;
        let snapshot = self.step(Step::Snapshot, self.take_snapshot()).await?;
        let copied = self.step(Step::CopyDisks, self.copy_disks(&copies, devices, &snapshot)).await?;
        self.step(Step::RemoveSnapshot, self.remove_snapshot(&snapshot)).await?;
        let took = begun.elapsed();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let pass = copied.iter().map(|copied| copied.pass).max().unwrap_or(1);
        self.course
            .emit(Event::PassDone {
                workload: self.course.name.to_owned(),
                pass,
                size: self.machine.disks.iter().map(|disk| disk.capacity).sum(),
                copied: copied.iter().map(|copied| copied.read).sum(),
                took_ms,
                // A cutover is one more pass, and the time that the guest takes to stop.
                downtime_ms: (pass > 1).then_some(took_ms),
            })
            .await;
        Ok((self.copies().await?, took))
    }

    async fn stop(&self) -> Result<Done<()>> {
        let options = self.options();
        let stopped = self.vsphere().stop(&self.moref, options.patience, options.hard_off).await?;
        let detail = match stopped {
            Stopped::Before => "is off",
            Stopped::Gracefully => "its guest has shut down",
            Stopped::Hard => {
                self.course
                    .warn("its guest did not shut down, so it was switched off: what it had in memory only is lost")
                    .await;
                "switched off"
            }
        };
        Ok(Done::new((), detail))
    }

    /// Starts an agent on the conversion host and gives it its order; what it is told later goes through the stream.
    pub(super) async fn order(
        &self,
        agent: AgentCommand,
        order: &impl Serialize,
    ) -> Result<(AgentProcess, UnixStream)> {
        let (near, far) = StdStream::pair()?;
        let agent = self.dst.host.spawn(agent, AgentStdio::Talk(OwnedFd::from(far))).await?;
        near.set_nonblocking(true)?;
        let mut near = UnixStream::from_std(near)?;
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        // One that has died at once says why itself.
        if let Err(error) = near.write_all(&line).await {
            tracing::debug!(%error, "the agent has not heard all of its order");
        }
        Ok((agent, near))
    }

    /// Puts back what a failure leaves: no snapshot on the machine, no volume on the conversion host.
    pub(super) async fn give_up(&self) {
        self.course
            .tolerate("the snapshot of the copy is left on the machine", self.remove_ours().await)
            .await;
        let detached = self.detach().await.map(drop);
        self.course.tolerate("volumes are left on the conversion host", detached).await;
    }
}
