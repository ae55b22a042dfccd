//! The whole run: which workloads, in what order, and what becomes of each.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use osm_model::{Kind, NameFilter, Resource, Server as Workload};
use osm_openstack::compute::ServerFilter;

use super::boot;
use super::errand::Errand;
use super::images::Way;
use super::job::{Clouds, Job};
use super::lease::Subject;
use super::link::Link;
use super::preflight::{Demand, Preflight, Resolved, check_quota};
use super::side::Side;
use super::slots::{Slots, assign, planned_labels};
use super::tag;
use super::{HostPair, WorkloadMigration};
use crate::event::PlannedDisk;
use crate::state::JobStatus;
use crate::{Error, ErrorKind, Event, Moved, Outcome, Result, Step, Summary};

/// A workload that can be moved.
struct Planned<'w> {
    workload: &'w Workload,
    id: &'w str,
    name: &'w str,
    resolved: Resolved,
    /// Whether there is a server to be made.
    needed: bool,
    /// Which pair of hosts it has.
    pair: usize,
}

/// GiB of all volumes of a workload.
fn size_gib(workload: &Workload) -> u64 {
    workload.params.volumes.iter().filter_map(|volume| volume.info.size).sum()
}

impl WorkloadMigration {
    /// Moves the workloads of `workloads.yml` that pass the filter.
    ///
    /// A workload that fails does not stop the others. Its source is put back as it was; what was
    /// copied stays for the next run, which continues.
    ///
    /// # Errors
    /// Nothing could be started: no such file, bad credentials, unusable conversion hosts.
    ///
    /// # Cancel safety
    /// Do not drop the future: ask [`Cancel`](crate::Cancel) for the end, which puts the source back. Dropped, it
    /// leaves what a crash leaves, and the next run continues.
    pub async fn run(&self, filter: &NameFilter) -> Result<Summary> {
        self.work(filter, &Errand::Move).await
    }

    /// The same with workloads that have been seeded; another one is refused before it is stopped.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As for [`run`](Self::run).
    pub async fn cut_over(&self, filter: &NameFilter) -> Result<Summary> {
        self.work(filter, &Errand::CutOver).await
    }

    /// Works on the workloads that pass the filter.
    pub(super) async fn work(&self, filter: &NameFilter, errand: &Errand) -> Result<Summary> {
        let wanted = self.chosen(Kind::Workload, filter, |resource| match resource {
            Resource::Server(workload) => Some(workload),
            _ => None,
        })?;
        boot::check_options(self.options.boot_check.as_ref())?;
        let mut summary = Summary::default();
        let copies = wanted.iter().any(|workload| workload.migration_params.data_copy);
        let by_hosts = self.options.via == Way::Hosts;
        if !by_hosts && matches!(errand, Errand::Seed(_)) {
            return Err(Error::new(
                ErrorKind::Config,
                "images cannot be brought up to date, so nothing is seeded by them",
            )
            .with_hint("seed through conversion hosts, or migrate"));
        }
        let pairs = self.open_clouds(copies && by_hosts).await?;
        let plan = self.plan(&pairs, &wanted, errand, &mut summary).await?;
        if self.options.check {
            for planned in &plan {
                self.tell_plan(planned, &pairs[planned.pair]);
                self.only_checked(planned.name, planned.needed, &mut summary);
            }
            return Ok(summary);
        }
        self.wait_for_window(errand).await?;
        let moves =
            plan.iter().map(|planned| self.work_named(&pairs[planned.pair], planned, errand)).collect();
        self.tally(moves, &mut summary).await;
        Ok(summary)
    }

    /// Returns when servers may be stopped, if any shall be.
    async fn wait_for_window(&self, errand: &Errand) -> Result<()> {
        let Some(window) = self.options.window.filter(|_| errand.moves()) else {
            return Ok(());
        };
        if window.ahead().is_some() {
            let message = format!("waiting for the window to open at {}", window.opens.strftime("%F %T UTC"));
            self.events.emit(&Event::Warning { workload: None, message });
        }
        window.wait(&self.cancel).await
    }

