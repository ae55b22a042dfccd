//! What the guest will be run with: its machine type and the rest of the image metadata.

use std::collections::BTreeMap;

use osm_model::{Server as Workload, Volume};
use osm_openstack::ErrorKind as CloudError;
use osm_openstack::image::Image;

use super::super::disk::{Disk, Origin, exported_device, is_first_device};
use super::super::image_metadata::{MACHINE_TYPE, Wanted, describes_guest, of_copy};
use super::{Missing, Preflight};
use crate::Result;

impl Preflight<'_> {
    /// Says what is wrong with the image metadata of a workload's disks; what is only doubtful is
    /// answered. `image` is the destination's image, when it boots from that.
    pub(super) async fn check_guest(
        &self,
        workload: &Workload,
        image: Option<&str>,
        missing: &mut Missing,
    ) -> Result<Vec<String>> {
        let how = &workload.migration_params;
        for volume in workload.params.volumes.iter().filter(|_| how.data_copy) {
            missing.errors.extend(self.wanted_of(workload, volume).await?.problems());
        }
        if let Some(image) = image {
            return self.check_image(workload, image, missing).await;
        }
        let wanted = match boot_volume(workload) {
            Some(volume) if how.data_copy => self.wanted_of(workload, volume).await?,
            None if how.data_copy => {
                let image = self.source_image(workload).await?.unwrap_or_default();
                self.wanted(workload, &Disk::of_guest(Origin::BootImage, true, None), &image)
            }
            _ => self.wanted(workload, &Disk::of_guest(Origin::BootVolume, true, None), &BTreeMap::new()),
        };
        missing.errors.extend(wanted.problems());
        Ok(self.check_support(wanted.machine_type(), missing))
    }

    /// The image metadata for the copy of an exported volume.
    async fn wanted_of(&self, workload: &Workload, volume: &Volume) -> Result<Wanted> {
        let boots = boot_volume(workload).is_some_and(|boot| std::ptr::eq(boot, volume));
        let origin = if boots { Origin::BootVolume } else { Origin::Data };
        let disk = Disk::of_guest(origin, boots || volume.info.is_bootable == Some(true), Some(volume));
        let live = match (&volume.params.volume_image_metadata, volume.info.id.as_deref()) {
            (None, Some(id)) => self.src.storage.volume(id).await?,
            _ => None,
        };
        let live = live.map(|volume| volume.volume_image_metadata).unwrap_or_default();
        Ok(of_copy(workload, &disk, &live, &BTreeMap::new(), self.options))
    }

    fn wanted(&self, workload: &Workload, disk: &Disk, image: &BTreeMap<String, String>) -> Wanted {
        of_copy(workload, disk, &BTreeMap::new(), image, self.options)
    }

    /// A server that boots from an image of the destination is run as that image says.
    async fn check_image(
        &self,
        workload: &Workload,
        image: &str,
        missing: &mut Missing,
    ) -> Result<Vec<String>> {
        let properties = image_properties(&self.dst.image, image).await?.unwrap_or_default();
        let there = properties.get(MACHINE_TYPE).map(String::as_str);
        let asked = workload.migration_params.hw_machine_type.as_deref();
        if let Some(asked) = asked.filter(|asked| *asked != there.unwrap_or_default()) {
            missing.errors.push(format!(
                "hw_machine_type `{asked}` is asked for, but the server boots from the destination's image {image}, \
                 which says `{}`: set boot_disk_copy: true, or set hw_machine_type in images.yml",
                there.unwrap_or("nothing")
            ));
        }
        Ok(self.check_support(there, missing))
    }

    fn check_support(&self, machine_type: Option<&str>, missing: &mut Missing) -> Vec<String> {
        if let Some((message, hint)) = self.options.refuses_machine_type(machine_type) {
            missing.errors.push(format!("{message} ({hint})"));
            return Vec::new();
        }
        match (&self.options.machine_types, machine_type) {
            // An alias leads to whatever version there is; a version is there or not.
            (None, Some(found)) if found.starts_with("pc-i440fx-") => vec![format!(
                "machine type `{found}` is a version of the legacy chipset, which the destination's hypervisors may \
                 lack; --machine-types checks it, `pc` stands for whichever they have"
            )],
            _ => Vec::new(),
        }
    }

    /// What the image says that the source server was booted from; nothing when it boots from a volume,
    /// or when the image is gone.
    pub(super) async fn source_image(&self, workload: &Workload) -> Result<Option<BTreeMap<String, String>>> {
        let Some(id) = workload.info.id.as_deref() else { return Ok(None) };
        let server = self.src.compute.server(id).await?;
        match server.and_then(|server| server.image) {
            Some(image) => image_properties(&self.src.image, &image.id).await,
            None => Ok(None),
        }
    }
}

/// What an image says of the guests booted from it; nothing when it is gone, or is somebody else's.
pub(in crate::workload) async fn image_properties(
    glance: &Image,
    id: &str,
) -> Result<Option<BTreeMap<String, String>>> {
    match glance.get(id).await {
        Ok(Some(image)) => {
            let guest = |(key, _): &(String, String)| describes_guest(key);
            Ok(Some(image.properties.into_iter().filter(guest).collect()))
        }
        Ok(None) => Ok(None),
        Err(error) if error.kind() == CloudError::Forbidden => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The exported volume that a workload boots from, as far as the file tells.
pub(super) fn boot_volume(workload: &Workload) -> Option<&Volume> {
    if workload.params.image_ref.is_some() {
        return None;
    }
    let bootable = || workload.params.volumes.iter().filter(|volume| volume.info.is_bootable == Some(true));
    let first = |volume: &&Volume| {
        let device = volume.info.id.as_deref().and_then(|id| exported_device(workload, id));
        device.is_some_and(|device| is_first_device(&device))
    };
    bootable().find(first).or_else(|| bootable().next())
}
