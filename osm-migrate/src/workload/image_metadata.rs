//! What Nova reads off a boot volume: firmware, machine type, disk bus. Without it a guest may not
//! find its disks, or not start at all.

use std::collections::BTreeMap;

use osm_model::Server as Workload;
use serde_json::Value as Json;

use super::disk::Disk;

const MACHINE_TYPE: &str = "hw_machine_type";

/// Keys that describe the image a volume came from, not the guest on it.
const OF_THE_IMAGE: [&str; 23] = [
    "base_image_ref",
    "bdm_v2",
    "block_device_mapping",
    "boot_roles",
    "checksum",
    "container_format",
    "direct_url",
    "disk_format",
    "image_id",
    "image_location",
    "image_name",
    "image_state",
    "image_type",
    "instance_uuid",
    "locations",
    "min_disk",
    "min_ram",
    "name",
    "root_device_name",
    "signature_verified",
    "size",
    "stores",
    "user_id",
];

/// The image metadata for the copy of a disk. `live` is what the source has now: that of the volume,
/// or of the volume made from a snapshot image, which inherits the properties of the server's image.
pub(super) fn of_copy(
    workload: &Workload,
    disk: &Disk,
    live: &BTreeMap<String, String>,
    default_machine_type: Option<&str>,
) -> BTreeMap<String, String> {
    let exported = disk.exported.as_ref().and_then(|volume| volume.params.volume_image_metadata.as_ref());
    let overrides = workload.migration_params.boot_volume_params.volume_image_metadata.as_ref();
    let mut metadata: BTreeMap<String, String> = match (overrides, exported) {
        (Some(overrides), _) if disk.boots() => texts(overrides),
        // What the file says was edited for this, what the source says was not.
        (_, Some(exported)) => texts(exported),
        _ => live.clone(),
    };
    metadata.retain(|key, value| describes_guest(key) && value.len() <= 255);
    if disk.boots() {
        set_machine_type(workload, &mut metadata, default_machine_type);
    }
    metadata
}

fn set_machine_type(workload: &Workload, metadata: &mut BTreeMap<String, String>, default: Option<&str>) {
    let explicit = workload.migration_params.hw_machine_type.as_deref();
    if explicit == Some("") {
        metadata.remove(MACHINE_TYPE);
        return;
    }
    let found = explicit
        .or(metadata.get(MACHINE_TYPE).map(String::as_str))
        .or(workload.info.hw_machine_type.as_deref())
        .or(default)
        .filter(|value| !value.is_empty())
        .map(str::to_owned);
    if let Some(machine_type) = found {
        metadata.insert(MACHINE_TYPE.to_owned(), machine_type);
    }
}

/// Whether a key says how the guest is to be run.
fn describes_guest(key: &str) -> bool {
    let for_guests = ["hw_", "os_", "img_"].iter().any(|prefix| key.starts_with(prefix));
    let for_glance = ["os_hash_", "os_glance_"].iter().any(|prefix| key.starts_with(prefix));
    for_guests && !for_glance && key != "os_hidden" && !OF_THE_IMAGE.contains(&key)
}

fn texts(values: &BTreeMap<String, Json>) -> BTreeMap<String, String> {
    let text = |value: &Json| match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    values.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use osm_model::{ServerInfo, ServerParams, Volume, VolumeInfo, VolumeParams};
    use serde_json::json;

    use super::super::disk::Origin;
    use super::*;

    fn disk(exported: Option<Json>) -> Disk {
        let volume = exported.map(|value| {
            let volume_image_metadata = serde_json::from_value(value).unwrap();
            Volume::new(
                VolumeParams { volume_image_metadata, ..VolumeParams::default() },
                VolumeInfo::default(),
            )
        });
        Disk {
            key: "v".into(),
            origin: Origin::BootVolume,
            device: "/dev/vda".into(),
            label: "v".into(),
            size_gib: 1,
            exported: volume,
        }
    }

    fn workload() -> Workload {
        Workload::new(ServerParams::default(), ServerInfo::default())
    }

    #[test]
    fn what_describes_the_image_stays_behind() {
        let source = json!({
            "hw_machine_type": "pc", "hw_firmware_type": "uefi", "os_type": "linux", "os_hash_algo": "sha512",
            "image_id": "x", "min_disk": "0", "owner_specified.x": "y", "img_config_drive": "optional",
        });
        let metadata = of_copy(&workload(), &disk(Some(source)), &BTreeMap::new(), None);
        let keys: Vec<_> = metadata.keys().map(String::as_str).collect();
        assert_eq!(keys, ["hw_firmware_type", "hw_machine_type", "img_config_drive", "os_type"]);
    }

    #[test]
    fn the_machine_type_that_was_asked_for_wins() {
        let source = disk(Some(json!({"hw_machine_type": "pc-i440fx-rhel7.6.0"})));
        let mut workload = workload();
        let machine_type = |workload: &Workload, disk: &Disk| {
            of_copy(workload, disk, &BTreeMap::new(), Some("pc")).get(MACHINE_TYPE).cloned()
        };
        assert_eq!(machine_type(&workload, &source).as_deref(), Some("pc-i440fx-rhel7.6.0"));
        assert_eq!(machine_type(&workload, &disk(None)).as_deref(), Some("pc"));
        workload.info.hw_machine_type = Some("q35".into());
        assert_eq!(machine_type(&workload, &disk(None)).as_deref(), Some("q35"));
        workload.migration_params.hw_machine_type = Some("virt".into());
        assert_eq!(machine_type(&workload, &source).as_deref(), Some("virt"));
        workload.migration_params.hw_machine_type = Some(String::new());
        assert_eq!(machine_type(&workload, &source), None);
    }

    #[test]
    fn nothing_known_is_nothing_set() {
        assert!(of_copy(&workload(), &disk(None), &BTreeMap::new(), None).is_empty());
    }
}
