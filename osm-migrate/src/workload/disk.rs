//! The disks of a workload: which there are, which one boots, what a copy must know.

use osm_model::{Server as Workload, Volume as Exported};
use osm_openstack::block_storage::Volume;
use osm_openstack::compute::{Server, VolumeAttachment};

use super::tag;
use crate::{Error, ErrorKind, Result};

/// Where the bytes of a disk come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A data volume, moved to the conversion host and back once the server is stopped.
    Data,
    /// A data volume that other servers have as well; it is read where it is, once all of them are stopped.
    Shared,
    /// The boot volume, which cannot be detached: a volume is made from a snapshot of it.
    BootVolume,
    /// The local boot disk: a volume is made from an image of the server.
    BootImage,
}

/// A disk to be copied.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Disk {
    /// The id of the source volume, or [`tag::BOOT_IMAGE`].
    pub(super) key: String,
    pub(super) origin: Origin,
    /// Its device on the source server, such as `/dev/vdb`.
    pub(super) device: String,
    /// Name of the volume, or its id when it has none.
    pub(super) label: String,
    /// Zero for a boot image, until the image tells.
    pub(super) size_gib: u64,
    /// Whether a server may boot from it; the one of this workload need not.
    pub(super) bootable: bool,
    /// What the resource file says of it; a boot image is not in there.
    pub(super) exported: Option<Exported>,
}

impl Disk {
    /// A disk of which only the image metadata are asked for.
    pub(super) fn of_guest(origin: Origin, bootable: bool, exported: Option<&Exported>) -> Self {
        Self {
            key: String::new(),
            origin,
            device: String::new(),
            label: String::new(),
            size_gib: 0,
            bootable,
            exported: exported.cloned(),
        }
    }

    /// Whether the workload boots from it.
    pub(super) fn boots(&self) -> bool {
        matches!(self.origin, Origin::BootVolume | Origin::BootImage)
    }
}

/// A volume of the source as it is now.
#[derive(Debug, Clone)]
pub(super) struct LiveVolume {
    pub(super) volume: Volume,
    /// Its device on the source server; that of the export when it is detached.
    pub(super) device: String,
    /// Whether other servers have it as well.
    pub(super) shared: bool,
}

/// The disks of a workload that are to be copied, in the order of their devices.
pub(super) fn disks(workload: &Workload, server: &Server, live: &[LiveVolume]) -> Result<Vec<Disk>> {
    let copy_boot = workload.migration_params.boot_disk_copy;
    let boot = boot_volume(server, live)?;
    if boot.is_some() && !copy_boot {
        return Err(Error::new(
            ErrorKind::Blocked,
            "the server boots from a volume, and boot_disk_copy is false",
        )
        .with_hint("set boot_disk_copy: true in workloads.yml"));
    }
    let mut disks: Vec<Disk> = live
        .iter()
        .map(|live| {
            let volume = &live.volume;
            let origin = match boot == Some(volume.id.as_str()) {
                true => Origin::BootVolume,
                false if live.shared => Origin::Shared,
                false => Origin::Data,
            };
            Disk {
                key: volume.id.clone(),
                origin,
                device: live.device.clone(),
                label: label(volume),
                size_gib: volume.size,
                bootable: volume.bootable || boot == Some(volume.id.as_str()),
                exported: exported(workload, &volume.id).cloned(),
            }
        })
        .collect();
    if boot.is_none() && copy_boot {
        disks.push(Disk {
            key: tag::BOOT_IMAGE.to_owned(),
            origin: Origin::BootImage,
            device: "/dev/vda".to_owned(),
            label: format!("{} boot disk", server.name),
            size_gib: 0,
            bootable: true,
            exported: None,
        });
    }
    // The boot disk first, whatever its bus calls it; longer names are later ones: vdz, vdaa.
    disks.sort_by_key(|disk| (!disk.boots(), disk.device.len(), disk.device.clone()));
    Ok(disks)
}

/// Which volume a server boots from; none when it boots from an image.
fn boot_volume<'a>(server: &Server, live: &'a [LiveVolume]) -> Result<Option<&'a str>> {
    if server.image.is_some() {
        return Ok(None);
    }
    if let Some(root) = &server.root_device_name
        && let Some(found) = live.iter().find(|live| live.device == *root)
    {
        return Ok(Some(&found.volume.id));
    }
    let bootable: Vec<_> = live.iter().filter(|live| live.volume.bootable).collect();
    let first: Vec<_> = bootable.iter().filter(|live| is_first_device(&live.device)).collect();
    match (first.as_slice(), bootable.as_slice()) {
        ([one], _) => Ok(Some(&one.volume.id)),
        (_, [one]) => Ok(Some(&one.volume.id)),
        _ => Err(Error::new(
            ErrorKind::Blocked,
            format!("it cannot be told which of {} volumes the server boots from", live.len()),
        )
        .with_hint("exactly one attached volume must be bootable, or be the first device")),
    }
}

/// `/dev/vda`, `/dev/sda`, `/dev/xvda`: the first disk of any bus.
pub(super) fn is_first_device(device: &str) -> bool {
    let name = device.rsplit('/').next().unwrap_or(device);
    matches!(name, "vda" | "sda" | "hda" | "xvda" | "ubda" | "dasda")
}

