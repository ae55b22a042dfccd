//! Glance images.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// An image; its data is a file of its own, `image_blobs/ID-NAME`.
pub type Image = Entry<ImageParams, ImageInfo>;

record! {
    /// What of an image is imported.
    #[derive(Default)]
    pub struct ImageParams: Params {
        /// CPU architecture.
        architecture: Option<String>,
        /// Container format.
        container_format: Option<String>,
        /// Disk format.
        disk_format: Option<String>,
        /// `auto_disk_config`
        has_auto_disk_config: Option<String>,
        /// `os_hash_algo`; computed by Glance, never sent.
        hash_algo: Option<String>,
        /// `os_hash_value`; computed by Glance, never sent.
        hash_value: Option<String>,
        /// Preferred cores.
        hw_cpu_cores: Option<u64>,
        /// CPU pinning.
        hw_cpu_policy: Option<String>,
        /// Preferred sockets.
        hw_cpu_sockets: Option<u64>,
        /// How threads are pinned.
        hw_cpu_thread_policy: Option<String>,
        /// Preferred threads.
        hw_cpu_threads: Option<u64>,
        /// Disk controller.
        hw_disk_bus: Option<String>,
        /// Machine type of the guest.
        hw_machine_type: Option<String>,
        /// Whether the guest runs the QEMU agent.
        hw_qemu_guest_agent: Option<String>,
        /// Random number generator.
        hw_rng_model: Option<String>,
        /// SCSI controller.
        hw_scsi_model: Option<String>,
        /// Serial ports.
        hw_serial_port_count: Option<u64>,
        /// Video device.
        hw_video_model: Option<String>,
        /// Video memory, in MiB.
        hw_video_ram: Option<u64>,
        /// Network device.
        hw_vif_model: Option<String>,
        /// What the watchdog does.
        hw_watchdog_action: Option<String>,
        /// Hypervisor it needs.
        hypervisor_type: Option<String>,
        /// Share of the network bandwidth.
        instance_type_rxtx_factor: Option<f64>,
        /// `os_hidden`
        is_hidden: Option<bool>,
        /// `hw_boot_menu`
        is_hw_boot_menu_enabled: Option<bool>,
        /// `hw_vif_multiqueue_enabled`
        is_hw_vif_multiqueue_enabled: Option<bool>,
        /// `protected`
        is_protected: Option<bool>,
        /// Kernel image of an AMI-style image.
        kernel_ref: Option<Reference>,
        /// Least disk, in GiB.
        min_disk: Option<u64>,
        /// Least memory, in MiB.
        min_ram: Option<u64>,
        /// Name, by which it is found again.
        name: Option<String>,
        /// `img_config_drive`
        needs_config_drive: Option<String>,
        /// `os_secure_boot`
        needs_secure_boot: Option<String>,
        /// Administrator of the guest.
        os_admin_user: Option<String>,
        /// Kernel command line.
        os_command_line: Option<String>,
        /// Distribution.
        os_distro: Option<String>,
        /// Whether snapshots need the guest to be quiet.
        os_require_quiesce: Option<bool>,
        /// How long the guest may take to shut down, in seconds.
        os_shutdown_timeout: Option<u64>,
        /// Operating system.
        os_type: Option<String>,
        /// Version of the operating system.
        os_version: Option<String>,
        /// All other properties.
        properties: BTreeMap<String, Json>,
        /// Initial RAM disk of an AMI-style image.
        ramdisk_ref: Option<Reference>,
        /// Who sees it.
        visibility: Option<String>,
        /// Virtual machine mode.
        vm_mode: Option<String>,
        /// Disk controller on VMware.
        vmware_adaptertype: Option<String>,
        /// Guest id on VMware.
        vmware_ostype: Option<String>,
    }
}

record! {
    /// What the source said of an image.
    #[derive(Default)]
    pub struct ImageInfo: Info {
        /// MD5 of the data.
        checksum: Option<String>,
        /// Time of creation.
        created_at: Option<String>,
        /// Where the data is, for administrators.
        direct_url: Option<String>,
        /// Path of the data in the API.
        file: Option<String>,
        /// Source id.
        id: Option<String>,
        /// Server it is a snapshot of.
        instance_uuid: Option<String>,
        /// Kernel image by id.
        kernel_id: Option<String>,
        /// Places the data is at, for administrators.
        locations: Option<Json>,
        /// Metadata of the places.
        metadata: Option<Json>,
        /// Project that owns it.
        owner_id: Option<String>,
        /// Initial RAM disk by id.
        ramdisk_id: Option<String>,
        /// Path of its schema.
        schema: Option<String>,
        /// Size of the data, in bytes.
        size: Option<u64>,
        /// Status.
        status: Option<String>,
        /// Store the data is in.
        store: Option<String>,
        /// Time of the last change.
        updated_at: Option<String>,
        /// Where the data came from.
        url: Option<String>,
        /// Size of the disk in the data, in bytes.
        virtual_size: Option<u64>,
    }
}

impl Params for ImageParams {
    const TYPE: &'static str = "openstack.image.Image";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
