//! What Nova reads off a boot volume: firmware, machine type, disk bus. Without it a guest may not
//! find its disks, or not start at all.
//!
//! Each key is decided on its own, by the strongest of these that has it:
//!
//! ```text
//! _migration_params.hw_machine_type  >  the run's machine type  >  boot_volume_params.volume_image_metadata
//!    >  the volume (its file, or the cloud when the file says null)  >  the image  >  the run's default  >  none
//! ```
//!
//! An empty text or a null on the way says "deliberately none", and ends the search.

use std::collections::{BTreeMap, BTreeSet};

use osm_model::Server as Workload;
use serde_json::Value as Json;

use super::MigrationOptions;
use super::disk::Disk;

pub(super) const MACHINE_TYPE: &str = "hw_machine_type";

/// The longest value that Cinder takes.
const LONGEST: usize = 255;

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

/// The image metadata of a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) metadata: BTreeMap<String, String>,
    /// The keys that somebody asked for; the others are carried over as they were found.
    pub(super) asked: BTreeSet<String>,
}

/// The image metadata for the copy of a disk. `live` is what the source volume has now; the volume
/// made of a server's image has what that image says. `image` is what the server was booted from.
pub(super) fn of_copy(
    workload: &Workload,
    disk: &Disk,
    live: &BTreeMap<String, String>,
    image: &BTreeMap<String, String>,
    options: &MigrationOptions,
) -> Wanted {
    let how = &workload.migration_params;
    let exported = disk.exported.as_ref().and_then(|volume| volume.params.volume_image_metadata.as_ref());
    let machine_type = |value: &Option<String>| value.as_deref().map(|value| one(MACHINE_TYPE, value));
    let mut wanted = Wanted::default();
    if disk.bootable {
        wanted.layer(machine_type(&options.default_machine_type), false);
    }
    if disk.boots() {
        wanted.layer(machine_type(&workload.info.hw_machine_type), false);
    }
    wanted.layer(Some(found(image)), false);
    // What the file says was edited for this, what the source says was not.
    wanted.layer(Some(exported.map_or_else(|| found(live), said)), false);
    if disk.boots() {
        wanted.layer(how.boot_volume_params.volume_image_metadata.as_ref().map(said), true);
    }
    if disk.bootable {
        wanted.layer(machine_type(&options.machine_type), true);
    }
    if disk.boots() {
        wanted.layer(machine_type(&how.hw_machine_type), true);
    }
    wanted
}

impl Wanted {
    /// Puts a stronger layer over what is there; a key with nothing in it is taken away.
    fn layer(&mut self, layer: Option<BTreeMap<String, Option<String>>>, asked: bool) {
        for (key, value) in layer.into_iter().flatten().filter(|(key, _)| describes_guest(key)) {
            if asked {
                self.asked.insert(key.clone());
            }
            match value.filter(|value| !value.is_empty()) {
                Some(value) => self.metadata.insert(key, value),
                None => self.metadata.remove(&key),
            };
        }
    }

    pub(super) fn machine_type(&self) -> Option<&str> {
        self.metadata.get(MACHINE_TYPE).map(String::as_str)
    }

    /// What no cloud would take.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in &self.metadata {
            let length = value.chars().count();
            if length > LONGEST {
                problems.push(format!(
                    "image metadata `{key}` has {length} characters, and Cinder takes {LONGEST}: shorten it"
                ));
            }
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if let Some(machine_type) = self.machine_type().filter(|text| !text.chars().all(plain)) {
            problems.push(format!(
                "`{machine_type}` is no machine type: it is a word like pc, q35 or pc-i440fx-rhel7.6.0"
            ));
        }
        problems
    }

    /// What a volume has that it shall not have: a copy was empty when it was made, so this is what
    /// an earlier run set.
    pub(super) fn surplus<'k>(&self, known: &'k BTreeMap<String, String>) -> Vec<&'k str> {
        let gone = |key: &&String| describes_guest(key) && !self.metadata.contains_key(*key);
        known.keys().filter(gone).map(String::as_str).collect()
    }
}

/// Whether a machine type is among those that a cloud supports; `*` at the end stands for anything.
pub(super) fn is_supported(machine_type: &str, supported: &[String]) -> bool {
    supported.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => machine_type.starts_with(start),
        None => machine_type == pattern,
    })
}

/// Whether a key says how the guest is to be run.
pub(super) fn describes_guest(key: &str) -> bool {
    let for_guests = ["hw_", "os_", "img_"].iter().any(|prefix| key.starts_with(prefix));
    let for_glance = ["os_hash_", "os_glance_"].iter().any(|prefix| key.starts_with(prefix));
    for_guests && !for_glance && key != "os_hidden" && !OF_THE_IMAGE.contains(&key)
}

