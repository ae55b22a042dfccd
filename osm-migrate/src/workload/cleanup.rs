//! Giving a move up: what it has made goes, what it has taken goes back.

use osm_model::NameFilter;

use super::WorkloadMigration;
use super::boot::is_rejected;
use super::errand::Errand;
use super::job::Job;
use super::server::Present;
use super::tag;
use crate::course::Done;
use crate::{Error, ErrorKind, Outcome, Result, Step, Summary};

impl WorkloadMigration {
    /// Removes what unfinished moves of the workloads that pass the filter have made in either cloud: seeds,
    /// ports, snapshots, images, a server that never ran. Nothing is removed that does not carry the job.
    ///
    /// A workload that lives in the destination is left alone, and so are finished copies.
    ///
    /// # Errors
    /// Nothing could be started: no such file, bad credentials, unusable conversion hosts.
    ///
    /// # Cancel safety
    /// May be dropped at any time; the next call continues.
    pub async fn clean_up(&self, filter: &NameFilter) -> Result<Summary> {
        self.work(filter, &Errand::CleanUp).await
    }
}

impl Job<'_> {
    pub(super) async fn clean_up(&self) -> Result<(Option<String>, Outcome)> {
        match self.present().await? {
            Present::Ours(server) if !is_rejected(&server) && server.launched_at.is_some() => {
                return Ok((Some(server.id), Outcome::Unchanged));
            }
            _ => {}
        }
        self.drop_rehearsal().await?;
        let made = self.dst.made_volumes(self.id, Step::CreateVolumes).await?.len();
        let was_stopped = self.source_server().await?.metadata.contains_key(tag::STOPPED);
        let taken = self.src.lent_volumes(self.id).await?.len();
        let temporary = self.src.made_volumes(self.id, Step::Snapshot).await?.len();
        let back = Box::pin(async {
            Box::pin(self.roll_back()).await;
            // A copy that was finished is a seed now that its source runs on.
            Ok(Done::silent(self.let_go_of_copies().await?))
        });
        self.step(Step::RestoreSource, back).await?;
        let left = self.dst.made_volumes(self.id, Step::CreateVolumes).await?;
        let unfinished = left
            .iter()
            .filter(|volume| volume.metadata.get(tag::STATE).map(String::as_str) != Some(tag::COMPLETE));
        if unfinished.count() > 0 {
            return Err(Error::new(ErrorKind::Cloud, "not everything could be removed")
                .with_hint("see the notes above; mend what they name, and clean up again"));
        }
        for volume in &left {
            self.course
                .warn(format!(
                    "the finished copy {} is left: delete it yourself if it is of no use",
                    volume.id
                ))
                .await;
        }
        let changed = made > left.len() || taken > 0 || temporary > 0 || was_stopped;
        Ok((None, if changed { Outcome::Removed } else { Outcome::Unchanged }))
    }
}
