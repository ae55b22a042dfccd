//! Disks that travel as Glance images, for tenants who cannot run conversion hosts: no SSH, no server of
//! their own, only the two clouds' APIs.
//!
//! ```text
//! source volume -> image of the source -> stream -> image of the destination -> volume
//!    -> image once more, whose digest must be that of what travelled
//! ```
//!
//! Nothing can be brought up to date this way: each copy is made anew. Cinder names the images it makes, and
//! takes no properties for them, so they are found by their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use osm_openstack::block_storage::Volume;
use osm_openstack::image::{CreateImage, Digest, ImageFilter, ImageObject};

use super::disk::Disk;
use super::job::Job;
use super::side::{Side, named};
use crate::course::Done;
use crate::{Error, ErrorKind, Event, Result, Step};

/// How the way of the bytes is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// Through agents on conversion hosts.
    #[default]
    Hosts,
    /// As images, through the APIs alone.
    Images,
}

/// How often a stream that breaks off is begun anew.
const ATTEMPTS: u32 = 3;

/// For each so many GiB, a cloud may take as long as for one thing.
const GIB_A_LIMIT: u64 = 10;

/// A disk whose bytes are an image of the destination.
struct Arrived<'d> {
    disk: &'d Disk,
    image: ImageObject,
    digest: Digest,
}

