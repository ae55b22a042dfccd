//! Which disks a new server gets.

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Disk, Server};
use super::{passed_on, refuse};
use crate::api::Refusal;
use crate::cinder::{VolumeSpec, make_volume};
use crate::cloud::Cloud;
use crate::world::World;

/// One entry of `block_device_mapping_v2`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockDevice {
    #[serde(default)]
    boot_index: Option<Value>,
    pub(super) uuid: Option<String>,
    source_type: String,
    #[serde(default)]
    destination_type: Option<String>,
    #[serde(default)]
    delete_on_termination: Option<bool>,
    #[serde(default)]
    device_name: Option<String>,
    #[serde(default)]
    volume_size: Option<Value>,
    #[serde(default)]
    volume_type: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted; the lab has one bus")]
    disk_bus: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted; the lab has disks only")]
    device_type: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted; the lab formats nothing")]
    guest_format: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted; nothing hangs on it")]
    no_device: Option<Value>,
}

impl BlockDevice {
    /// Whether the server boots from it.
    pub(super) fn is_root(&self) -> bool {
        matches!(&self.boot_index, Some(index) if *index == json!(0) || *index == json!("0"))
    }

    /// Whether it is the image-backed disk of the host, not a volume.
    pub(super) fn is_local_image(&self) -> bool {
        self.source_type == "image" && self.destination_type.as_deref() != Some("volume")
    }
}

fn invalid(message: impl AsRef<str>) -> Refusal {
    refuse(400, format!("Block Device Mapping is Invalid: {}", message.as_ref()))
}

/// Takes the volumes of a new server, or begins to make them.
pub(super) fn reserve(
    cloud: &Cloud,
    world: &mut World,
    server: &mut Server,
    devices: &[BlockDevice],
) -> Result<(), Refusal> {
    if devices.iter().filter(|device| device.is_root()).count() != 1 && !devices.is_empty() {
        let boots_from_image = server.image_id.is_some() && !devices.iter().any(BlockDevice::is_root);
        if !boots_from_image {
            let message =
                "Boot sequence for the instance and image/block device mapping combination is not valid.";
            return Err(invalid(message));
        }
    }
    for device in devices {
        check(world, server, device)?;
    }
    for device in devices.iter().filter(|device| !device.is_local_image()) {
        let given = device.source_type == "volume";
        let volume_id = match &device.uuid {
            Some(id) if given => id.clone(),
            _ => new_volume(cloud, world, server, device)?,
        };
        let name = match device.device_name.as_deref().map(|name| name.trim_start_matches("/dev/")) {
            _ if device.is_root() => "/dev/vda".to_owned(),
            Some(name) if !server.disks.iter().any(|disk| disk.device == format!("/dev/{name}")) => {
                format!("/dev/{name}")
            }
            _ => server.free_device(),
        };
        let mut disk = Disk::new(&volume_id, &name);
        disk.root = device.is_root();
        disk.delete_on_termination = device.delete_on_termination.unwrap_or(false);
        disk.tag = device.tag.clone();
        server.disks.push(disk);
        if let Some(volume) = world.cinder.volumes.get_mut(&volume_id).filter(|_| given) {
            volume.set("reserved");
        }
    }
    Ok(())
}

fn check(world: &World, server: &Server, device: &BlockDevice) -> Result<(), Refusal> {
    match device.source_type.as_str() {
        "image" | "blank" | "snapshot" => Ok(()),
        "volume" => {
            let id = device.uuid.as_deref().unwrap_or_default();
            let volume = world.cinder.volumes.get(id).filter(|row| row.project_id == server.project_id);
            let volume = volume.ok_or_else(|| invalid(format!("failed to get volume {id}.")))?;
            if device.is_root() && !volume.bootable {
                return Err(refuse(400, format!("Block Device {id} is not bootable.")));
            }
            if !volume.has_room() {
                let message = format!(
                    "Invalid volume: Volume {id} status must be available or downloading to reserve, but the current \
                     status is {}.",
                    volume.status
                );
                return Err(refuse(400, message));
            }
            Ok(())
        }
        other => Err(invalid(format!("Invalid source_type field: {other}"))),
    }
}

fn new_volume(
    cloud: &Cloud,
    world: &mut World,
    server: &Server,
    device: &BlockDevice,
) -> Result<String, Refusal> {
    let from = |kind: &str| device.uuid.clone().filter(|_| device.source_type == kind);
    let spec = VolumeSpec {
        size: device.volume_size.clone(),
        volume_type: device.volume_type.clone(),
        image_id: from("image"),
        snapshot_id: from("snapshot"),
        ..VolumeSpec::default()
    };
    let made = make_volume(cloud, world, (&server.project_id, &server.user_id), &spec, false);
    made.map_err(|refusal| passed_on(&refusal))
}

/// Whether the volumes of a server can be attached.
pub(super) enum Ready {
    Yes,
    No,
    Never(String),
}

pub(super) fn ready(world: &World, server_id: &str) -> Ready {
    let Some(server) = world.nova.servers.get(server_id) else { return Ready::Yes };
    for disk in &server.disks {
        let volume = world.cinder.volumes.get(&disk.volume_id);
        match volume.map(|volume| volume.status.as_str()) {
            Some("available" | "reserved" | "attaching") => {}
            // Another server that shares it was quicker.
            Some("in-use") if volume.is_some_and(|volume| volume.multiattach) => {}
            Some("creating" | "downloading") => return Ready::No,
            _ => {
                let message = format!(
                    "Build of instance {server_id} aborted: Volume {} did not finish being created.",
                    disk.volume_id
                );
                return Ready::Never(message);
            }
        }
    }
    Ready::Yes
}
