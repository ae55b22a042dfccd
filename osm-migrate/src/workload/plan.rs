//! What a run will do: which workloads can be moved, by which pair of hosts, and what stands in the way of the others.

use osm_model::Server as Workload;

use super::WorkloadMigration;
use super::clouds::Clouds;
use super::errand::Errand;
use super::preflight::{Demand, NewVolume, Preflight, Resolved, check_quota, new_volumes};
use super::run::failure;
use super::slots::{assign, labels};
use crate::event::PlannedDisk;
use crate::{Error, ErrorKind, Event, Outcome, Result, Step, Summary};

/// A workload that can be moved.
pub(super) struct Planned<'w> {
    pub(super) workload: &'w Workload,
    pub(super) id: &'w str,
    pub(super) name: &'w str,
    pub(super) resolved: Resolved,
    /// Whether there is a server to be made.
    pub(super) needed: bool,
    /// Which pair of hosts it has.
    pub(super) pair: usize,
}

/// GiB of all volumes of a workload.
fn size_gib(workload: &Workload) -> u64 {
    workload.params.volumes.iter().filter_map(|volume| volume.info.size).sum()
}

impl WorkloadMigration {
    /// Checks every workload before the first is touched.
    pub(super) async fn plan<'w>(
        &self,
        pairs: &[Clouds],
        wanted: &'w [Workload],
        errand: &Errand,
        summary: &mut Summary,
    ) -> Result<Vec<Planned<'w>>> {
        let clouds = &pairs[0];
        let supplement = self.data_dir.read_supplement()?;
        let preflight = Preflight::new(&clouds.src, &clouds.dst, &self.options, supplement).await?;
        let preflight = preflight.warm(matches!(errand, Errand::Seed(_)));
        let mut plan: Vec<Planned<'w>> = Vec::new();
        let mut demands = Vec::new();
        for workload in wanted {
            let (Some(id), Some(name)) = (workload.info.id.as_deref(), workload.params.name.as_deref())
            else {
                let error = Error::new(ErrorKind::Data, "a workload has no name or no _info.id");
                summary.fail("workload without name", &error);
                continue;
            };
            if clouds.src.hosts.iter().chain(&clouds.dst.hosts).any(|host| host == id) {
                self.skip(name, "it is a conversion host", summary);
                continue;
            }
            if *errand == Errand::CleanUp {
                // What it lacks over there is no reason to leave something behind.
                plan.push(Planned {
                    workload,
                    id,
                    name,
                    resolved: Resolved::nothing(),
                    needed: true,
                    pair: 0,
                });
                continue;
            }
            let checked = match clouds.slots.check(workload.params.volumes.len()) {
                Ok(()) => self.preflight(&preflight, workload).await,
                Err(error) => Err(error),
            };
            match checked {
                Ok((resolved, demand)) => {
                    let needed = demand.is_some();
                    demands.extend(demand);
                    plan.push(Planned { workload, id, name, resolved, needed, pair: 0 });
                }
                Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
                Err(error) => self.fail(name, error, summary),
            }
        }
        let sizes: Vec<u64> = plan.iter().map(|planned| size_gib(planned.workload)).collect();
        for (planned, pair) in plan.iter_mut().zip(assign(&sizes, pairs.len())) {
            planned.pair = pair;
        }
        match check_quota(&clouds.src, &clouds.dst, &demands, self.options.workloads).await {
            Ok(()) => Ok(plan),
            Err(error) if error.kind() == ErrorKind::Blocked => {
                let message = error.to_string();
                let hint = error.context().hint.clone().unwrap_or_default();
                for planned in &plan {
                    let error = Error::new(ErrorKind::Blocked, &message).with_hint(&hint);
                    self.fail(planned.name, error, summary);
                }
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn preflight(
        &self,
        preflight: &Preflight<'_>,
        workload: &Workload,
    ) -> Result<(Resolved, Option<Demand>)> {
        if workload.migration_params.use_nbdkit_direct {
            return Err(Error::new(ErrorKind::Blocked, "use_nbdkit_direct is not supported")
                .with_hint("set use_nbdkit_direct: false"));
        }
        let resolved = preflight.resolve(workload).await?;
        let demand = preflight.demand(workload, &resolved).await?;
        if demand.is_some() {
            for note in &resolved.notes {
                let (workload, message) = (workload.params.name.clone(), note.clone());
                self.events.emit(&Event::Warning { workload, message });
            }
            preflight.check_addresses(workload, &resolved).await?;
            self.check_drift(preflight, workload, &resolved).await?;
        }
        Ok((resolved, demand))
    }

    /// Tells every difference; whether one is too many is the operator's choice.
    async fn check_drift(
        &self,
        preflight: &Preflight<'_>,
        workload: &Workload,
        resolved: &Resolved,
    ) -> Result<()> {
        let name = workload.params.name.as_deref().unwrap_or_default();
        let drift = preflight.drift(workload, resolved).await?;
        for difference in &drift {
            let (workload, difference) = (name.to_owned(), difference.clone());
            self.events.emit(&Event::Drift { workload, difference });
        }
        if drift.is_empty() || !self.options.fail_on_drift {
            return Ok(());
        }
        let told: Vec<String> = drift.iter().map(ToString::to_string).collect();
        Err(Error::new(ErrorKind::Blocked, format!("the guest would not be the same: {}", told.join("; ")))
            .with_operation("preflight")
            .with_workload(name)
            .with_hint(
                "bring the flavor or the image in line, choose others in workloads.yml, or accept the drift",
            ))
    }

    /// Tells what a move would be, by which hosts.
    pub(super) fn tell_plan(&self, planned: &Planned<'_>, clouds: &Clouds) {
        if !planned.needed {
            return;
        }
        let Planned { workload, .. } = planned;
        let disk = |(volume, new): (&osm_model::Volume, NewVolume)| PlannedDisk {
            volume: volume.params.name.clone().or_else(|| volume.info.id.clone()).unwrap_or_default(),
            size_gib: new.gigabytes,
            labels: labels(&new.place, workload).into_iter().collect(),
        };
        let volumes = workload.params.volumes.iter().zip(new_volumes(workload, &self.options, 0));
        self.events.emit(&Event::Planned {
            workload: planned.name.to_owned(),
            src_host: clouds.src.host.server().to_owned(),
            dst_host: clouds.dst.host.server().to_owned(),
            disks: volumes.map(disk).collect(),
        });
    }

    /// Tells that nothing stands in the way of a move that is not made now.
    pub(super) fn only_checked(&self, name: &str, needed: bool, summary: &mut Summary) {
        let (workload, step) = (name.to_owned(), Step::Preflight);
        let detail = if needed { "it can be moved" } else { "it is there" };
        self.events.emit(&Event::StepDone { workload, step, detail: Some(detail.to_owned()) });
        summary.count(if needed { Outcome::Skipped } else { Outcome::Unchanged });
    }

    fn skip(&self, name: &str, why: &str, summary: &mut Summary) {
        summary.count(Outcome::Skipped);
        let message = format!("skipped: {why}");
        self.events.emit(&Event::Warning { workload: Some(name.to_owned()), message });
        let outcome = Outcome::Skipped;
        self.events.emit(&Event::WorkloadDone { workload: name.to_owned(), server_id: None, outcome });
    }

    fn fail(&self, name: &str, error: Error, summary: &mut Summary) {
        self.events.emit(&failure(name, Step::Preflight, &error));
        summary.fail(format!("workload {name}"), &error);
    }
}