    /// The resources of a kind's file that pass the filter.
    ///
    /// # Errors
    /// There is no such file, or it cannot be used.
    pub(super) fn chosen<T>(
        &self,
        kind: Kind,
        filter: &NameFilter,
        pick: impl Fn(Resource) -> Option<T>,
    ) -> Result<Vec<T>> {
        let file = self.data_dir.read(kind)?.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("there is no {}", kind.file_name()))
                .with_object(self.data_dir.path().display().to_string())
                .with_hint(format!("export {} first", kind.word()))
        })?;
        let passes = |resource: &Resource| filter.matches_optional(resource.name());
        Ok(file.resources.into_iter().filter(passes).filter_map(pick).collect())
    }

    /// Makes some moves at once, and counts what becomes of each; each says what it moves.
    pub(super) async fn tally<F>(&self, moves: Vec<F>, summary: &mut Summary)
    where
        F: Future<Output = (String, Result<Outcome>)>,
    {
        let mut moves = pin!(stream::iter(moves).buffer_unordered(self.options.workloads.max(1)));
        while let Some((label, result)) = moves.next().await {
            match result {
                Ok(outcome) => summary.count(outcome),
                Err(error) => summary.fail(label, &error),
            }
        }
    }

    /// Opens the clouds with each pair of conversion hosts, which are made ready where they are needed.
    pub(super) async fn open_clouds(&self, hosts: bool) -> Result<Vec<Clouds>> {
        let limit = self.options.timeout;
        let open = async |pair: &HostPair| {
            let (mut src, mut dst) = tokio::try_join!(
                Side::open(&self.src, &pair.src, limit),
                Side::open(&self.dst, &pair.dst, limit)
            )?;
            if hosts {
                tokio::try_join!(src.find_host(), dst.find_host())?;
            }
            if hosts && !self.options.check {
                tokio::try_join!(pair.src.prepare(), pair.dst.prepare())?;
            }
            Ok::<_, Error>((src, dst))
        };
        let mut sides = Vec::new();
        for pair in &self.hosts {
            sides.push(open(pair).await?);
        }
        let ids = |pick: fn(&(Side, Side)) -> &Side| {
            let ids = sides.iter().map(pick).map(|side| side.host_id.clone()).filter(|id| !id.is_empty());
            ids.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let (of_src, of_dst) = (ids(|(src, _)| src), ids(|(_, dst)| dst));
        let slots = Arc::new(Slots::new(&self.options.limits, of_src.iter().chain(&of_dst).cloned()));
        let clouds: Vec<Clouds> = sides
            .into_iter()
            .map(|(src, dst)| Clouds {
                src: Side { hosts: of_src.clone(), ..src },
                dst: Side { hosts: of_dst.clone(), ..dst },
                link: Link::default(),
                slots: Arc::clone(&slots),
            })
            .collect();
        if clouds.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no pair of conversion hosts"));
        }
        Ok(clouds)
    }

    /// Checks every workload before the first is touched.
    async fn plan<'w>(
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
    fn tell_plan(&self, planned: &Planned<'_>, clouds: &Clouds) {
        if !planned.needed {
            return;
        }
        let disk = |volume: &osm_model::Volume| PlannedDisk {
            volume: volume.params.name.clone().or_else(|| volume.info.id.clone()).unwrap_or_default(),
            size_gib: volume.info.size.unwrap_or_default(),
            labels: planned_labels(&self.options, planned.workload, volume).into_iter().collect(),
        };
        self.events.emit(&Event::Planned {
            workload: planned.name.to_owned(),
            src_host: clouds.src.host.server().to_owned(),
            dst_host: clouds.dst.host.server().to_owned(),
            disks: planned.workload.params.volumes.iter().map(disk).collect(),
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

    async fn work_named(
        &self,
        clouds: &Clouds,
        planned: &Planned<'_>,
        errand: &Errand,
    ) -> (String, Result<Outcome>) {
        (format!("workload {}", planned.name), Box::pin(self.work_on(clouds, planned, errand)).await)
    }

    /// Moves or seeds a workload, or puts it back.
    async fn work_on(&self, clouds: &Clouds, planned: &Planned<'_>, errand: &Errand) -> Result<Outcome> {
        let Planned { workload, id, name, resolved, .. } = planned;
        self.events.emit(&Event::WorkloadStarted { workload: (*name).to_owned() });
        let subject =
            if self.is_done(clouds, planned).await? { None } else { Some(Subject::Server((*id).to_owned())) };
        let claim = match self.claim(&clouds.src, (id, name), subject).await {
            Ok(claim) => claim,
            Err(error) => {
                self.events.emit(&failure(name, Step::Claim, &error));
                return Err(error);
            }
        };
        let (claim, lease) = claim;
        let job = Job::new(self, clouds, workload, resolved, (id, name, name), (claim.clone(), lease))?;
        match Box::pin(self.attend(&job, job.run(errand), job.roll_back())).await {
            Ok((server, outcome)) => {
                if let Some(server) = server.as_deref().filter(|_| outcome != Outcome::Exists) {
                    self.note_moved(job.moved(server).await);
                }
                let status = match outcome {
                    Outcome::Seeded | Outcome::Rehearsed => JobStatus::Seeded,
                    Outcome::Removed => JobStatus::Pending,
                    _ => JobStatus::Done,
                };
                self.state.complete(&claim, status, server.as_deref()).await?;
                let workload = (*name).to_owned();
                self.events.emit(&Event::WorkloadDone { workload, server_id: server, outcome });
                Ok(outcome)
            }
            Err(error) => {
                job.emit(failure(name, job.current(), &error)).await;
                self.end_failed(&claim, &error).await;
                Err(error)
            }
        }
    }

    /// Notes in the map of ids what objects became; a failure is told, and the next run notes the same.
    pub(super) fn note_moved(&self, moved: Result<Vec<Moved>>) {
        match moved {
            Ok(moved) => self.data_dir.note_moved(moved, self.events.as_ref()),
            Err(error) => {
                let message = format!("the map of ids is not up to date: {}", error.chain());
                self.events.emit(&Event::Warning { workload: None, message });
            }
        }
    }

    /// Whether an earlier run has moved the workload to its end, and left no claim: then no cloud is written
    /// to.
    async fn is_done(&self, clouds: &Clouds, planned: &Planned<'_>) -> Result<bool> {
        if planned.needed {
            return Ok(false);
        }
        let metadata = tag::pairs([(tag::JOB, planned.id), (tag::STATE, tag::COMPLETE)]);
        let done = ServerFilter { metadata, ..ServerFilter::default() };
        if clouds.dst.compute.servers(&done).await?.is_empty() {
            return Ok(false);
        }
        let source = clouds.src.compute.server(planned.id).await?;
        Ok(source.is_none_or(|source| !source.metadata.keys().any(|key| key.starts_with(tag::CLAIM))))
    }
}

fn failure(name: &str, step: Step, error: &Error) -> Event {
    Event::WorkloadFailed {
        workload: name.to_owned(),
        step,
        error: error.chain(),
        kind: error.kind(),
        hint: error.context().hint.clone(),
    }
}