/// What somebody wrote: null is "none".
fn said(values: &BTreeMap<String, Json>) -> BTreeMap<String, Option<String>> {
    let text = |value: &Json| match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    values.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// What a cloud says.
fn found(values: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    values.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}

fn one(key: &str, value: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(key.to_owned(), Some(value.to_owned()))])
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
            bootable: true,
            exported: volume,
        }
    }

    fn workload() -> Workload {
        Workload::new(ServerParams::default(), ServerInfo::default())
    }

    fn pairs(value: Json) -> BTreeMap<String, String> {
        serde_json::from_value(value).unwrap()
    }

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn what_describes_the_image_stays_behind() {
        let source = json!({
            "hw_machine_type": "pc", "hw_firmware_type": "uefi", "os_type": "linux", "os_hash_algo": "sha512",
            "image_id": "x", "min_disk": "0", "owner_specified.x": "y", "img_config_drive": "optional",
        });
        let wanted =
            of_copy(&workload(), &disk(Some(source)), &none(), &none(), &MigrationOptions::default());
        let keys: Vec<_> = wanted.metadata.keys().map(String::as_str).collect();
        assert_eq!(keys, ["hw_firmware_type", "hw_machine_type", "img_config_drive", "os_type"]);
    }

    /// Every source of the machine type, the weakest first: each next one wins over those before it.
    #[test]
    fn machine_type_precedence_is_override_params_volume_image_default_none() {
        let (mut workload, mut options) = (workload(), MigrationOptions::default());
        let (mut image, mut live, mut disk) = (none(), none(), disk(None));
        macro_rules! now {
            () => {
                of_copy(&workload, &disk, &live, &image, &options).machine_type().map(str::to_owned)
            };
        }
        assert_eq!(now!(), None);
        options.default_machine_type = Some("default".into());
        assert_eq!(now!().as_deref(), Some("default"));
        workload.info.hw_machine_type = Some("info".into());
        assert_eq!(now!().as_deref(), Some("info"));
        image = pairs(json!({"hw_machine_type": "image"}));
        assert_eq!(now!().as_deref(), Some("image"));
        live = pairs(json!({"hw_machine_type": "live"}));
        assert_eq!(now!().as_deref(), Some("live"));
        disk = self::disk(Some(json!({"hw_machine_type": "file"})));
        assert_eq!(now!().as_deref(), Some("file"));
        workload.migration_params.boot_volume_params.volume_image_metadata =
            Some(BTreeMap::from([("hw_machine_type".to_owned(), json!("params"))]));
        assert_eq!(now!().as_deref(), Some("params"));
        options.machine_type = Some("run".into());
        assert_eq!(now!().as_deref(), Some("run"));
        workload.migration_params.hw_machine_type = Some("workload".into());
        assert_eq!(now!().as_deref(), Some("workload"));
        workload.migration_params.hw_machine_type = Some(String::new());
        assert_eq!(now!(), None, "an empty override is deliberately none");
    }

    #[test]
    fn the_other_keys_follow_the_same_order_each_on_its_own() {
        let mut workload = workload();
        let disk = disk(Some(json!({
            "hw_machine_type": "q35", "hw_firmware_type": "bios", "os_secure_boot": "optional",
            "hw_disk_bus": "virtio", "hw_scsi_model": "virtio-scsi",
        })));
        let image = pairs(json!({"hw_video_model": "vga", "hw_rng_model": "virtio", "hw_disk_bus": "ide"}));
        let overrides =
            json!({"hw_firmware_type": "uefi", "os_secure_boot": "required", "hw_scsi_model": null});
        workload.migration_params.boot_volume_params.volume_image_metadata =
            Some(serde_json::from_value(overrides).unwrap());
        let wanted = of_copy(&workload, &disk, &none(), &image, &MigrationOptions::default());
        let expected = json!({
            "hw_machine_type": "q35", "hw_firmware_type": "uefi", "os_secure_boot": "required",
            "hw_disk_bus": "virtio", "hw_video_model": "vga", "hw_rng_model": "virtio",
        });
        assert_eq!(wanted.metadata, pairs(expected));
        let asked: Vec<_> = wanted.asked.iter().map(String::as_str).collect();
        assert_eq!(asked, ["hw_firmware_type", "hw_scsi_model", "os_secure_boot"]);
    }

    #[test]
    fn a_disk_nothing_boots_from_gets_no_machine_type_of_the_run() {
        let mut data = disk(None);
        data.origin = Origin::Data;
        data.bootable = false;
        let options = MigrationOptions { machine_type: Some("q35".into()), ..MigrationOptions::default() };
        assert_eq!(of_copy(&workload(), &data, &none(), &none(), &options), Wanted::default());
        let live = pairs(json!({"hw_machine_type": "pc", "image_name": "x"}));
        let carried = of_copy(&workload(), &data, &live, &none(), &options);
        assert_eq!(carried.metadata, pairs(json!({"hw_machine_type": "pc"})));
    }

    #[test]
    fn nothing_known_is_nothing_set() {
        let wanted = of_copy(&workload(), &disk(None), &none(), &none(), &MigrationOptions::default());
        assert_eq!(wanted, Wanted::default());
    }

    #[test]
    fn what_no_cloud_takes_is_told() {
        let source = json!({"hw_machine_type": "q35 or so", "os_version": "9".repeat(256)});
        let wanted =
            of_copy(&workload(), &disk(Some(source)), &none(), &none(), &MigrationOptions::default());
        let problems = wanted.problems();
        assert!(problems[0].contains("`os_version` has 256 characters"), "{problems:?}");
        assert!(problems[1].contains("`q35 or so` is no machine type"), "{problems:?}");
    }

    #[test]
    fn supported_types_are_exact_or_begin_so() {
        let supported = ["q35".to_owned(), "pc-i440fx-*".to_owned()];
        assert!(is_supported("q35", &supported) && is_supported("pc-i440fx-6.2", &supported));
        assert!(!is_supported("pc", &supported) && !is_supported("q35-2", &supported));
    }
}
