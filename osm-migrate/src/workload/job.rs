//! The move of one workload: who works on it, what it has done so far, who hears of it.

use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};

use osm_model::Server as Workload;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use uuid::Uuid;

use super::clouds::Clouds;
use super::hook::When;
use super::lease::Lease;
use super::link::Link;
use super::log::WorkloadLog;
use super::preflight::Resolved;
use super::side::Side;
use super::slots::Slots;
use super::tag;
use super::{MigrationOptions, WorkloadMigration};
use crate::state::{Checkpoint, Claim};
use crate::{Error, ErrorKind, Event, Result, Step};

/// The move of one workload, under a claim.
pub(super) struct Job<'a> {
    pub(super) migration: &'a WorkloadMigration,
    pub(super) src: &'a Side,
    pub(super) dst: &'a Side,
    /// Both, with what their jobs share.
    pub(super) clouds: &'a Clouds,
    pub(super) link: &'a Link,
    pub(super) slots: &'a Slots,
    /// The job's places on its hosts, from the first attachment until the job is over.
    places: Mutex<Vec<OwnedSemaphorePermit>>,
    pub(super) workload: &'a Workload,
    pub(super) resolved: &'a Resolved,
    /// The id of the source server, and of the job.
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) claim: Claim,
    /// The claim as the source cloud shows it; none where nothing is left to do.
    pub(super) lease: Option<Lease>,
    /// The point of a source whose story cannot be read: this run's own, so that no other run takes
    /// what it copied for the present.
    pub(super) unknown_point: String,
    log: WorkloadLog,
    /// The step under way, as its place in [`Step::ALL`].
    current: AtomicU8,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        migration: &'a WorkloadMigration,
        clouds: &'a Clouds,
        workload: &'a Workload,
        resolved: &'a Resolved,
        (id, name, log): (&'a str, &'a str, &str),
        (claim, lease): (Claim, Option<Lease>),
    ) -> Result<Self> {
        let log = WorkloadLog::open(&migration.data_dir, log)?;
        let (src, dst) = (&clouds.src, &clouds.dst);
        let (unknown_point, current) = (format!("{}-{}", tag::UNKNOWN, Uuid::new_v4()), AtomicU8::new(0));
        Ok(Self {
            migration,
            src,
            dst,
            clouds,
            link: &clouds.link,
            slots: &clouds.slots,
            places: Mutex::default(),
            workload,
            resolved,
            id,
            name,
            claim,
            lease,
            unknown_point,
            log,
            current,
        })
    }

    pub(super) fn options(&self) -> &MigrationOptions {
        &self.migration.options
    }

    /// Waits for places on both hosts for so many disks, unless the job has them.
    pub(super) async fn take_places(&self, disks: usize) -> Result<()> {
        let mut places = self.places.lock().await;
        if places.is_empty() {
            *places = self.slots.attaching([&self.src.host_id, &self.dst.host_id], disks).await?;
        }
        Ok(())
    }

    /// The step under way.
    pub(super) fn current(&self) -> Step {
        let place = usize::from(self.current.load(Ordering::Relaxed));
        Step::ALL.get(place).copied().unwrap_or(Step::Preflight)
    }

    /// Runs a step; it is recorded when its work is done.
    pub(super) async fn step<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<Done<T>>> + Send,
    ) -> Result<T> {
        let place = Step::ALL.iter().position(|known| *known == step).unwrap_or_default();
        self.current.store(u8::try_from(place).unwrap_or(0), Ordering::Relaxed);
        self.emit(Event::StepStarted { workload: self.name.to_owned(), step }).await;
        let named = |error: Error| {
            let error =
                if error.context().operation.is_none() { error.with_operation(step.as_str()) } else { error };
            error.with_workload(self.name)
        };
        self.run_hooks(When::Before, step, None).await.map_err(named)?;
        let done = Box::pin(work).await.map_err(named)?;
        self.record(step, "", done.detail.as_deref()).await?;
        self.emit(Event::StepDone { workload: self.name.to_owned(), step, detail: done.detail.clone() })
            .await;
        self.run_hooks(When::After, step, done.detail.as_deref()).await.map_err(named)?;
        Ok(done.value)
    }

    /// Records that a step, or a part of it, is done.
    pub(super) async fn record(&self, step: Step, item: &str, data: Option<&str>) -> Result<()> {
        let checkpoint = Checkpoint { step, item: item.to_owned(), data: data.map(str::to_owned) };
        self.migration.state.checkpoint(&self.claim, &checkpoint).await
    }

    /// What was recorded of a part of a step.
    pub(super) async fn recorded(&self, step: Step, item: &str) -> Result<Option<Checkpoint>> {
        let done = self.migration.state.checkpoints(self.id).await?;
        Ok(done.into_iter().find(|done| done.step == step && done.item == item))
    }

    /// Says what happens: to the listener, the log and the store.
    pub(super) async fn emit(&self, event: Event) {
        match &event {
            Event::StepStarted { step, .. } => self.log.info(&format!("step {step}")),
            Event::StepDone { step, detail: Some(detail), .. } => {
                self.log.info(&format!("step {step} done: {detail}"));
            }
            Event::StepDone { step, .. } => self.log.info(&format!("step {step} done")),
            Event::WorkloadFailed { step, error, .. } => {
                self.log.error(&format!("step {step} failed: {error}"))
            }
            Event::DiskVerified { volume, digest, .. } => {
                self.log.info(&format!("{volume} verified: {digest}"));
            }
            Event::PassDone { pass, copied, size, took_ms, .. } => {
                self.log
                    .info(&format!("pass {pass} done: {copied} of {size} bytes travelled in {took_ms} ms"));
            }
            Event::WorkloadDone { outcome, .. } => self.log.info(&format!("workload {outcome}")),
            Event::Warning { message, .. } => self.log.error(message),
            _ => {}
        }
        self.migration.events.emit(&event);
        match self.migration.state.record(&self.claim, &event).await {
            Ok(()) => {}
            // Whoever took the job over tells its story from now on.
            Err(error) if error.kind() == ErrorKind::StaleEpoch => {}
            Err(error) => tracing::warn!(%error, "an event could not be recorded"),
        }
    }

    /// Says something that stops nothing.
    pub(super) async fn warn(&self, message: impl Into<String>) {
        self.emit(Event::Warning { workload: Some(self.name.to_owned()), message: message.into() }).await;
    }

    /// Goes on after an error of tidying up.
    pub(super) async fn tolerate(&self, what: &str, result: Result<()>) {
        if let Err(error) = result {
            self.warn(format!("{what}: {}", error.chain())).await;
        }
    }

    /// Says how far a disk is. Not recorded: there is too much of it.
    pub(super) fn progress(&self, device: &str, label: &str, copied: u64, zeroed: u64, total: u64) {
        self.log.progress(device, copied + zeroed, total);
        self.migration.events.emit(&Event::DiskProgress {
            workload: self.name.to_owned(),
            volume: label.to_owned(),
            copied,
            zeroed,
            total,
        });
    }

    /// An error that only the operator can remove.
    pub(super) fn blocked(&self, message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::new(ErrorKind::Blocked, message).with_workload(self.name).with_hint(hint)
    }
}

/// What a step's work gives, and what to tell about it.
pub(super) struct Done<T> {
    value: T,
    detail: Option<String>,
}

impl<T> Done<T> {
    pub(super) fn new(value: T, detail: impl Into<String>) -> Self {
        Self { value, detail: Some(detail.into()) }
    }

    pub(super) fn silent(value: T) -> Self {
        Self { value, detail: None }
    }
}
