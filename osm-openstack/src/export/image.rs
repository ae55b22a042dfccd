//! Images; their data is a file of its own.

use std::collections::BTreeMap;
use std::str::FromStr;

use osm_model::{Addition, ImageInfo, ImageParams, Kind, NameFilter, Resource};

use super::{Exporter, each, sorted};
use crate::error::Result;
use crate::image::{ImageFilter, ImageObject};
use crate::reference::Target;

impl Exporter {
    pub(super) async fn images(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let glance = self.session.image().await?;
        let owner = Some(self.session.project_id());
        let mut images = glance.list(&ImageFilter { owner: owner.clone(), ..ImageFilter::default() }).await?;
        // Lists leave hidden images out; they are somebody's images all the same.
        images.extend(glance.list(&ImageFilter { owner, hidden: true, ..ImageFilter::default() }).await?);
        let images =
            sorted(images.into_iter().filter(is_there).collect(), |image: &ImageObject| image.id.clone());
        let mut wanted = images;
        wanted.dedup_by(|one, two| one.id == two.id);
        wanted.retain(|image| filter.matches_optional(image.name.as_deref()));
        each(wanted, |image| self.image(image)).await
    }

    async fn image(&self, image: ImageObject) -> Result<Resource> {
        self.note(
            &image.id,
            Addition {
                tags: Some(sorted(image.tags, String::clone)).filter(|tags| !tags.is_empty()),
                name: image.name.clone(),
                r#type: Some(Kind::Image.type_name().to_owned()),
                ..Addition::default()
            },
        );
        let mut rest = Properties(image.properties);
        let (kernel_id, ramdisk_id) = (rest.text("kernel_id"), rest.text("ramdisk_id"));
        let params = ImageParams {
            architecture: rest.text("architecture"),
            container_format: image.container_format,
            disk_format: image.disk_format,
            has_auto_disk_config: rest.text("auto_disk_config"),
            hash_algo: image.os_hash_algo,
            hash_value: image.os_hash_value,
            hw_cpu_cores: rest.number("hw_cpu_cores"),
            hw_cpu_policy: rest.text("hw_cpu_policy"),
            hw_cpu_sockets: rest.number("hw_cpu_sockets"),
            hw_cpu_thread_policy: rest.text("hw_cpu_thread_policy"),
            hw_cpu_threads: rest.number("hw_cpu_threads"),
            hw_disk_bus: rest.text("hw_disk_bus"),
            hw_machine_type: rest.text("hw_machine_type"),
            hw_qemu_guest_agent: rest.text("hw_qemu_guest_agent"),
            hw_rng_model: rest.text("hw_rng_model"),
            hw_scsi_model: rest.text("hw_scsi_model"),
            hw_serial_port_count: rest.number("hw_serial_port_count"),
            hw_video_model: rest.text("hw_video_model"),
            hw_video_ram: rest.number("hw_video_ram"),
            hw_vif_model: rest.text("hw_vif_model"),
            hw_watchdog_action: rest.text("hw_watchdog_action"),
            hypervisor_type: rest.text("hypervisor_type"),
            instance_type_rxtx_factor: rest.number("instance_type_rxtx_factor"),
            is_hidden: image.os_hidden,
            is_hw_boot_menu_enabled: rest.flag("hw_boot_menu"),
            is_hw_vif_multiqueue_enabled: rest.flag("hw_vif_multiqueue_enabled"),
            is_protected: image.protected,
            kernel_ref: self.resolver.reference_if_there(Target::Image, kernel_id.as_deref()).await?,
            min_disk: image.min_disk,
            min_ram: image.min_ram,
            name: image.name,
            needs_config_drive: rest.text("img_config_drive"),
            needs_secure_boot: rest.text("os_secure_boot"),
            os_admin_user: rest.text("os_admin_user"),
            os_command_line: rest.text("os_command_line"),
            os_distro: rest.text("os_distro"),
            os_require_quiesce: rest.flag("os_require_quiesce"),
            os_shutdown_timeout: rest.number("os_shutdown_timeout"),
            os_type: rest.text("os_type"),
            os_version: rest.text("os_version"),
            ramdisk_ref: self.resolver.reference_if_there(Target::Image, ramdisk_id.as_deref()).await?,
            visibility: image.visibility,
            vm_mode: rest.text("vm_mode"),
            vmware_adaptertype: rest.text("vmware_adaptertype"),
            vmware_ostype: rest.text("vmware_ostype"),
            ..ImageParams::default()
        };
        let info = ImageInfo {
            checksum: image.checksum,
            created_at: image.created_at,
            direct_url: image.direct_url,
            file: image.file,
            id: Some(image.id),
            instance_uuid: rest.text("instance_uuid"),
            kernel_id,
            locations: image.locations,
            owner_id: image.owner,
            ramdisk_id,
            schema: image.schema,
            size: image.size,
            status: Some(image.status),
            updated_at: image.updated_at,
            virtual_size: image.virtual_size,
            ..ImageInfo::default()
        };
        let params = ImageParams { properties: rest.remaining(), ..params };
        Ok(Resource::Image(osm_model::Image::new(params, info)))
    }
}

/// Whether Glance has the data of an image, or will not part with it for now.
pub(super) fn has_data(image: &ImageObject) -> bool {
    matches!(image.status.as_str(), "active" | "deactivated")
}

fn is_there(image: &ImageObject) -> bool {
    !matches!(image.status.as_str(), "killed" | "deleted" | "pending_delete")
}

/// The properties of an image, of which the modelled ones are taken out one by one.
struct Properties(BTreeMap<String, String>);

impl Properties {
    fn text(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// A number; what is none stays where it is, as the text it is.
    fn number<T: FromStr>(&mut self, key: &str) -> Option<T> {
        let number = self.0.get(key)?.trim().parse().ok()?;
        self.0.remove(key);
        Some(number)
    }

    /// A flag; what is none stays where it is, as the text it is.
    fn flag(&mut self, key: &str) -> Option<bool> {
        let flag = match self.0.get(key)?.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => true,
            "false" | "no" | "off" | "0" => false,
            _ => return None,
        };
        self.0.remove(key);
        Some(flag)
    }

    fn remaining(self) -> BTreeMap<String, serde_json::Value> {
        self.0.into_iter().map(|(key, value)| (key, serde_json::Value::String(value))).collect()
    }
}
