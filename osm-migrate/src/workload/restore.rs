//! Puts the source back, and tidies up after a failure. Everything is looked up in the clouds, so it
//! works as well for what another process left behind.

use osm_openstack::block_storage::Volume;
use osm_openstack::network::Port;

use super::boot::is_rejected;
use super::disk::exported_device;
use super::job::Job;
use super::server::Present;
use super::tag;
use crate::course::Done;
use crate::{Error, ErrorKind, Result, Step};

impl Job<'_> {
    /// Gives the source server its volumes back, and deletes what was made of its disks.
    pub(super) async fn restore_source(&self) -> Result<Done<()>> {
        let mut lent = self.src.lent_volumes(self.id).await?;
        let place = |volume: &Volume| exported_device(self.workload, &volume.id).unwrap_or_default();
        lent.sort_by_key(|volume| (place(volume).len(), place(volume)));
        let mut failed = None;
        for volume in &lent {
            if let Err(error) = self.give_back(&volume.id).await {
                // The others are given back all the same.
                self.course
                    .warn(format!("volume {} is not back at its server: {}", volume.id, error.chain()))
                    .await;
                failed = Some(error);
            }
        }
        if let Err(error) = self.delete_temporary(None).await {
            self.course.warn(format!("temporary things of the source are left: {}", error.chain())).await;
            failed = Some(error);
        }
        match failed {
            Some(error) => Err(error.with_hint("run again when the source cloud is well; it continues here")),
            None => Ok(Done::new((), format!("{} volumes given back", lent.len()))),
        }
    }

    async fn give_back(&self, id: &str) -> Result<()> {
        if let Err(error) = self.src.settled(id).await {
            // Stuck on its way out, and so still at its server: that is where it belongs.
            let volume = self.src.volume(id).await?;
            if !volume.is_attached_to(self.id) || volume.attachments.len() > 1 {
                return Err(error);
            }
            self.course.warn(format!("volume {id} is stuck in status {}", volume.status)).await;
            return self.src.untag_volume(id, &[tag::LENT]).await;
        }
        self.src.detach_from_hosts(id).await?;
        self.src.attach(self.id, id).await?;
        self.src.untag_volume(id, &[tag::LENT]).await?;
        self.course.record(Step::RestoreSource, id, None).await
    }

    /// After a failure: the source as it was, nothing half-made left but copies for the next run.
    /// What cannot be undone is said; the next run tries again.
    pub(super) async fn roll_back(&self) {
        let may_start = match self.present().await {
            // The workload lives in the destination: starting its source would make two of it.
            Ok(Present::Ours(server)) if is_rejected(&server) => {
                let rejected = self.reject(&server.id).await;
                let may_start = rejected.is_ok();
                self.course.tolerate("the server that did not come up is left", rejected).await;
                may_start
            }
            Ok(Present::Ours(server))
                if server.launched_at.is_some() || matches!(server.status.as_str(), "ACTIVE" | "SHUTOFF") =>
            {
                let restored = self.restore_source().await.map(drop);
                self.course.tolerate("the source is not put back", restored).await;
                return;
            }
            Ok(Present::Ours(server)) => {
                let dropped = self.drop_server(&server.id).await;
                let may_start = dropped.is_ok();
                self.course.tolerate("the failed destination server is left", dropped).await;
                may_start
            }
            Ok(_) => true,
            Err(error) => {
                self.course.warn(format!("the destination cannot be tidied up: {}", error.chain())).await;
                false
            }
        };
        let (ports, copies, source) =
            tokio::join!(self.drop_ports(), self.let_go_of_copies(), self.restore_source());
        self.course.tolerate("ports in the destination are left", ports).await;
        self.course.tolerate("copies are still attached to the conversion host", copies).await;
        let restored = source.is_ok();
        self.course.tolerate("the source is not put back", source.map(drop)).await;
        if !may_start {
            self.course.warn("the source server stays stopped, because it may live in the destination").await;
        } else if restored {
            let started = self.restart_source().await;
            self.course.tolerate("the source server is not started again", started).await;
        } else {
            self.course.warn("the source server is not started, because it may lack volumes").await;
        }
    }

    /// Starts the source if this job stopped it. Its disks change from then on: no copy is complete.
    async fn restart_source(&self) -> Result<()> {
        let server = self.settled_source().await?;
        if !server.metadata.contains_key(tag::STOPPED) {
            return Ok(());
        }
        self.unfinish_copies().await?;
        if server.status == "SHUTOFF" {
            self.src.compute.start_server(self.id).await?;
            self.src.compute.wait_server(self.id, "ACTIVE", self.src.limit).await?;
        }
        self.src.untag_server(self.id, tag::STOPPED).await
    }

    /// Deletes a server of ours that never ran; its volumes stay.
    pub(super) async fn drop_server(&self, id: &str) -> Result<()> {
        self.dst.compute.delete_server(id).await?;
        Ok(self.dst.compute.wait_server_gone(id, self.dst.limit).await?)
    }

    async fn drop_ports(&self) -> Result<()> {
        for port in self.own_ports().await? {
            if port.device_id.is_empty() {
                self.dst.network.delete::<Port>(&port.id).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn let_go_of_copies(&self) -> Result<()> {
        self.detach_copies().await?;
        let volumes = self.dst.made_volumes(self.id, Step::CreateVolumes).await?;
        if !self.options().cleanup {
            if !volumes.is_empty() {
                self.course
                    .warn(format!("{} destination volumes are kept for the next run", volumes.len()))
                    .await;
            }
            return Ok(());
        }
        for volume in volumes {
            let unfinished = volume.metadata.get(tag::STATE).map(String::as_str) != Some(tag::COMPLETE);
            if unfinished && volume.attachments.is_empty() {
                self.dst.delete_volume(&volume.id).await?;
            }
        }
        Ok(())
    }

    /// Marks the destination server as moved, and forgets that the source was stopped for it.
    pub(super) async fn release(&self, server: &str) -> Result<Done<()>> {
        if self.workload.migration_params.data_copy {
            self.src.untag_server(self.id, tag::STOPPED).await?;
        }
        let mark = tag::pairs([(tag::STATE, tag::COMPLETE)]);
        self.dst.compute.set_server_metadata(server, &mark).await?;
        Ok(Done::silent(()))
    }
}

/// Whether the job still owns its claim after this error; only then it may undo anything.
pub(super) fn may_roll_back(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::StaleEpoch | ErrorKind::Claimed)
}
