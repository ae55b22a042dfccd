//! What an image shall be, in Glance's words.

use std::collections::BTreeMap;

use osm_model::ImageParams;
use serde_json::Value;

use crate::image::{Change, CreateImage, ImageObject};
use crate::import::compare::{Conflicts, tags_differ};

/// The attributes and properties of an image; all properties are text, as Glance wants them.
pub(super) struct Wanted {
    body: CreateImage,
}

impl Wanted {
    pub(super) fn new(
        params: &ImageParams,
        kernel_id: Option<String>,
        ramdisk_id: Option<String>,
        tags: Option<Vec<String>>,
    ) -> Self {
        let mut properties = other_properties(&params.properties);
        let named = named_properties(params);
        properties.extend(named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        properties.extend(kernel_id.map(|id| ("kernel_id".to_owned(), id)));
        properties.extend(ramdisk_id.map(|id| ("ramdisk_id".to_owned(), id)));
        let body = CreateImage {
            name: params.name.clone().unwrap_or_default(),
            disk_format: params.disk_format.clone(),
            container_format: params.container_format.clone(),
            visibility: params.visibility.clone(),
            protected: params.is_protected,
            os_hidden: params.is_hidden,
            min_disk: params.min_disk,
            min_ram: params.min_ram,
            tags: tags.unwrap_or_default(),
            properties,
        };
        Self { body }
    }

    pub(super) fn body(&self) -> CreateImage {
        self.body.clone()
    }

    /// What cannot be changed once there is data.
    pub(super) fn compare_fixed(&self, there: &ImageObject, conflicts: &mut Conflicts<'_>) {
        let body = &self.body;
        conflicts.fixed("disk_format", body.disk_format.as_ref(), there.disk_format.as_ref());
        conflicts.fixed("container_format", body.container_format.as_ref(), there.container_format.as_ref());
    }

    /// What has to be changed; the formats only while there is no data.
    pub(super) fn changes(&self, there: &ImageObject, with_formats: bool) -> Vec<Change> {
        let body = &self.body;
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let mut attributes = vec![
            ("visibility", text(&body.visibility), text(&there.visibility)),
            ("protected", body.protected.map(Value::from), there.protected.map(Value::from)),
            ("min_disk", body.min_disk.map(Value::from), there.min_disk.map(Value::from)),
            ("min_ram", body.min_ram.map(Value::from), there.min_ram.map(Value::from)),
        ];
        // Glance before Train knows no hidden images.
        if there.os_hidden.is_some() || body.os_hidden == Some(true) {
            attributes.push(("os_hidden", body.os_hidden.map(Value::from), there.os_hidden.map(Value::from)));
        }
        if with_formats {
            attributes.push(("disk_format", text(&body.disk_format), text(&there.disk_format)));
            attributes.push((
                "container_format",
                text(&body.container_format),
                text(&there.container_format),
            ));
        }
        let differs = |(key, want, has): (&str, Option<Value>, Option<Value>)| {
            let want = want.filter(|want| has.as_ref() != Some(want))?;
            Some(Change::set(key, want, true))
        };
        let mut changes: Vec<Change> = attributes.into_iter().filter_map(differs).collect();
        // Without a word about tags, those that are there stay.
        if !body.tags.is_empty() && tags_differ(&body.tags, &there.tags) {
            changes.push(Change::set("tags", body.tags.clone(), true));
        }
        for (key, want) in &body.properties {
            let has = there.properties.get(key);
            if !has.is_some_and(|has| same_value(key, want, has)) {
                changes.push(Change::set(key, want.as_str(), has.is_some()));
            }
        }
        changes
    }
}

/// The properties that the file has under no name of their own. What Glance keeps for itself is
/// not anybody's to set.
fn other_properties(properties: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let settable = |key: &str| {
        !key.starts_with("os_glance_")
            && !key.starts_with("os_hash_")
            && !matches!(key, "self" | "stores" | "locations" | "direct_url")
    };
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    properties
        .iter()
        .filter(|(key, _)| settable(key))
        .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
        .collect()
}

fn named_properties(params: &ImageParams) -> [(&'static str, Option<String>); 33] {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let flag = |flag: Option<bool>| flag.map(|flag| flag.to_string());
    [
        ("architecture", params.architecture.clone()),
        ("auto_disk_config", params.has_auto_disk_config.clone()),
        ("hw_boot_menu", flag(params.is_hw_boot_menu_enabled)),
        ("hw_cpu_cores", number(params.hw_cpu_cores)),
        ("hw_cpu_policy", params.hw_cpu_policy.clone()),
        ("hw_cpu_sockets", number(params.hw_cpu_sockets)),
        ("hw_cpu_thread_policy", params.hw_cpu_thread_policy.clone()),
        ("hw_cpu_threads", number(params.hw_cpu_threads)),
        ("hw_disk_bus", params.hw_disk_bus.clone()),
        ("hw_machine_type", params.hw_machine_type.clone()),
        ("hw_qemu_guest_agent", params.hw_qemu_guest_agent.clone()),
        ("hw_rng_model", params.hw_rng_model.clone()),
        ("hw_scsi_model", params.hw_scsi_model.clone()),
        ("hw_serial_port_count", number(params.hw_serial_port_count)),
        ("hw_video_model", params.hw_video_model.clone()),
        ("hw_video_ram", number(params.hw_video_ram)),
        ("hw_vif_model", params.hw_vif_model.clone()),
        ("hw_vif_multiqueue_enabled", flag(params.is_hw_vif_multiqueue_enabled)),
        ("hw_watchdog_action", params.hw_watchdog_action.clone()),
        ("hypervisor_type", params.hypervisor_type.clone()),
        ("img_config_drive", params.needs_config_drive.clone()),
        ("instance_type_rxtx_factor", params.instance_type_rxtx_factor.map(|factor| format!("{factor:?}"))),
        ("os_admin_user", params.os_admin_user.clone()),
        ("os_command_line", params.os_command_line.clone()),
        ("os_distro", params.os_distro.clone()),
        ("os_require_quiesce", flag(params.os_require_quiesce)),
        ("os_secure_boot", params.needs_secure_boot.clone()),
        ("os_shutdown_timeout", number(params.os_shutdown_timeout)),
        ("os_type", params.os_type.clone()),
        ("os_version", params.os_version.clone()),
        ("vm_mode", params.vm_mode.clone()),
        ("vmware_adaptertype", params.vmware_adaptertype.clone()),
        ("vmware_ostype", params.vmware_ostype.clone()),
    ]
}

/// Whether two texts stand for one value, for the properties that the file has as numbers or flags.
fn same_value(key: &str, one: &str, two: &str) -> bool {
    if one == two {
        return true;
    }
    match key {
        "hw_boot_menu" | "hw_vif_multiqueue_enabled" | "os_require_quiesce" => {
            one.eq_ignore_ascii_case(two) || flag(one).is_some() && flag(one) == flag(two)
        }
        "hw_cpu_cores"
        | "hw_cpu_sockets"
        | "hw_cpu_threads"
        | "hw_serial_port_count"
        | "hw_video_ram"
        | "instance_type_rxtx_factor"
        | "os_shutdown_timeout" => match (one.trim().parse::<f64>(), two.trim().parse::<f64>()) {
            (Ok(one), Ok(two)) => one == two,
            _ => false,
        },
        _ => false,
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
