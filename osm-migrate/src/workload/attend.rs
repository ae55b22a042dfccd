//! A job under its claim: who works on it, that the claim is renewed, and that what failed is undone.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::WorkloadMigration;
use super::job::Job;
use super::lease::{Lease, RENEWED, Subject};
use super::restore::may_roll_back;
use super::side::Side;
use crate::StateStore;
use crate::course::Course;
use crate::state::{Claim, Job as JobRecord, JobStatus, Owner};
use crate::{Cancel, Error, ErrorKind, Result};

/// How often the claim is renewed.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long putting things back may take when the operator waits for the end.
const ROLL_BACK: Duration = Duration::from_secs(120);

impl WorkloadMigration {
    /// Claims a job in the state store and, where there is a subject, for everybody who sees the source.
    pub(super) async fn claim(
        &self,
        src: &Side,
        job: (&str, &str),
        subject: Option<Subject>,
    ) -> Result<(Claim, Option<Lease>)> {
        claim(&self.state, src, job, subject).await
    }

    /// Lets a job work under its claim; what failed is undone.
    pub(super) async fn attend<T>(
        &self,
        job: &Job<'_>,
        work: impl Future<Output = Result<T>> + Send,
        undo: impl Future<Output = ()> + Send,
    ) -> Result<T> {
        attend(&job.course, job.lease.as_ref(), (&self.cancel, self.options.timeout), work, undo).await
    }

    /// Records why a job failed.
    pub(super) async fn end_failed(&self, claim: &Claim, error: &Error) {
        end_failed(&self.state, claim, error).await;
    }
}

/// Claims a job, by its id and name, in the state store and, where there is a subject, for everybody who sees that.
pub(crate) async fn claim(
    state: &Arc<dyn StateStore>,
    side: &Side,
    (id, name): (&str, &str),
    subject: Option<Subject>,
) -> Result<(Claim, Option<Lease>)> {
    state.put_job(&JobRecord::new(id, name)).await?;
    let owner = Owner::current();
    let claim = state.claim(id, &owner).await?;
    let Some(subject) = subject else { return Ok((claim, None)) };
    match Lease::take(side, subject, &owner, claim.epoch).await {
        Ok(lease) => Ok((claim, Some(lease))),
        Err(error) => {
            let error = error.with_workload(name);
            end_failed(state, &claim, &error).await;
            Err(error)
        }
    }
}

/// Records why a job failed.
pub(crate) async fn end_failed(state: &Arc<dyn StateStore>, claim: &Claim, error: &Error) {
    if let Err(error) = state.complete(claim, JobStatus::Failed, Some(&error.chain())).await {
        tracing::warn!(%error, "the end of a job could not be recorded");
    }
}

/// Lets a job work until it is done, is interrupted or loses its claim; what failed is undone, as long as the claim
/// is its own. `limit` is how long one thing may take.
pub(crate) async fn attend<T>(
    course: &Course<'_>,
    lease: Option<&Lease>,
    (cancel, limit): (&Cancel, Duration),
    work: impl Future<Output = Result<T>> + Send,
    undo: impl Future<Output = ()> + Send,
) -> Result<T> {
    let (lost, beat) = heartbeat(Arc::clone(course.state), course.claim.clone(), lease.cloned());
    let result = tokio::select! {
        result = Box::pin(work) => result,
        () = cancel.cancelled() => Err(Error::interrupted().with_workload(course.name)),
        () = lost.cancelled() => Err(lost_claim(course.name)),
    };
    if let Err(error) = &result
        && may_roll_back(error)
    {
        let interrupted = error.kind() == ErrorKind::Interrupted;
        let limit = if interrupted { ROLL_BACK } else { limit * 2 };
        tokio::select! {
            back = timeout(limit, Box::pin(undo)) => if back.is_err() {
                course.warn("putting things back took too long; run again to continue").await;
            },
            () = lost.cancelled() => {}
        }
    }
    beat.abort();
    if let Some(lease) = lease.filter(|_| result.as_ref().err().is_none_or(may_roll_back)) {
        course.tolerate("the claim on the source is left, and void soon", lease.release().await).await;
    }
    result
}

/// Renews the claim; the first value is cancelled when it is lost.
fn heartbeat(
    state: Arc<dyn StateStore>,
    claim: Claim,
    lease: Option<Lease>,
) -> (Cancel, tokio::task::JoinHandle<()>) {
    let lost = Cancel::default();
    let told = lost.clone();
    let renewed_every = RENEWED.as_secs() / HEARTBEAT.as_secs();
    let beat = tokio::spawn(async move {
        for beat in 1.. {
            tokio::time::sleep(HEARTBEAT).await;
            let renewed = async {
                state.heartbeat(&claim).await?;
                match &lease {
                    Some(lease) if beat % renewed_every == 0 => lease.renew(beat).await,
                    _ => Ok(()),
                }
            };
            match renewed.await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StaleEpoch => return told.cancel(),
                // A cloud may be away for a while, and a server that is being stopped takes no metadata.
                Err(error) => tracing::warn!(%error, "the claim could not be renewed"),
            }
        }
    });
    (lost, beat)
}

fn lost_claim(name: &str) -> Error {
    Error::new(ErrorKind::StaleEpoch, "another process took the job over").with_workload(name)
}
