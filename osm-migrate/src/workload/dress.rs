//! Destination volumes get what Nova reads off them: the bootable flag, then the image metadata.

use std::collections::BTreeMap;

use osm_openstack::block_storage::Volume;

use super::disk::{Disk, Origin};
use super::image_metadata::{self, Wanted};
use super::job::Job;
use super::side::named;
use crate::{Error, ErrorKind, Result};

impl Job<'_> {
    /// Sets what is not set yet, and sees that the cloud has it: some accept what they then ignore.
    pub(super) async fn dress(&self, volume: &Volume, bootable: bool, wanted: &Wanted) -> Result<()> {
        if bootable && !volume.bootable {
            self.dst.storage.set_bootable(&volume.id, true).await?;
        }
        if let Some(problem) = wanted.problems().into_iter().next() {
            return Err(named(Error::new(ErrorKind::Blocked, problem), &volume.id));
        }
        if bootable {
            self.check_machine_type(wanted)?;
        }
        match self.set_image_metadata(volume, wanted).await {
            Err(error) if self.may_lack(volume, wanted, &error) => {
                self.course.warn(format!(
                    "the destination does not take the image metadata of volume {}, which the guest may miss: {}",
                    volume.id,
                    error.chain()
                ))
                .await;
                Ok(())
            }
            other => other,
        }
    }

    async fn set_image_metadata(&self, volume: &Volume, wanted: &Wanted) -> Result<()> {
        let known = &volume.volume_image_metadata;
        let surplus = wanted.surplus(known);
        if surplus.is_empty() && has_all(known, wanted) {
            return Ok(());
        }
        let storage = &self.dst.storage;
        for key in surplus {
            storage
                .unset_image_metadata(&volume.id, key)
                .await
                .map_err(|error| named(error.into(), &volume.id))?;
        }
        if !has_all(known, wanted) {
            let set = storage.set_image_metadata(&volume.id, &wanted.metadata).await;
            set.map_err(|error| named(error.into(), &volume.id))?;
        }
        let now = self.dst.volume(&volume.id).await?.volume_image_metadata;
        if has_all(&now, wanted) {
            return Ok(());
        }
        let message = "the cloud accepted the image metadata of the volume, but does not show it";
        Err(named(Error::new(ErrorKind::Cloud, message), &volume.id)
            .with_hint("the policy volume_extension:volume_image_metadata may forbid it: ask for it"))
    }

    /// Whether the copy may go without: nobody asked for what it lacks, and the operator allows it.
    fn may_lack(&self, volume: &Volume, wanted: &Wanted, error: &Error) -> bool {
        let known = &volume.volume_image_metadata;
        let lacks = |key: &String| known.get(key) != wanted.metadata.get(key);
        self.options().tolerate_image_metadata
            && error.kind() == ErrorKind::Cloud
            && !wanted.asked.iter().any(lacks)
    }

    fn check_machine_type(&self, wanted: &Wanted) -> Result<()> {
        match self.options().refuses_machine_type(wanted.machine_type()) {
            Some((message, hint)) => Err(self.course.blocked(message, hint)),
            None => Ok(()),
        }
    }

    /// A copy that an earlier run finished may have been edited in the file since.
    pub(super) async fn dress_again(&self, disk: &Disk, id: &str) -> Result<()> {
        let volume = self.dst.volume(id).await?;
        // What the source said then is on the copy; its boot disk may be out of reach by now.
        let known = volume.volume_image_metadata.clone();
        let wanted = image_metadata::of_copy(self.workload, disk, &known, &BTreeMap::new(), self.options());
        self.dress(&volume, disk.bootable, &wanted).await
    }

    /// A volume that somebody else made to boot from gets what was asked for, and nothing else.
    pub(super) async fn dress_named(&self) -> Result<()> {
        let Some(id) = self.workload.migration_params.boot_volume.uuid.as_deref() else { return Ok(()) };
        let disk = Disk::of_guest(Origin::BootVolume, true, None);
        let volume = self.dst.volume(id).await?;
        let known = &volume.volume_image_metadata;
        let mut options = self.options().clone();
        options.default_machine_type = None;
        let mut wanted = image_metadata::of_copy(self.workload, &disk, known, &BTreeMap::new(), &options);
        if wanted.asked.is_empty() {
            return Ok(());
        }
        // What is there and nobody spoke of stays as it is.
        let foreign = known.iter().filter(|(key, _)| !wanted.asked.contains(*key));
        let foreign: Vec<_> = foreign.map(|(key, value)| (key.clone(), value.clone())).collect();
        wanted.metadata.extend(foreign);
        self.dress(&volume, false, &wanted).await
    }
}

fn has_all(known: &BTreeMap<String, String>, wanted: &Wanted) -> bool {
    wanted.metadata.iter().all(|(key, value)| known.get(key) == Some(value))
}
