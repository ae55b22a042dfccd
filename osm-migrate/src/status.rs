//! Where the workloads of a data directory stand.

use serde::{Deserialize, Serialize};

use crate::state::{Job, JobStatus, StateStore};
use crate::workload::ERRAND;
use crate::{DataDir, Result, Step};

/// Where a workload stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadStatus {
    /// Its job.
    #[serde(flatten)]
    pub job: Job,
    /// The last step that is done.
    pub step: Option<Step>,
    /// What the last run was for: `migrate`, `seed`, `cutover`, `cleanup`, `detached volume`.
    pub errand: Option<String>,
}

/// Where each workload stands that was ever worked on, by name.
///
/// # Errors
/// The state store cannot be read.
pub async fn status(data_dir: &DataDir) -> Result<Vec<WorkloadStatus>> {
    if !data_dir.has_state() {
        return Ok(Vec::new());
    }
    let store = data_dir.open_state()?;
    let mut found = Vec::new();
    for mut job in store.jobs().await? {
        let silence = job.silence();
        // A process that was killed could not say so.
        if job.status == JobStatus::Running
            && job.owner.as_ref().is_some_and(|owner| !owner.is_alive(silence))
        {
            job.status = JobStatus::Failed;
            job.detail = Some("its process ended in the middle; run it again to continue".to_owned());
        }
        let done = store.checkpoints(&job.id).await?;
        let step = done.iter().filter(|done| done.item.is_empty()).map(|done| done.step).max();
        let errand = done.into_iter().find(|done| done.item == ERRAND).and_then(|done| done.data);
        found.push(WorkloadStatus { job, step, errand });
    }
    Ok(found)
}
