//! The whole run: which workloads, in what order, and what becomes of each.

use std::future::Future;
use std::pin::pin;

use futures_util::{StreamExt as _, stream};
use osm_model::{Kind, NameFilter, Resource};
use osm_openstack::compute::ServerFilter;

use super::WorkloadMigration;
use super::boot;
use super::clouds::Clouds;
use super::errand::Errand;
use super::images::Way;
use super::job::Job;
use super::lease::Subject;
use super::plan::Planned;
use super::tag;
use crate::state::JobStatus;
use crate::{Error, ErrorKind, Event, Moved, Outcome, Result, Step, Summary};

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
                job.course.emit(failure(name, job.course.current(), &error)).await;
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

pub(super) fn failure(name: &str, step: Step, error: &Error) -> Event {
    Event::WorkloadFailed {
        workload: name.to_owned(),
        step,
        error: error.chain(),
        kind: error.kind(),
        hint: error.context().hint.clone(),
    }
}