impl Job<'_> {
    /// Brings the disks over as images, and makes volumes of them that are proven equal. `readable` are
    /// volumes of the source that are attached to nothing.
    pub(super) async fn bring_images(&self, disks: &[&Disk], readable: &[&str], point: &str) -> Result<()> {
        let arrived = self.step(Step::CopyDisks, self.send_images(disks, readable, point)).await?;
        let volumes = self.step(Step::CreateVolumes, self.volumes_of(&arrived, readable, point)).await?;
        self.step(Step::VerifyDisks, self.prove(&arrived, &volumes, point)).await
    }

    async fn send_images<'d>(
        &self,
        disks: &[&'d Disk],
        readable: &[&str],
        point: &str,
    ) -> Result<Done<Vec<Arrived<'d>>>> {
        let mut sends = Vec::new();
        for (disk, volume) in disks.iter().zip(readable) {
            sends.push(self.send_image(disk, volume, point));
        }
        let sends = stream::iter(sends).buffered(self.options().disks.max(1));
        let arrived: Vec<Arrived<'d>> = sends.try_collect().await?;
        let detail = format!("{} disks as images", arrived.len());
        Ok(Done::new(arrived, detail))
    }

    async fn send_image<'d>(&self, disk: &'d Disk, volume: &str, point: &str) -> Result<Arrived<'d>> {
        let limit = self.long(disk);
        let name = self.image_name(disk, point);
        let from = image_of(self.src, volume, &name, limit).await?;
        let mut attempt = 1;
        loop {
            match self.relay(disk, &from, &name, limit).await {
                Ok((image, digest)) => return Ok(Arrived { disk, image, digest }),
                Err(error) if attempt < ATTEMPTS => {
                    self.course
                        .warn(format!("the image of {} is sent anew: {}", disk.label, error.chain()))
                        .await;
                    attempt += 1;
                }
                Err(error) => return Err(error.with_object(disk.label.clone())),
            }
        }
    }

    async fn relay(
        &self,
        disk: &Disk,
        from: &ImageObject,
        name: &str,
        limit: Duration,
    ) -> Result<(ImageObject, Digest)> {
        for left in named_images(self.dst, |known| known == name).await? {
            self.dst.image.delete(&left.id).await?;
        }
        let text = |text: &str| Some(text.to_owned());
        let wish = CreateImage {
            name: name.to_owned(),
            disk_format: text("raw"),
            container_format: text("bare"),
            visibility: text("private"),
            ..CreateImage::default()
        };
        let target = self.dst.image.create(&wish).await?;
        let total = from.size.unwrap_or(disk.size_gib << 30);
        let (events, name, volume) =
            (Arc::clone(&self.migration.events), self.name.to_owned(), disk.label.clone());
        let told = AtomicU64::new(0);
        let progress = move |copied: u64| {
            // Once for each half percent.
            if told.load(Ordering::Relaxed) + total / 200 <= copied || copied == total {
                told.store(copied, Ordering::Relaxed);
                let (workload, volume) = (name.clone(), volume.clone());
                events.emit(&Event::DiskProgress { workload, volume, copied, zeroed: 0, total });
            }
        };
        let digest = self.src.image.relay(from, (&self.dst.image, &target.id), limit, progress).await?;
        let arrived = self.dst.image.wait(&target.id, &["active"], limit).await?;
        let there = self.dst.image.digest(&arrived).await?;
        if there != digest {
            let message =
                format!("the image hashes to {}, what was sent to {}", there.value(), digest.value());
            return Err(Error::new(ErrorKind::Mismatch, message).with_object(format!("image {}", target.id)));
        }
        Ok((arrived, digest))
    }

    async fn volumes_of(
        &self,
        arrived: &[Arrived<'_>],
        readable: &[&str],
        point: &str,
    ) -> Result<Done<Vec<Volume>>> {
        let copies = self.copies(Some(point)).await?;
        let mut volumes = Vec::new();
        for (arrived, readable) in arrived.iter().zip(readable) {
            if let Some(stale) = copies.get(&arrived.disk.key) {
                // It cannot be brought up to date from here, and no server was made of it.
                self.drop_unfinished(&stale.volume).await?;
            }
            let id = self.make_copy(arrived.disk, Some(&arrived.image.id)).await?;
            let limit = self.long(arrived.disk);
            let made = self.dst.storage.wait_volume(&id, &["available"], limit).await;
            let volume = made.map_err(|error| named(error.into(), &id))?;
            self.prepare_copy(arrived.disk, &volume, readable).await?;
            self.course.record(Step::CreateVolumes, &arrived.disk.key, Some(&id)).await?;
            volumes.push(volume);
        }
        let detail = format!("{} volumes", volumes.len());
        Ok(Done::new(volumes, detail))
    }

    /// Reads the volumes back, as images, and compares what they hash to with what travelled.
    async fn prove(&self, arrived: &[Arrived<'_>], volumes: &[Volume], point: &str) -> Result<Done<()>> {
        let mut proofs = Vec::new();
        for (arrived, volume) in arrived.iter().zip(volumes) {
            proofs.push(self.prove_one(arrived, volume, point));
        }
        let proofs = stream::iter(proofs).buffer_unordered(self.options().disks.max(1));
        proofs.try_collect::<Vec<()>>().await?;
        Ok(Done::new((), format!("{} disks are equal", volumes.len())))
    }

    async fn prove_one(&self, arrived: &Arrived<'_>, volume: &Volume, point: &str) -> Result<()> {
        let Arrived { disk, digest, .. } = arrived;
        let name = format!("{}-proof", self.image_name(disk, point));
        let image = image_of(self.dst, &volume.id, &name, self.long(disk)).await?;
        let copy = self.dst.image.digest(&image).await?;
        if copy != *digest {
            let message = format!("the copy hashes to {}, its source to {}", copy.value(), digest.value());
            return Err(Error::new(ErrorKind::Mismatch, message)
                .with_object(format!("volume {} of {}", volume.id, disk.label))
                .with_hint("the copy is kept; run again to copy this disk anew, and suspect the storage"));
        }
        self.complete_copy(disk, &volume.id, point, digest.value().to_owned()).await
    }

    /// Deletes the images that this job made in one of the clouds.
    pub(super) async fn delete_images(&self, side: &Side) -> Result<()> {
        let mine = self.image_prefix();
        for image in named_images(side, |name| name.starts_with(&mine)).await? {
            side.image.delete(&image.id).await?;
        }
        Ok(())
    }

    fn image_prefix(&self) -> String {
        format!("os-migrate-{}-", self.id)
    }

    fn image_name(&self, disk: &Disk, point: &str) -> String {
        format!("{}{}-{point}", self.image_prefix(), disk.key)
    }

    /// How long a cloud may take to read or write the whole disk.
    fn long(&self, disk: &Disk) -> Duration {
        let factor = u32::try_from(1 + disk.size_gib / GIB_A_LIMIT).unwrap_or(u32::MAX);
        self.options().timeout.saturating_mul(factor)
    }
}

/// The image of a volume under this name, made if it is not there.
async fn image_of(side: &Side, volume: &str, name: &str, limit: Duration) -> Result<ImageObject> {
    let mut known = None;
    for image in named_images(side, |known| known == name).await? {
        if matches!(image.status.as_str(), "active" | "saving") {
            known = Some(image.id);
        } else {
            side.image.delete(&image.id).await?;
        }
    }
    let id = match known {
        Some(id) => id,
        None => {
            side.settled(volume).await?;
            let begun = side.storage.upload_to_image(volume, name).await;
            begun.map_err(|error| named(error.into(), volume))?
        }
    };
    let image = side.image.wait(&id, &["active"], limit).await?;
    // The volume is busy a moment longer than its image.
    side.settled(volume).await?;
    Ok(image)
}

/// The project's own images with such a name.
async fn named_images(side: &Side, is_it: impl Fn(&str) -> bool) -> Result<Vec<ImageObject>> {
    let owner = Some(side.session.project_id());
    let mut images = side.image.list(&ImageFilter { owner, ..ImageFilter::default() }).await?;
    images.retain(|image| image.name.as_deref().is_some_and(&is_it));
    Ok(images)
}
