//! How to migrate workloads.

use std::collections::BTreeMap;
use std::time::Duration;

use super::image_metadata::is_supported;
use super::{BootCheck, Hook, Way, Window};

/// How to migrate workloads; the defaults are what most want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationOptions {
    /// Only look: preflight and drift. Nothing is changed, on no cloud and no host.
    pub check: bool,
    /// Stop source servers that run; otherwise they are refused.
    pub stop: bool,
    /// How many workloads move at once.
    pub workloads: usize,
    /// How many disks of a workload are copied at once.
    pub disks: usize,
    /// How many disks that bear a label travel at once, all workloads together: `copies` (every disk), `type:TYPE` and
    /// `zone:ZONE` (of its volume in the destination), a label of `_migration_params.labels`; and `attached`: how many
    /// volumes a conversion host has at once, 20 when not given.
    pub limits: BTreeMap<String, usize>,
    /// How the disks travel.
    pub via: Way,
    /// Disks are compressed on their way where that pays.
    pub compress: bool,
    /// After a failure, delete the unfinished copies instead of keeping them for the next run.
    /// Finished copies are never deleted.
    pub cleanup: bool,
    /// How long a cloud may take for one thing: a volume to attach, a server to start.
    pub timeout: Duration,
    /// A machine type for everything that can be booted from, whatever files, volumes and images say;
    /// a workload's own `_migration_params.hw_machine_type` is stronger. Empty: none.
    pub machine_type: Option<String>,
    /// A machine type for boot disks of which neither files nor images tell one.
    pub default_machine_type: Option<String>,
    /// The machine types that the destination supports, `*` at the end for anything: another one is
    /// refused before any data moves. `None`: not checked, for no cloud tells a tenant.
    pub machine_types: Option<Vec<String>>,
    /// Warn instead of failing when the destination does not take image metadata that nobody asked
    /// for, that is only carried over from the source.
    pub tolerate_image_metadata: bool,
    /// Refuse a workload that the destination would give something else than it has now: another size
    /// of its flavor, other properties of its image.
    pub fail_on_drift: bool,
    /// The destination's volume type for one of the source, by name; empty: its default type.
    pub volume_types: BTreeMap<String, String>,
    /// How it is told that a server has come up in the destination; without it, ACTIVE suffices.
    pub boot_check: Option<BootCheck>,
    /// What is run before and after steps.
    pub hooks: Vec<Hook>,
    /// When servers may be stopped; without it at any time.
    pub window: Option<Window>,
    /// The destination's availability zone for one of the source, of servers and volumes; empty: the
    /// cloud chooses.
    pub zones: BTreeMap<String, String>,
}

impl MigrationOptions {
    /// What a volume type of the source is called in the destination; none: its default type.
    pub fn volume_type(&self, source: &str) -> Option<String> {
        mapped(&self.volume_types, source)
    }

    /// What an availability zone of the source is called in the destination; none: the cloud chooses.
    pub fn zone(&self, source: &str) -> Option<String> {
        mapped(&self.zones, source)
    }

    /// Why a machine type is refused, and what can be done; none when it is supported or not checked.
    pub(super) fn refuses_machine_type(&self, machine_type: Option<&str>) -> Option<(String, &'static str)> {
        let (supported, found) = (self.machine_types.as_ref()?, machine_type?);
        if is_supported(found, supported) {
            return None;
        }
        let known = supported.join(", ");
        let message = format!("machine type `{found}` is not among those the destination supports: {known}");
        Some((message, "set _migration_params.hw_machine_type, or edit volume_image_metadata in the file"))
    }
}

fn mapped(names: &BTreeMap<String, String>, source: &str) -> Option<String> {
    let name = names.get(source).map_or(source, String::as_str);
    (!name.is_empty()).then(|| name.to_owned())
}

impl Default for MigrationOptions {
    fn default() -> Self {
        Self {
            check: false,
            stop: true,
            workloads: 2,
            disks: 2,
            limits: BTreeMap::new(),
            via: Way::default(),
            compress: false,
            cleanup: false,
            timeout: Duration::from_secs(600),
            machine_type: None,
            default_machine_type: None,
            machine_types: None,
            tolerate_image_metadata: false,
            fail_on_drift: false,
            volume_types: BTreeMap::new(),
            zones: BTreeMap::new(),
            boot_check: None,
            hooks: Vec::new(),
            window: None,
        }
    }
}
