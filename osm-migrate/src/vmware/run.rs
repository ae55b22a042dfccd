//! The whole run: which machines, and what becomes of each.

use std::pin::pin;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use osm_model::NameFilter;
use osm_model::machine::{Machine, MachinesFile};
use osm_vmware::Moref;

use super::job::MachineJob;
use super::limits::Limits;
use super::{MachineMigration, Phase, volume};
use crate::course::Course;
use crate::state::JobStatus;
use crate::workload::attend::{attend, claim, end_failed};
use crate::workload::lease::Subject;
use crate::workload::side::Side;
use crate::{Cancel, Error, ErrorKind, Event, Outcome, Result, Step, Summary};

impl MachineMigration {
    /// Seeds or moves the machines of the plan that pass the filter, by their name in vSphere.
    ///
    /// One that fails does not stop the others. Its snapshot is removed; what was copied stays for the next run, which
    /// continues.
    ///
    /// # Errors
    /// Nothing could be started: no plan, bad credentials, an unusable conversion host.
    ///
    /// # Cancel safety
    /// Do not drop the future: ask [`Cancel`] for the end. Dropped, it leaves what a crash leaves, and
    /// the next run continues.
    pub async fn run(&self, filter: &NameFilter, phase: Phase) -> Result<Summary> {
        let plan = self.plan()?;
        let wanted: Vec<&Machine> =
            plan.machines.iter().filter(|machine| filter.matches(&machine.info.name)).collect();
        if wanted.is_empty() {
            return Err(Error::new(ErrorKind::Config, "no machine of the plan has such a name")
                .with_object(self.data_dir.path().join(MachinesFile::FILE_NAME).display().to_string())
                .with_hint("take an inventory, and look which names are in it"));
        }
        let mut dst = Side::open(&self.dst, &self.host, self.options.timeout).await?;
        dst.find_host().await?;
        dst.hosts = vec![dst.host_id.clone()];
        if !self.options.check {
            self.host.prepare().await?;
        }
        let limits = Limits::new(self.options.per_vcenter, self.options.per_host);
        let mut works = Vec::new();
        for machine in wanted {
            works.push(self.work_named((&dst, &limits), &plan, machine, phase));
        }
        let ends = self.options.until.map(|until| tokio::spawn(end_at(until, self.cancel.clone())));
        let mut summary = Summary::default();
        let mut works = pin!(stream::iter(works).buffer_unordered(self.options.machines.max(1)));
        while let Some((name, result)) = works.next().await {
            match result {
                Ok(outcome) => summary.count(outcome),
                Err(error) => summary.fail(format!("machine {name}"), &error),
            }
        }
        if let Some(ends) = ends {
            ends.abort();
        }
        Ok(summary)
    }

    fn plan(&self) -> Result<MachinesFile> {
        let plan = self.data_dir.read_machines()?.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("there is no {}", MachinesFile::FILE_NAME))
                .with_object(self.data_dir.path().display().to_string())
                .with_hint("take an inventory first: osm-cli vmware inventory --data-dir DIR")
        })?;
        let here = &self.vsphere.about().instance_uuid;
        match (&plan.vcenter, here) {
            (Some(of_plan), Some(here)) if of_plan != here => {
                let message = format!("the plan is of the vCenter {of_plan}, and this is {here}");
                Err(Error::new(ErrorKind::Config, message).with_hint("use a data directory for each vCenter"))
            }
            _ => Ok(plan),
        }
    }

    async fn work_named(
        &self,
        at: (&Side, &Limits),
        plan: &MachinesFile,
        machine: &Machine,
        phase: Phase,
    ) -> (String, Result<Outcome>) {
        let name = machine.info.name.clone();
        let id = machine.info.instance_uuid.clone().unwrap_or_else(|| machine.info.moref.clone());
        self.events.emit(&Event::WorkloadStarted { workload: name.clone() });
        let result = Box::pin(self.work_on(at, plan, machine, &id, phase)).await;
        if let Err(error) = &result {
            self.events.emit(&Event::WorkloadFailed {
                workload: name.clone(),
                step: error.context().operation.and_then(|word| word.parse().ok()).unwrap_or(Step::Preflight),
                error: error.chain(),
                kind: error.kind(),
                hint: error.context().hint.clone(),
            });
        }
        (name, result)
    }

    async fn work_on(
        &self,
        at: (&Side, &Limits),
        plan: &MachinesFile,
        machine: &Machine,
        id: &str,
        phase: Phase,
    ) -> Result<Outcome> {
        let name = machine.info.name.as_str();
        let found = self.find(machine).await.map_err(|error| error.with_workload(name))?;
        let records = volume::records(at.0, id).await.map_err(|error| error.with_workload(name))?;
        // For everybody who sees its first volume, if there is one.
        let first = records.first().filter(|_| !self.options.check);
        let subject = first.map(|record| Subject::Volume(record.id().to_owned()));
        let claimed = claim(&self.state, at.0, (id, name), subject).await;
        let (claim, lease) = claimed.map_err(|error| error.with_workload(name))?;
        let told = (&self.state, &self.events, &self.data_dir);
        let course = Course::new(told, (id, name, name), claim.clone())?;
        let job = MachineJob::new(self, at, (plan, machine), found, phase, course);
        let ended = attend(
            &job.course,
            lease.as_ref(),
            (&self.cancel, self.options.timeout),
            job.run(),
            job.give_up(),
        );
        match Box::pin(ended).await {
            Ok((server, outcome)) => {
                let status = if outcome == Outcome::Seeded { JobStatus::Seeded } else { JobStatus::Done };
                self.state.complete(&claim, status, server.as_deref()).await?;
                let workload = name.to_owned();
                job.course.emit(Event::WorkloadDone { workload, server_id: server, outcome }).await;
                Ok(outcome)
            }
            Err(error) => {
                end_failed(&self.state, &claim, &error).await;
                Err(error)
            }
        }
    }

    /// The machine of an entry of the plan, wherever it is by now: its name and its reference may have changed.
    async fn find(&self, machine: &Machine) -> Result<osm_vmware::Machine> {
        let moref = match &machine.info.instance_uuid {
            Some(uuid) => self.vsphere.find_by_uuid(uuid).await?,
            None => Some(Moref::new("VirtualMachine", &machine.info.moref)),
        };
        let gone = || {
            let known = machine.info.instance_uuid.as_deref().unwrap_or(&machine.info.moref);
            Error::new(ErrorKind::Blocked, format!("vSphere has no machine {known} any more"))
                .with_hint("take the inventory again, or take the machine out of the plan")
        };
        Ok(self.vsphere.machine(&moref.ok_or_else(gone)?).await?)
    }
}

/// Ends the run when its time is over.
async fn end_at(until: Timestamp, cancel: Cancel) {
    let left = until.duration_since(Timestamp::now());
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    cancel.cancel();
}
