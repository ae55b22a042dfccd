//! The course of a job: its steps as they are taken, told to listeners, log and store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::log::JobLog;
use crate::state::{Checkpoint, Claim};
use crate::{DataDir, Error, ErrorKind, Event, EventSink, Result, StateStore, Step};

/// The course of one job, under a claim.
pub(crate) struct Course<'a> {
    pub(crate) state: &'a Arc<dyn StateStore>,
    events: &'a Arc<dyn EventSink>,
    /// The id of the job: of the source server, or of the machine.
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) claim: Claim,
    log: JobLog,
    /// The step under way, as its place in [`Step::ALL`].
    current: AtomicU8,
}

impl<'a> Course<'a> {
    /// The course of a job, whose log is called `log`.
    pub(crate) fn new(
        (state, events, data_dir): (&'a Arc<dyn StateStore>, &'a Arc<dyn EventSink>, &DataDir),
        (id, name, log): (&'a str, &'a str, &str),
        claim: Claim,
    ) -> Result<Self> {
        let log = JobLog::open(data_dir, log)?;
        Ok(Self { state, events, id, name, claim, log, current: AtomicU8::new(0) })
    }

    /// The step under way.
    pub(crate) fn current(&self) -> Step {
        let place = usize::from(self.current.load(Ordering::Relaxed));
        Step::ALL.get(place).copied().unwrap_or(Step::Preflight)
    }

    /// A step begins.
    pub(crate) async fn begin(&self, step: Step) {
        let place = Step::ALL.iter().position(|known| *known == step).unwrap_or_default();
        self.current.store(u8::try_from(place).unwrap_or(0), Ordering::Relaxed);
        self.emit(Event::StepStarted { workload: self.name.to_owned(), step }).await;
    }

    /// The work of a step is done: that is recorded, and told.
    pub(crate) async fn end(&self, step: Step, detail: Option<&str>) -> Result<()> {
        self.record(step, "", detail).await?;
        let detail = detail.map(str::to_owned);
        self.emit(Event::StepDone { workload: self.name.to_owned(), step, detail }).await;
        Ok(())
    }

    /// An error of a step, with what it happened in.
    pub(crate) fn located(&self, step: Step, error: Error) -> Error {
        let error =
            if error.context().operation.is_none() { error.with_operation(step.as_str()) } else { error };
        error.with_workload(self.name)
    }

    /// Records that a step, or a part of it, is done.
    pub(crate) async fn record(&self, step: Step, item: &str, data: Option<&str>) -> Result<()> {
        let checkpoint = Checkpoint { step, item: item.to_owned(), data: data.map(str::to_owned) };
        self.state.checkpoint(&self.claim, &checkpoint).await
    }

    /// What was recorded of a part of a step.
    pub(crate) async fn recorded(&self, step: Step, item: &str) -> Result<Option<Checkpoint>> {
        let done = self.state.checkpoints(self.id).await?;
        Ok(done.into_iter().find(|done| done.step == step && done.item == item))
    }

    /// Says what happens: to the listener, the log and the store.
    pub(crate) async fn emit(&self, event: Event) {
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
        self.events.emit(&event);
        match self.state.record(&self.claim, &event).await {
            Ok(()) => {}
            // Whoever took the job over tells its story from now on.
            Err(error) if error.kind() == ErrorKind::StaleEpoch => {}
            Err(error) => tracing::warn!(%error, "an event could not be recorded"),
        }
    }

    /// Says something that stops nothing.
    pub(crate) async fn warn(&self, message: impl Into<String>) {
        self.emit(Event::Warning { workload: Some(self.name.to_owned()), message: message.into() }).await;
    }

    /// Goes on after an error of tidying up.
    pub(crate) async fn tolerate(&self, what: &str, result: Result<()>) {
        if let Err(error) = result {
            self.warn(format!("{what}: {}", error.chain())).await;
        }
    }

    /// Says how far a disk is. Not recorded: there is too much of it.
    pub(crate) fn progress(&self, device: &str, label: &str, copied: u64, zeroed: u64, total: u64) {
        self.log.progress(device, copied + zeroed, total);
        self.events.emit(&Event::DiskProgress {
            workload: self.name.to_owned(),
            volume: label.to_owned(),
            copied,
            zeroed,
            total,
        });
    }

    /// An error that only the operator can remove.
    pub(crate) fn blocked(&self, message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::new(ErrorKind::Blocked, message).with_workload(self.name).with_hint(hint)
    }
}

/// What a step's work gives, and what to tell about it.
pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) detail: Option<String>,
}

impl<T> Done<T> {
    pub(crate) fn new(value: T, detail: impl Into<String>) -> Self {
        Self { value, detail: Some(detail.into()) }
    }

    pub(crate) fn silent(value: T) -> Self {
        Self { value, detail: None }
    }
}
