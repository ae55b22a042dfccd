//! The work on one machine, under a claim.

use std::future::Future;
use std::time::Instant;

use osm_model::machine::{Machine as Plan, MachinesFile};
use osm_vmware::{Machine, Moref, Severity, Stopped};

use super::volume::Copies;
use super::{MachineMigration, MachineOptions, Phase};
use crate::course::{Course, Done};
use crate::workload::side::Side;
use crate::{Event, Outcome, Result, Step};

pub(super) struct MachineJob<'a> {
    pub(super) migration: &'a MachineMigration,
    pub(super) dst: &'a Side,
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
        dst: &'a Side,
        (plans, plan): (&'a MachinesFile, &'a Plan),
        machine: Machine,
        phase: Phase,
        course: Course<'a>,
    ) -> Self {
        Self { migration, dst, plan, plans, moref: machine.moref(), machine, phase, course }
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
        let copies = self.step(Step::Preflight, self.look()).await?;
        if self.options().check {
            return Ok((None, Outcome::Skipped));
        }
        if copies.is_converted() {
            return match self.phase {
                Phase::Seed => Ok((None, Outcome::Unchanged)),
                _ => Box::pin(self.become_server(&copies)).await,
            };
        }
        self.remove_leftovers().await?;
        if self.phase.syncs() && !self.machine.change_tracking {
            self.step(Step::Snapshot, self.begin_tracking()).await?;
        }
        let mut copies = copies;
        if self.phase == Phase::CutOver && !self.vsphere().is_off(&self.moref).await? {
            // What is copied now need not be while it is stopped.
            copies = Box::pin(self.pass(copies)).await?;
        }
        if self.phase.moves() {
            self.step(Step::StopSource, self.stop()).await?;
        }
        copies = Box::pin(self.pass(copies)).await?;
        self.step(Step::DetachDestination, self.detach()).await?;
        if !self.phase.moves() {
            return Ok((None, Outcome::Seeded));
        }
        if self.options().data_only {
            self.course
                .warn("its disks are complete; neither its guest is converted nor a server made, as asked")
                .await;
            return Ok((None, Outcome::Seeded));
        }
        Box::pin(self.convert(&copies)).await?;
        Box::pin(self.become_server(&copies)).await
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
        let becomes_server = self.phase.moves() && !self.options().data_only;
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

    /// Brings all copies to one point of the machine.
    async fn pass(&self, copies: Copies) -> Result<Copies> {
        let begun = Instant::now();
        let copies = self.step(Step::CreateVolumes, self.create(copies)).await?;
        let devices = self.step(Step::AttachDestination, self.attach(&copies)).await?;
        let snapshot = self.step(Step::Snapshot, self.take_snapshot()).await?;
        let copied = self.step(Step::CopyDisks, self.copy_disks(&copies, devices, &snapshot)).await?;
        self.step(Step::RemoveSnapshot, self.remove_snapshot(&snapshot)).await?;
        let size = self.machine.disks.iter().map(|disk| disk.capacity).sum();
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pass = copied.iter().map(|copied| copied.pass).max().unwrap_or(1);
        let copied = copied.iter().map(|copied| copied.read).sum();
        let workload = self.course.name.to_owned();
        self.course.emit(Event::PassDone { workload, pass, size, copied, took_ms, downtime_ms: None }).await;
        self.copies().await
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

    /// Puts back what a failure leaves: no snapshot on the machine, no volume on the conversion host.
    pub(super) async fn give_up(&self) {
        self.course
            .tolerate("the snapshot of the copy is left on the machine", self.remove_ours().await)
            .await;
        let detached = self.detach().await.map(drop);
        self.course.tolerate("volumes are left on the conversion host", detached).await;
    }
}
