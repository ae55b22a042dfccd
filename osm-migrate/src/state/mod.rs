//! What has been done, and who works on it: the [`StateStore`].
//!
//! A job is claimed before it is worked on. A claim has an epoch; each new claim raises it, and a
//! call with an older epoch is refused. So a process that was thought dead, and is not, can do no
//! harm once its job was taken over.
//!
//! The clouds are the truth about their objects; the store adds what they cannot hold.

mod owner;
mod sqlite;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Event, Result, Step};

pub use self::owner::Owner;
pub use self::sqlite::SqliteStore;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Known, never worked on.
    Pending,
    /// Claimed by a process.
    Running,
    /// The last attempt failed or was interrupted; the next one continues.
    Failed,
    /// The disks were copied while the server ran; the cutover is still to come.
    Seeded,
    /// Done; nothing is left to do.
    Done,
}

/// A job: one workload to move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The id of the source server.
    pub id: String,
    /// The name of the workload.
    pub workload: String,
    /// Where it stands.
    pub status: JobStatus,
    /// How often it has been claimed.
    pub epoch: u64,
    /// Who works on it, or did last.
    pub owner: Option<Owner>,
    /// When the owner was last heard of, in milliseconds since 1970.
    pub heartbeat: Option<u64>,
    /// The last error, or the id of the destination server.
    pub detail: Option<String>,
}

impl Job {
    /// A job nobody has worked on.
    pub fn new(id: impl Into<String>, workload: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            workload: workload.into(),
            status: JobStatus::Pending,
            epoch: 0,
            owner: None,
            heartbeat: None,
            detail: None,
        }
    }
}

impl Job {
    /// How long the owner has not been heard of.
    pub fn silence(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_millis(self.heartbeat.unwrap_or(0)))
    }
}

/// The right to work on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job: String,
    /// The epoch of this claim; a higher one ends it.
    pub epoch: u64,
}

/// A step, or a part of it, that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The step.
    pub step: Step,
    /// Which part of it: a volume id, or empty for the whole step.
    pub item: String,
    /// What must be remembered: the id of what was made.
    pub data: Option<String>,
}

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What happened.
    pub event: Event,
}

/// Keeps jobs, claims, checkpoints and events.
///
/// When a call returns, what it wrote survives a power loss.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Makes the job known; one that is known keeps its claim and checkpoints.
    async fn put_job(&self, job: &Job) -> Result<()>;

    /// The job, if known.
    async fn job(&self, id: &str) -> Result<Option<Job>>;

    /// All jobs, by workload name.
    async fn jobs(&self) -> Result<Vec<Job>>;

    /// Claims the job for `owner`.
    ///
    /// # Errors
    /// [`Claimed`](crate::ErrorKind::Claimed) while a live process holds it.
    async fn claim(&self, job: &str, owner: &Owner) -> Result<Claim>;

    /// Says that the claim's owner is alive.
    ///
    /// # Errors
    /// [`StaleEpoch`](crate::ErrorKind::StaleEpoch) when the job was taken over; likewise below.
    async fn heartbeat(&self, claim: &Claim) -> Result<()>;

    /// Records that a step, or a part of it, is done.
    async fn checkpoint(&self, claim: &Claim, checkpoint: &Checkpoint) -> Result<()>;

    /// Forgets the checkpoints of a step: what it did has been undone.
    async fn forget(&self, claim: &Claim, step: Step) -> Result<()>;

    /// What is done, in the order it was recorded.
    async fn checkpoints(&self, job: &str) -> Result<Vec<Checkpoint>>;

    /// Ends the claim with what came of it.
    async fn complete(&self, claim: &Claim, status: JobStatus, detail: Option<&str>) -> Result<()>;

    /// Records an event of the job.
    async fn record(&self, claim: &Claim, event: &Event) -> Result<()>;

    /// The recorded events of the job, in order.
    async fn events(&self, job: &str) -> Result<Vec<RecordedEvent>>;
}
