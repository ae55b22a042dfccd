//! The destination volumes: found by their metadata, made when missing, written only when ours.

use std::collections::BTreeMap;

use osm_model::BootVolumeParams;
use osm_openstack::block_storage::{CreateVolume, Volume};

use super::disk::{Disk, Origin};
use super::image_metadata;
use super::job::Job;
use super::place::Place;
use super::preflight::image_properties;
use super::side::named;
use super::tag;
use crate::{Error, ErrorKind, Result, Step};

/// The copy of a disk in the destination.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) volume: String,
    pub(super) complete: bool,
    /// How many passes it has had.
    pub(super) passes: u32,
}

impl Job<'_> {
    /// The copies that are there, by the key of their disk. One that shows another point of the
    /// source than `point` counts as unfinished: the source has run since.
    pub(super) async fn copies(&self, point: Option<&str>) -> Result<BTreeMap<String, Copy>> {
        let mut copies: BTreeMap<String, Copy> = BTreeMap::new();
        let mut spare = Vec::new();
        for volume in self.dst.made_volumes(self.id, Step::CreateVolumes).await? {
            let Some(key) = volume.metadata.get(tag::SOURCE_VOLUME) else { continue };
            if volume.status == "deleting" {
                continue;
            }
            let is = |key, value| volume.metadata.get(key).map(String::as_str) == Some(value);
            let complete = is(tag::STATE, tag::COMPLETE) && point.is_none_or(|point| is(tag::POINT, point));
            let passes = volume.metadata.get(tag::PASSES).and_then(|count| count.parse().ok()).unwrap_or(0);
            let copy = Copy { volume: volume.id.clone(), complete, passes };
            match copies.get_mut(key) {
                None => {
                    copies.insert(key.clone(), copy);
                }
                // Two, because the answer to a creation was lost once. A complete one is kept.
                Some(known) if complete && !known.complete => {
                    spare.push(std::mem::replace(known, copy));
                }
                Some(_) => spare.push(copy),
            }
        }
        for copy in spare.into_iter().filter(|copy| !copy.complete) {
            self.drop_spare(&copy.volume).await?;
        }
        Ok(copies)
    }

    /// Deletes a copy that no server was made of.
    pub(super) async fn drop_unfinished(&self, id: &str) -> Result<()> {
        let volume = self.dst.settled(id).await?;
        self.check_ours(&volume)?;
        if !volume.attachments.is_empty() {
            let message = "the destination volume is attached to a server, so it is not made anew";
            return Err(named(Error::new(ErrorKind::Blocked, message), id));
        }
        self.dst.delete_volume(id).await
    }

    async fn drop_spare(&self, id: &str) -> Result<()> {
        let volume = self.dst.settled(id).await?;
        let unused = volume.attachments.is_empty() && matches!(volume.status.as_str(), "available" | "error");
        let was_complete = volume.metadata.get(tag::STATE).is_some_and(|state| state == tag::COMPLETE);
        if unused && !was_complete && self.is_ours(&volume) {
            self.dst.delete_volume(id).await?;
        }
        Ok(())
    }

    /// Makes the copy of a disk, or takes the one that is there.
    pub(super) async fn create_copy(
        &self,
        disk: &Disk,
        known: Option<&Copy>,
        readable: &str,
    ) -> Result<String> {
        let id = match known {
            Some(copy) => {
                let volume = self.dst.settled(&copy.volume).await?;
                self.check_ours(&volume)?;
                if volume.status == "error" {
                    // Nothing was ever written to a volume that could not be made.
                    self.dst.delete_volume(&volume.id).await?;
                    self.make_copy(disk, None).await?
                } else {
                    volume.id
                }
            }
            None => self.make_copy(disk, None).await?,
        };
        let volume = self.dst.settled(&id).await?;
        if volume.status.starts_with("error") {
            let message = format!("the destination volume is in status {}", volume.status);
            return Err(named(Error::new(ErrorKind::Cloud, message), &id));
        }
        if volume.size < disk.size_gib {
            let message =
                format!("the destination volume has {} GiB, the source {}", volume.size, disk.size_gib);
            return Err(named(Error::new(ErrorKind::Blocked, message), &id));
        }
        if disk.origin == Origin::Shared && !volume.multiattach {
            // It would be in the way of one that can.
            self.dst.delete_volume(&id).await?;
            let message = "the source volume is shared by several servers, and its copy could not be";
            let hint = "map its type to one whose volumes can: --volume-type-map OLD=NEW";
            return Err(named(Error::new(ErrorKind::Blocked, message).with_hint(hint), &id));
        }
        if volume.metadata.get(tag::STATE).map(String::as_str) != Some(tag::SEEDING) {
            self.dst.tag_volume(&id, tag::pairs([(tag::STATE, tag::SEEDING)])).await?;
        }
        self.prepare_copy(disk, &volume, readable).await?;
        self.course.record(Step::CreateVolumes, &disk.key, Some(&id)).await?;
        Ok(id)
    }

    /// What the workload's parameters say of the volume, if it boots.
    fn overrides(&self, disk: &Disk) -> Option<&BootVolumeParams> {
        disk.boots().then_some(&self.workload.migration_params.boot_volume_params)
    }

    /// Where the copy of a disk is.
    pub(super) fn place(&self, disk: &Disk) -> Place {
        let params = disk.exported.as_ref().map(|volume| &volume.params);
        Place::of(self.options(), self.overrides(disk), params)
    }

    /// Makes the volume of a copy, with the data of an image or without any.
    pub(super) async fn make_copy(&self, disk: &Disk, image: Option<&str>) -> Result<String> {
        let params = disk.exported.as_ref().map(|volume| &volume.params);
        let overrides = self.overrides(disk);
        let pick = |wish: Option<&Option<String>>, given: Option<&Option<String>>| {
            wish.cloned().flatten().or(given.cloned().flatten())
        };
        let name = pick(overrides.map(|wish| &wish.name), params.map(|given| &given.name));
        let place = self.place(disk);
        let mut metadata = tag::of(self.id, Step::CreateVolumes);
        metadata.insert(tag::SOURCE_VOLUME.to_owned(), disk.key.clone());
        metadata.insert(tag::STATE.to_owned(), tag::SEEDING.to_owned());
        let fallback = || (disk.origin == Origin::BootImage).then(|| self.name.to_owned());
        let wish = CreateVolume {
            name: name.or_else(fallback),
            size: disk.size_gib,
            description: pick(
                overrides.map(|wish| &wish.description),
                params.map(|given| &given.description),
            ),
            volume_type: place.volume_type,
            availability_zone: place.zone,
            image_id: image.map(str::to_owned),
            metadata,
            ..CreateVolume::default()
        };
        Ok(self.dst.storage.create_volume(&wish).await?.id)
    }

    /// Bootable first, then what Nova reads off it; both before the server is made.
    pub(super) async fn prepare_copy(&self, disk: &Disk, volume: &Volume, readable: &str) -> Result<()> {
        let live = self.src.volume(readable).await?.volume_image_metadata;
        let image = match disk.origin {
            Origin::BootImage => match self.source_server().await?.image {
                Some(image) => image_properties(&self.src.image, &image.id).await?.unwrap_or_default(),
                None => BTreeMap::new(),
            },
            Origin::BootVolume | Origin::Data | Origin::Shared => BTreeMap::new(),
        };
        let wanted = image_metadata::of_copy(self.workload, disk, &live, &image, self.options());
        self.dress(volume, disk.bootable, &wanted).await
    }

    /// Attaches a copy to the conversion host. It is ours, and nobody else has it; anything else is refused.
    pub(super) async fn attach_copy(&self, id: &str) -> Result<()> {
        let volume = self.dst.settled(id).await?;
        self.check_ours(&volume)?;
        if volume.metadata.get(tag::STATE).map(String::as_str) != Some(tag::SEEDING) {
            let message = "the destination volume is not marked as unfinished, so it is not written";
            return Err(named(Error::new(ErrorKind::Blocked, message), id));
        }
        let is_ours = |server: &str| self.dst.hosts.iter().any(|host| host == server);
        let holders = volume.attachments.iter().filter_map(|attachment| attachment.server_id.as_deref());
        if holders.into_iter().any(|server| !is_ours(server)) {
            let message = "the destination volume is attached to another server, so it is not written";
            return Err(named(Error::new(ErrorKind::Blocked, message), id));
        }
        self.dst.attach_to_host(id).await
    }

    /// Takes all copies off the conversion host.
    pub(super) async fn detach_copies(&self) -> Result<usize> {
        let volumes = self.dst.made_volumes(self.id, Step::CreateVolumes).await?;
        for volume in &volumes {
            self.dst.detach_from_hosts(&volume.id).await?;
        }
        Ok(volumes.len())
    }

    fn is_ours(&self, volume: &Volume) -> bool {
        volume.metadata.get(tag::JOB).map(String::as_str) == Some(self.id)
    }

    fn check_ours(&self, volume: &Volume) -> Result<()> {
        if self.is_ours(volume) {
            return Ok(());
        }
        let message = "the destination volume does not belong to this job, so it is not written";
        Err(named(Error::new(ErrorKind::Blocked, message), &volume.id))
    }
}
