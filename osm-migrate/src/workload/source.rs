//! The source: stopped, its boot disk made readable, its data volumes lent to the conversion host.

use std::collections::BTreeMap;

use osm_openstack::block_storage::{CreateVolume, Filter, Volume};
use osm_openstack::compute::Server;
use osm_openstack::image::{ImageFilter, ImageObject};
use osm_openstack::{ErrorKind as CloudError, Method, Observation, Poll, wait_for};
use serde::Deserialize;

use super::disk::{Disk, LiveVolume, Origin, attached_device, exported_device};
use super::job::{Done, Job};
use super::tag;
use crate::{Error, ErrorKind, Result, Step};

/// Names of temporary things begin like OS Migrate's.
const PREFIX: &str = "os-migrate-";

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
            self.blocked(
                format!("the source server {} is gone", self.id),
                "export workloads again, or take it out of workloads.yml",
            )
        })
    }

    /// The source server once whatever is being done with it is done: its status says nothing while
    /// it is being stopped or started, by us before a crash or by its owner.
    pub(super) async fn settled_source(&self) -> Result<Server> {
        let server = self.source_server().await?;
        if server.task_state.is_none() {
            return Ok(server);
        }
        let what = format!("server {} at rest", self.id);
        let settled = wait_for(&what, self.src.limit, Poll::default(), || async {
            Ok(match self.src.compute.server(self.id).await? {
                None => Observation::Failed("it is gone".to_owned()),
                Some(Server { task_state: Some(task), .. }) => Observation::Pending(task),
                Some(server) => Observation::Ready(server),
            })
        });
        Ok(settled.await?)
    }

    /// The volumes of the source server: those attached, and those that this job detached.
    pub(super) async fn live_volumes(&self) -> Result<Vec<LiveVolume>> {
        let attachments = self.src.compute.attachments(self.id).await?;
        let mut live = Vec::new();
        for attachment in &attachments {
            let volume = self.src.volume(&attachment.volume_id).await?;
            let device = attachment.device.clone().or_else(|| exported_device(self.workload, &volume.id));
            live.push(LiveVolume { volume, device: device.unwrap_or_default() });
        }
        for volume in self.src.lent_volumes(self.id).await? {
            if attached_device(&attachments, &volume.id).is_none() {
                let device = exported_device(self.workload, &volume.id).unwrap_or_default();
                live.push(LiveVolume { volume, device });
            }
        }
        if let Some(live) = live.iter().find(|live| live.volume.attachments.len() > 1) {
            let message = format!("volume {} is shared with other servers", live.volume.id);
            return Err(self.blocked(message, "volumes of several servers cannot be moved yet"));
        }
        Ok(live)
    }

    /// Stops the source, and tells which stop its disks show.
    pub(super) async fn stop_source(&self) -> Result<Done<String>> {
        let server = self.settled_source().await?;
        let detail = match server.status.as_str() {
            "SHUTOFF" => "is stopped",
            "ACTIVE" if !self.options().stop => {
                return Err(self.blocked("the source server runs", "stop it, or allow osm to"));
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
                return Err(self.blocked(message, "bring it to ACTIVE or SHUTOFF"));
            }
        };
        self.src.compute.wait_server(self.id, "SHUTOFF", self.src.limit).await?;
        Ok(Done::new(self.quiesce_point().await?, detail))
    }

    /// The stop that the disks show now; nothing when the server runs.
    pub(super) async fn stop_source_seen(&self) -> Result<String> {
        let server = self.source_server().await?;
        if server.status == "SHUTOFF" { self.quiesce_point().await } else { Ok(server.status) }
    }

    /// Names the last thing that may have changed the disks. Copies of another point are stale.
    async fn quiesce_point(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Action {
            action: String,
            request_id: String,
            start_time: Option<String>,
        }
        let path = format!("servers/{}/os-instance-actions", self.id);
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

    /// Makes a volume with the boot disk's bytes at this stop, and gives its id.
    pub(super) async fn boot_disk(&self, disk: &mut Disk, point: &str) -> Result<String> {
        // What shows an earlier stop lacks what was written since.
        self.delete_temporary(Some(point)).await?;
        let made = self.src.made_volumes(self.id, Step::BootDisk).await?;
        let volume = match made.into_iter().next() {
            Some(volume) if matches!(volume.status.as_str(), "error" | "deleting") => {
                self.src.delete_volume(&volume.id).await?;
                self.make_boot_volume(disk, point).await?
            }
            Some(volume) => volume,
            None => self.make_boot_volume(disk, point).await?,
        };
        let volume =
            self.src.storage.wait_volume(&volume.id, &["available", "in-use"], self.src.limit).await?;
        disk.size_gib = volume.size;
        Ok(volume.id)
    }

    async fn make_boot_volume(&self, disk: &Disk, point: &str) -> Result<Volume> {
        let mut metadata = self.temporary(point);
        metadata.insert(tag::SOURCE_VOLUME.to_owned(), disk.key.clone());
        let name = Some(format!("{PREFIX}{}", disk.key));
        let wish = match disk.origin {
            Origin::BootVolume => {
                let snapshot = self.snapshot(disk, point).await?;
                CreateVolume {
                    name,
                    size: disk.size_gib,
                    snapshot_id: Some(snapshot),
                    metadata,
                    ..Default::default()
                }
            }
            Origin::BootImage => {
                let (image_id, size) = self.server_image(point).await?;
                CreateVolume { name, size, image_id: Some(image_id), metadata, ..Default::default() }
            }
            Origin::Data => {
                return Err(Error::new(ErrorKind::Config, "a data volume needs no copy of its own"));
            }
        };
        Ok(self.src.storage.create_volume(&wish).await?)
    }

    /// A snapshot of the boot volume, which stays attached.
    async fn snapshot(&self, disk: &Disk, point: &str) -> Result<String> {
        let metadata = self.temporary(point);
        let filter =
            Filter { volume_id: Some(disk.key.clone()), metadata: metadata.clone(), ..Filter::default() };
        let mut id = None;
        for snapshot in self.src.storage.snapshots(&filter).await? {
            if matches!(snapshot.status.as_str(), "error" | "deleting") {
                self.src.delete_snapshot(&snapshot.id).await?;
            } else {
                id = Some(snapshot.id);
            }
        }
        let id = match id {
            Some(id) => id,
            None => {
                let name = format!("{PREFIX}{}", disk.key);
                self.src.storage.create_snapshot(&disk.key, &name, true, &metadata).await?.id
            }
        };
        Ok(self.src.storage.wait_snapshot(&id, &["available"], self.src.limit).await?.id)
    }

    /// An image of the server's local boot disk, and how large a volume must be for it.
    async fn server_image(&self, point: &str) -> Result<(String, u64)> {
        let metadata = self.temporary(point);
        let found = self.own_images(metadata.clone()).await?;
        let id = match found.into_iter().find(|image| !matches!(image.status.as_str(), "killed" | "deleted"))
        {
            Some(image) => image.id,
            None => {
                let name = format!("{PREFIX}{}", self.name);
                self.src.compute.create_image(self.id, &name, &metadata).await?
            }
        };
        let image = self.src.image.wait(&id, &["active"], self.src.limit).await?;
        let bytes = image.virtual_size.or(image.size).unwrap_or(0);
        // Rounded up: half a GiB too little is half a disk lost.
        let size = bytes.div_ceil(1 << 30).max(image.min_disk.unwrap_or(0)).max(1);
        Ok((id, size))
    }

    /// What a temporary thing of the boot disk carries.
    fn temporary(&self, point: &str) -> BTreeMap<String, String> {
        let mut metadata = tag::of(self.id, Step::BootDisk);
        metadata.insert(tag::POINT.to_owned(), point.to_owned());
        metadata
    }

    /// The project's own images with these properties: a public one may bear any.
    pub(super) async fn own_images(&self, properties: BTreeMap<String, String>) -> Result<Vec<ImageObject>> {
        let owner = Some(self.src.session.project_id());
        Ok(self.src.image.list(&ImageFilter { owner, properties, ..ImageFilter::default() }).await?)
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
                self.record(Step::DetachVolumes, &disk.key, None).await?;
            } else if volume.metadata.get(tag::LENT).map(String::as_str) != Some(self.id) {
                let message = format!("volume {} is not attached to the server any more", disk.key);
                return Err(self.blocked(message, "attach it again, or export workloads again"));
            }
        }
        Ok(Done::new((), format!("{} data volumes", data.len())))
    }
}
