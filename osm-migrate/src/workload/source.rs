//! The source: stopped, its data volumes lent to the conversion host.

use osm_openstack::compute::Server;
use osm_openstack::{ErrorKind as CloudError, Method};
use serde::Deserialize;

use super::disk::{Disk, LiveVolume, Origin, attached_device, exported_device};
use super::job::Job;
use super::tag;
use crate::course::Done;
use crate::{Result, Step};

/// What happens to a server without changing its disks.
const HARMLESS: [&str; 9] = [
    "attach_volume",
    "detach_volume",
    "createImage",
    "create_image",
    "attach_interface",
    "detach_interface",
    "lock",
    "unlock",
    "updateMetadata",
];

impl Job<'_> {
    /// The source server, which must be there.
    pub(super) async fn source_server(&self) -> Result<Server> {
        self.src.compute.server(self.id).await?.ok_or_else(|| {
            self.course.blocked(
                format!("the source server {} is gone", self.id),
                "export workloads again, or take it out of workloads.yml",
            )
        })
    }

    /// The source server once whatever is being done with it is done: its status says nothing while
    /// it is being stopped or started, by us before a crash or by its owner.
    pub(super) async fn settled_source(&self) -> Result<Server> {
        self.source_server().await?;
        match self.src.settled_server(self.id).await? {
            Some(server) => Ok(server),
            None => self.source_server().await,
        }
    }

    /// The volumes of the source server: those attached, and those that this job detached.
    pub(super) async fn live_volumes(&self) -> Result<Vec<LiveVolume>> {
        let attachments = self.src.compute.attachments(self.id).await?;
        let mut live = Vec::new();
        for attachment in &attachments {
            let volume = self.src.volume(&attachment.volume_id).await?;
            let device = attachment.device.clone().or_else(|| exported_device(self.workload, &volume.id));
            let shared = self.is_shared(&volume);
            live.push(LiveVolume { volume, device: device.unwrap_or_default(), shared });
        }
        for volume in self.src.lent_volumes(self.id).await? {
            if attached_device(&attachments, &volume.id).is_none() {
                let device = exported_device(self.workload, &volume.id).unwrap_or_default();
                live.push(LiveVolume { volume, device, shared: false });
            }
        }
        Ok(live)
    }

    /// Stops the source, and tells which stop its disks show.
    pub(super) async fn stop_source(&self) -> Result<Done<String>> {
        let server = self.settled_source().await?;
        let detail = match server.status.as_str() {
            "SHUTOFF" => "is stopped",
            "ACTIVE" if !self.options().stop => {
                return Err(self.course.blocked("the source server runs", "stop it, or allow osm to"));
            }
            "ACTIVE" => {
                // Marked first: whoever puts the source back must know that it ran.
                let mark = tag::pairs([(tag::STOPPED, "yes")]);
                self.src.compute.set_server_metadata(self.id, &mark).await?;
                self.src.compute.stop_server(self.id).await?;
                "stopped"
            }
            other => {
                let message = format!("the source server is {other}");
                return Err(self.course.blocked(message, "bring it to ACTIVE or SHUTOFF"));
            }
        };
        self.src.compute.wait_server(self.id, "SHUTOFF", self.src.limit).await?;
        Ok(Done::new(self.quiesce_point_of(self.id).await?, detail))
    }

    /// The stop that the disks show now; nothing when the server runs.
    pub(super) async fn stop_source_seen(&self) -> Result<String> {
        let server = self.source_server().await?;
        if server.status == "SHUTOFF" { self.quiesce_point_of(self.id).await } else { Ok(server.status) }
    }

    /// Names the last thing that may have changed the disks of a server. Copies of another point are stale.
    pub(super) async fn quiesce_point_of(&self, server: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Action {
            action: String,
            request_id: String,
            start_time: Option<String>,
        }
        let path = format!("servers/{server}/os-instance-actions");
        let request = self.src.compute.service().request("list server actions", Method::GET, path);
        let mut actions: Vec<Action> = match request.keyed("instanceActions").await {
            Ok(actions) => actions,
            // Not every policy shows them. Then nothing an earlier run copied can be trusted.
            Err(error) if matches!(error.kind(), CloudError::NotFound | CloudError::Forbidden) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        actions.retain(|action| !HARMLESS.contains(&action.action.as_str()));
        // Nova tells the latest first, and its times are whole seconds.
        actions.reverse();
        actions.sort_by(|one, other| one.start_time.cmp(&other.start_time));
        Ok(actions.pop().map_or_else(|| self.unknown_point.clone(), |last| last.request_id))
    }

    /// Takes the data volumes off the source server, marked as lent.
    pub(super) async fn detach_volumes(&self, disks: &[&Disk]) -> Result<Done<()>> {
        let data: Vec<_> = disks.iter().filter(|disk| disk.origin == Origin::Data).collect();
        for disk in &data {
            let volume = self.src.settled(&disk.key).await?;
            if volume.is_attached_to(self.id) {
                // Marked before it is detached: the mark says where it belongs.
                self.src.tag_volume(&disk.key, tag::pairs([(tag::LENT, self.id)])).await?;
                self.src.detach(self.id, &disk.key).await?;
                self.course.record(Step::DetachVolumes, &disk.key, None).await?;
            } else if volume.metadata.get(tag::LENT).map(String::as_str) != Some(self.id) {
                let message = format!("volume {} is not attached to the server any more", disk.key);
                return Err(self.course.blocked(message, "attach it again, or export workloads again"));
            }
        }
        Ok(Done::new((), format!("{} data volumes", data.len())))
    }
}
