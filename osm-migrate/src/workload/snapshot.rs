//! The disks of the source at one point, as volumes that can be attached elsewhere. They are temporary,
//! carry the point they show, and go when the pass that made them ends.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use osm_openstack::block_storage::{CreateVolume, Filter, Volume};
use osm_openstack::image::{ImageFilter, ImageObject};

use super::disk::{Disk, Origin};
use super::job::Job;
use super::tag;
use crate::course::Done;
use crate::{Result, Step};

/// Names of temporary things begin like OS Migrate's.
const PREFIX: &str = "os-migrate-";

/// The bytes of a disk at one point, before they are a volume.
enum Frozen {
    Snapshot(String),
    Image(String),
}

impl Job<'_> {
    /// Makes a volume of each of these disks with its bytes at this point, and gives their ids.
    pub(super) async fn snapshot_disks(
        &self,
        disks: &mut [&mut Disk],
        point: &str,
    ) -> Result<Done<Vec<String>>> {
        // What shows an earlier point lacks what was written since.
        self.delete_temporary(Some(point)).await?;
        // All are asked for before the first is waited for: the disks of a server that runs belong together.
        let frozen = try_join_all(disks.iter().map(|disk| self.freeze(disk, point))).await?;
        let made = self.src.made_volumes(self.id, Step::Snapshot).await?;
        let volumes = disks.iter().zip(frozen).map(|(disk, frozen)| {
            let is_its = |volume: &&Volume| volume.metadata.get(tag::SOURCE_VOLUME) == Some(&disk.key);
            self.thaw(disk, frozen, made.iter().find(is_its), point)
        });
        let volumes = try_join_all(volumes).await?;
        let mut ids = Vec::new();
        for (disk, volume) in disks.iter_mut().zip(volumes) {
            disk.size_gib = volume.size;
            self.course.record(Step::Snapshot, &disk.key, Some(&volume.id)).await?;
            ids.push(volume.id);
        }
        let detail = format!("{} disks", ids.len());
        Ok(if ids.is_empty() { Done::silent(ids) } else { Done::new(ids, detail) })
    }

    /// Asks for a snapshot of a disk, which stays attached.
    async fn freeze(&self, disk: &Disk, point: &str) -> Result<Frozen> {
        Ok(match disk.origin {
            Origin::BootImage => Frozen::Image(self.server_image(point).await?),
            Origin::BootVolume | Origin::Data | Origin::Shared => {
                Frozen::Snapshot(self.volume_snapshot(disk, point).await?)
            }
        })
    }

    /// Makes the volume of what was frozen, or takes the one that is there.
    async fn thaw(&self, disk: &Disk, frozen: Frozen, known: Option<&Volume>, point: &str) -> Result<Volume> {
        let id = match known {
            Some(volume) if !matches!(volume.status.as_str(), "error" | "deleting") => volume.id.clone(),
            spoilt => {
                if let Some(volume) = spoilt {
                    self.src.delete_volume(&volume.id).await?;
                }
                self.make_volume(disk, frozen, point).await?
            }
        };
        Ok(self.src.storage.wait_volume(&id, &["available", "in-use"], self.src.limit).await?)
    }

    async fn make_volume(&self, disk: &Disk, frozen: Frozen, point: &str) -> Result<String> {
        let mut metadata = self.temporary(point);
        metadata.insert(tag::SOURCE_VOLUME.to_owned(), disk.key.clone());
        let name = Some(format!("{PREFIX}{}", disk.key));
        let wish = match frozen {
            Frozen::Snapshot(id) => {
                let id = self.src.storage.wait_snapshot(&id, &["available"], self.src.limit).await?.id;
                let (size, snapshot_id) = (disk.size_gib, Some(id));
                CreateVolume { name, size, snapshot_id, metadata, ..CreateVolume::default() }
            }
            Frozen::Image(id) => {
                let image = self.src.image.wait(&id, &["active"], self.src.limit).await?;
                let bytes = image.virtual_size.or(image.size).unwrap_or(0);
                // Rounded up: half a GiB too little is half a disk lost.
                let size = bytes.div_ceil(1 << 30).max(image.min_disk.unwrap_or(0)).max(1);
                CreateVolume { name, size, image_id: Some(id), metadata, ..CreateVolume::default() }
            }
        };
        Ok(self.src.storage.create_volume(&wish).await?.id)
    }

    async fn volume_snapshot(&self, disk: &Disk, point: &str) -> Result<String> {
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
        match id {
            Some(id) => Ok(id),
            None => {
                let name = format!("{PREFIX}{}", disk.key);
                Ok(self.src.storage.create_snapshot(&disk.key, &name, true, &metadata).await?.id)
            }
        }
    }

    /// An image of the server's local boot disk.
    async fn server_image(&self, point: &str) -> Result<String> {
        let metadata = self.temporary(point);
        let found = self.own_images(metadata.clone()).await?;
        match found.into_iter().find(|image| !matches!(image.status.as_str(), "killed" | "deleted")) {
            Some(image) => Ok(image.id),
            None => {
                let name = format!("{PREFIX}{}", self.name);
                Ok(self.src.compute.create_image(self.id, &name, &metadata).await?)
            }
        }
    }

    /// What a temporary thing carries.
    fn temporary(&self, point: &str) -> BTreeMap<String, String> {
        let mut metadata = tag::of(self.id, Step::Snapshot);
        metadata.insert(tag::POINT.to_owned(), point.to_owned());
        metadata
    }

    /// The project's own images with these properties: a public one may bear any.
    pub(super) async fn own_images(&self, properties: BTreeMap<String, String>) -> Result<Vec<ImageObject>> {
        let owner = Some(self.src.session.project_id());
        Ok(self.src.image.list(&ImageFilter { owner, properties, ..ImageFilter::default() }).await?)
    }

    /// Deletes what was made of the source's disks, but what shows the point to `keep`.
    pub(super) async fn delete_temporary(&self, keep: Option<&str>) -> Result<()> {
        let stale = |metadata: &BTreeMap<String, String>| {
            keep.is_none_or(|point| metadata.get(tag::POINT).map(String::as_str) != Some(point))
        };
        let made = self.src.made_volumes(self.id, Step::Snapshot).await?;
        let volumes = made.iter().filter(|volume| stale(&volume.metadata)).map(|volume| async {
            if volume.status != "deleting" {
                self.src.detach_from_hosts(&volume.id).await?;
            }
            self.src.delete_volume(&volume.id).await
        });
        try_join_all(volumes).await?;
        let mine = Filter { metadata: tag::of(self.id, Step::Snapshot), ..Filter::default() };
        let snapshots = self.src.storage.snapshots(&mine).await?;
        // One after the other: QEMU 7.2 dies when two disks of a guest are merged at once.
        for snapshot in snapshots.iter().filter(|snapshot| stale(&snapshot.metadata)) {
            if !self.src.delete_snapshot(&snapshot.id).await? {
                self.course.warn(format!(
                    "snapshot {} is stuck in status error_deleting: have an administrator reset it, then clean up",
                    snapshot.id
                ))
                .await;
            }
        }
        let images = self.own_images(tag::of(self.id, Step::Snapshot)).await?;
        for image in images.iter().filter(|image| stale(&image.properties)) {
            self.src.image.delete(&image.id).await?;
        }
        if keep.is_none() {
            self.delete_images(self.src).await?;
            self.delete_images(self.dst).await?;
        }
        Ok(())
    }
}