/// Compares what is there with what was exported.
pub(super) fn check_set(workload: &Workload, live: &[LiveVolume]) -> Result<()> {
    let mut scanned: Vec<&str> = live.iter().map(|live| live.volume.id.as_str()).collect();
    let mut data: Vec<&str> =
        workload.params.volumes.iter().filter_map(|volume| volume.info.id.as_deref()).collect();
    scanned.sort_unstable();
    data.sort_unstable();
    if scanned == data {
        return Ok(());
    }
    let message = format!(
        "the server's volumes are not those of the export; now: {}; exported: {}",
        list(&scanned),
        list(&data)
    );
    Err(Error::new(ErrorKind::Blocked, message).with_hint("export workloads again"))
}

fn list(ids: &[&str]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

/// The device of an exported volume on its server.
pub(super) fn exported_device(workload: &Workload, volume: &str) -> Option<String> {
    let server = workload.info.id.as_deref()?;
    let attachments = exported(workload, volume)?.info.attachments.as_ref()?;
    let of_server = |attachment: &&serde_json::Value| attachment["server_id"] == server;
    let attachment = attachments.iter().find(of_server).or(attachments.first())?;
    attachment["device"].as_str().map(str::to_owned)
}

/// The device of a volume on the server it is attached to.
pub(super) fn attached_device(attachments: &[VolumeAttachment], volume: &str) -> Option<String> {
    attachments.iter().find(|attachment| attachment.volume_id == volume)?.device.clone()
}

fn exported<'a>(workload: &'a Workload, volume: &str) -> Option<&'a Exported> {
    workload.params.volumes.iter().find(|exported| exported.info.id.as_deref() == Some(volume))
}

fn label(volume: &Volume) -> String {
    volume.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| volume.id.clone())
}

#[cfg(test)]
mod tests {
    use osm_model::{ServerInfo, ServerParams, VolumeInfo, VolumeParams};
    use osm_openstack::compute::ImageLink;

    use super::*;

    fn live(id: &str, device: &str, bootable: bool) -> LiveVolume {
        let volume = Volume { id: id.into(), size: 1, bootable, ..Volume::default() };
        LiveVolume { volume, device: device.into(), shared: false }
    }

    fn workload(ids: &[&str], boot_disk_copy: bool) -> Workload {
        let volume = |id: &&str| {
            Exported::new(
                VolumeParams::default(),
                VolumeInfo { id: Some((*id).into()), ..VolumeInfo::default() },
            )
        };
        let params = ServerParams { volumes: ids.iter().map(volume).collect(), ..ServerParams::default() };
        let mut workload = Workload::new(params, ServerInfo::default());
        workload.migration_params.boot_disk_copy = boot_disk_copy;
        workload
    }

    fn origins(disks: &[Disk]) -> Vec<(&str, Origin)> {
        disks.iter().map(|disk| (disk.key.as_str(), disk.origin.clone())).collect()
    }

    #[test]
    fn the_root_device_boots_wherever_it_is() {
        let volumes = [live("a", "/dev/vda", true), live("b", "/dev/sda", true)];
        let server = Server { root_device_name: Some("/dev/sda".into()), ..Server::default() };
        let disks = disks(&workload(&["a", "b"], true), &server, &volumes).unwrap();
        assert_eq!(origins(&disks), [("b", Origin::BootVolume), ("a", Origin::Data)]);
    }

    #[test]
    fn without_a_root_device_the_first_bootable_one_boots() {
        let volumes =
            [live("a", "/dev/vdb", true), live("b", "/dev/vda", true), live("c", "/dev/vdaa", false)];
        let found = disks(&workload(&["a", "b", "c"], true), &Server::default(), &volumes).unwrap();
        assert_eq!(origins(&found), [("b", Origin::BootVolume), ("a", Origin::Data), ("c", Origin::Data)]);
        let unclear = [live("a", "/dev/vdb", true), live("b", "/dev/vdc", true)];
        let error = disks(&workload(&["a", "b"], true), &Server::default(), &unclear).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Blocked);
    }

    #[test]
    fn an_image_booted_server_has_a_boot_disk_only_when_it_is_copied() {
        let server = Server { image: Some(ImageLink { id: "i".into() }), ..Server::default() };
        let volumes = [live("a", "/dev/vdb", true)];
        let without = disks(&workload(&["a"], false), &server, &volumes).unwrap();
        assert_eq!(origins(&without), [("a", Origin::Data)]);
        let with = disks(&workload(&["a"], true), &server, &volumes).unwrap();
        assert_eq!(origins(&with), [(tag::BOOT_IMAGE, Origin::BootImage), ("a", Origin::Data)]);
    }

    #[test]
    fn a_boot_volume_without_copy_is_refused() {
        let volumes = [live("a", "/dev/vda", true)];
        assert!(disks(&workload(&["a"], false), &Server::default(), &volumes).is_err());
    }

    #[test]
    fn a_volume_more_or_less_than_exported_is_refused() {
        let volumes = [live("a", "/dev/vda", true), live("b", "/dev/vdb", false)];
        check_set(&workload(&["b", "a"], true), &volumes).unwrap();
        let error = check_set(&workload(&["a"], true), &volumes).unwrap_err();
        assert!(error.context().hint.as_deref().unwrap_or_default().contains("export"));
    }
}
