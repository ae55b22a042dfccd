//! Volumes that several servers have: copied once, for all of them.
//!
//! Such a volume is a job of its own, under its own claim, that the move of each of its servers looks for. It stays at
//! its servers and is read beside them, so all of them must be stopped, and stay so until the last has moved. The copy
//! shows the stops of all: a server that ran in between makes it stale, and that is said before anything is made of it.

use std::collections::BTreeMap;

use osm_model::{Server as Workload, ServerInfo, ServerParams};
use osm_openstack::block_storage::Volume;

use super::WorkloadMigration;
use super::clouds::Clouds;
use super::disk::{Disk, Origin};
use super::images::Way;
use super::job::Job;
use super::lease::Subject;
use super::preflight::Resolved;
use super::side::named;
use crate::course::Done;
use crate::state::JobStatus;
use crate::{Error, ErrorKind, Result, Step};

/// What the errand of such a job is called.
const SHARED: &str = "shared volume";

impl Job<'_> {
    /// Whether another server than this job's has the volume; our conversion hosts do not count.
    pub(super) fn is_shared(&self, volume: &Volume) -> bool {
        self.sharers(volume).any(|server| server != self.id)
    }

    fn sharers<'v>(&'v self, volume: &'v Volume) -> impl Iterator<Item = &'v str> {
        let servers = volume.attachments.iter().filter_map(|attachment| attachment.server_id.as_deref());
        servers.filter(|server| !self.src.hosts.iter().any(|host| host == server))
    }

    /// Refuses shared volumes whose other servers run, before this one is stopped.
    pub(super) async fn check_shared(&self, all: &[Disk]) -> Result<()> {
        for disk in all.iter().filter(|disk| disk.origin == Origin::Shared) {
            if self.options().via == Way::Images {
                let message =
                    format!("volume {} is shared, and images are made of what no server has", disk.label);
                return Err(self.course.blocked(message, "move it through conversion hosts"));
            }
            self.others_stopped(disk).await?;
        }
        Ok(())
    }

    /// The servers that have the volume, this job's left out; each must be stopped.
    async fn others_stopped(&self, disk: &Disk) -> Result<Vec<String>> {
        let volume = self.src.volume(&disk.key).await?;
        let others: Vec<String> =
            self.sharers(&volume).filter(|server| *server != self.id).map(str::to_owned).collect();
        for other in &others {
            let server = self.src.settled_server(other).await?;
            let status = server.as_ref().map_or("gone", |server| server.status.as_str());
            if status != "SHUTOFF" {
                let name = server.as_ref().map_or(other.as_str(), |server| server.name.as_str());
                let message =
                    format!("volume {} is shared with server {name}, which is {status}", disk.label);
                return Err(self.course.blocked(
                    message,
                    "stop all servers that share it, and start none of them before all have moved",
                ));
            }
        }
        Ok(others)
    }

    /// Which stops of its servers the volume shows, in few words.
    async fn shared_point(&self, disk: &Disk) -> Result<String> {
        let mut servers = self.others_stopped(disk).await?;
        servers.push(self.id.to_owned());
        servers.sort();
        let mut stops = blake3::Hasher::new();
        for server in &servers {
            let stop = self.quiesce_point_of(server).await?;
            stops.update(format!("{server} {stop}\n").as_bytes());
        }
        Ok(format!("shared-{}", &stops.finalize().to_hex()[..32]))
    }

    /// The copies of the shared disks, made or found; by the key of the disk.
    pub(super) async fn shared_copies(&self, all: &[Disk]) -> Result<BTreeMap<String, SharedCopy>> {
        let mut copies = BTreeMap::new();
        for disk in all.iter().filter(|disk| disk.origin == Origin::Shared) {
            // The other servers of this run wait, and find the copy.
            let _alone = self.slots.alone(&disk.key).await;
            let point = self.shared_point(disk).await?;
            let volume = Box::pin(self.migration.copy_shared(self.clouds, disk, &point)).await?;
            copies.insert(disk.key.clone(), SharedCopy { volume, point });
        }
        Ok(copies)
    }

    /// Refuses copies whose sources have been started since.
    pub(super) async fn still_shared(
        &self,
        all: &[Disk],
        copies: &BTreeMap<String, SharedCopy>,
    ) -> Result<()> {
        for disk in all {
            if let Some(copy) = copies.get(&disk.key)
                && self.shared_point(disk).await? != copy.point
            {
                let message =
                    format!("a server that shares volume {} was started while it was copied", disk.label);
                return Err(self.course.blocked(message, "stop all servers that share it, and run again"));
            }
        }
        Ok(())
    }

    /// Copies the shared volume of this job, unless that was done since its servers were stopped.
    async fn bring_shared(&self, disk: &Disk, point: &str) -> Result<String> {
        self.step(Step::Claim, async { Ok(Done::new((), format!("epoch {}", self.course.claim.epoch))) })
            .await?;
        self.course.record(Step::Claim, super::errand::ERRAND, Some(SHARED)).await?;
        let copies = self.copies(Some(point)).await?;
        let known = copies.get(self.id);
        let complete = known.is_some_and(|copy| copy.complete);
        if !complete {
            if let Some(copy) = known {
                self.serves_nobody(&copy.volume, disk).await?;
            }
            self.make_copies(&[disk], &[self.id], &copies, point).await?;
        }
        self.step(Step::DetachDestination, self.let_go()).await?;
        let freed = async { Ok(Done::silent(self.src.detach_from_hosts(self.id).await?)) };
        self.step(Step::RestoreSource, freed).await?;
        let copies = self.copies(Some(point)).await?;
        match copies.get(self.id).filter(|copy| copy.complete) {
            Some(copy) => Ok(copy.volume.clone()),
            None => Err(Error::new(ErrorKind::Cloud, "the copy is gone").with_object(disk.label.clone())),
        }
    }

    /// A copy that a server of the destination has is not written any more, though its source was.
    async fn serves_nobody(&self, copy: &str, disk: &Disk) -> Result<()> {
        let volume = self.dst.settled(copy).await?;
        let servers = volume.attachments.iter().filter_map(|attachment| attachment.server_id.as_deref());
        match servers.into_iter().find(|server| !self.dst.hosts.iter().any(|host| host == server)) {
            None => Ok(()),
            Some(server) => Err(named(
                Error::new(
                    ErrorKind::Blocked,
                    format!(
                        "server {server} has the copy of {}, and a server of the source was started since it was made",
                        disk.label
                    ),
                )
                .with_hint("decide which of the two is to live: delete the destination's server, or the source's"),
                copy,
            )),
        }
    }

    /// After a failure: the source volume is at its servers alone, the copy at none.
    async fn give_up_shared(&self) {
        let (source, copies) = tokio::join!(self.src.detach_from_hosts(self.id), self.let_go_of_copies());
        self.course.tolerate("the source volume is still attached to the conversion host", source).await;
        self.course.tolerate("the copy is still attached to the conversion host", copies).await;
    }
}

/// The copy of a shared disk, and the stops it shows.
pub(super) struct SharedCopy {
    pub(super) volume: String,
    point: String,
}

impl WorkloadMigration {
    /// The copy of a shared volume that shows this point; gives its id.
    async fn copy_shared(&self, clouds: &Clouds, disk: &Disk, point: &str) -> Result<String> {
        let (id, name) = (disk.key.as_str(), disk.label.as_str());
        let (claim, lease) =
            self.claim(&clouds.src, (id, name), Some(Subject::Volume(id.to_owned()))).await?;
        // As with detached volumes: nothing of a server refers to it.
        let alone = Workload::new(ServerParams::default(), ServerInfo::default());
        let (resolved, log) = (Resolved::nothing(), format!("volume-{id}"));
        let job = Job::new(self, clouds, &alone, &resolved, (id, name, &log), (claim.clone(), lease))?;
        let ended = Box::pin(self.attend(&job, job.bring_shared(disk, point), job.give_up_shared())).await;
        match &ended {
            Ok(copy) => self.state.complete(&claim, JobStatus::Done, Some(copy)).await?,
            Err(error) => self.end_failed(&claim, error).await,
        }
        ended
    }
}
