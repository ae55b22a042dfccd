//! What should be known of a machine before it is migrated.

use std::fmt;

use serde::Serialize;

use super::Machine;
use super::device::PHYSICAL;

/// How grave a concern is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot be migrated like this.
    Blocking,
    /// It cannot be copied while it runs.
    Cold,
    /// It is to be known.
    Note,
}

/// Something to be known of a machine, with what can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// How grave it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Blocking => "blocking",
            Severity::Cold => "cold",
            Severity::Note => "note",
        };
        write!(f, "{severity}: {}", self.message)
    }
}

/// The oldest hardware that keeps a record of changes.
const TRACKS_CHANGES: u32 = 7;

/// Backings that keep a record of changes.
const TRACKED: [&str; 5] = ["FlatVer2", "SeSparse", "SparseVer2", "RawDiskMappingVer1", "RawDiskVer2"];

pub(super) fn of(machine: &Machine, needs_consolidation: bool) -> Vec<Concern> {
    let mut concerns = Vec::new();
    let mut say = |severity, message: String| concerns.push(Concern { severity, message });
    if machine.template {
        say(Severity::Blocking, "it is a template: deploy a machine of it, and migrate that".to_owned());
    }
    if machine.disks.is_empty() {
        say(Severity::Blocking, "it has no disk".to_owned());
    }
    if machine.encrypted {
        say(
            Severity::Blocking,
            "it is encrypted: decrypt it first, its keys cannot be carried over".to_owned(),
        );
    }
    if machine.hardware_version.is_some_and(|version| version < TRACKS_CHANGES) {
        say(
            Severity::Cold,
            format!("its hardware is older than version {TRACKS_CHANGES}: no record of changes"),
        );
    }
    for disk in &machine.disks {
        let named = |what: &str| format!("{} ({}) {what}", disk.label, disk.key);
        if disk.capacity == 0 {
            say(Severity::Blocking, named("tells no capacity"));
        }
        // Every copy is of a snapshot, that of a machine at rest, too.
        if disk.mode.as_deref().is_some_and(|mode| mode.starts_with("independent")) {
            say(Severity::Blocking, named("is independent: snapshots leave it out; make it dependent"));
        }
        if disk.shared {
            say(Severity::Blocking, named("is shared with other machines: there are no snapshots of it"));
        }
        if disk.backing.ends_with(PHYSICAL) {
            say(Severity::Blocking, named("is a raw device in physical mode: there are no snapshots of it"));
        } else if !TRACKED.contains(&disk.backing.as_str()) {
            say(Severity::Cold, named(&format!("is kept as {}: no record of its changes", disk.backing)));
        }
    }
    if machine.connection.as_deref().is_some_and(|state| state != "connected") {
        let state = machine.connection.as_deref().unwrap_or_default();
        say(Severity::Blocking, format!("its host is {state}: nothing can be read from it"));
    }
    if machine.power.as_deref() == Some("suspended") {
        say(
            Severity::Blocking,
            "it is suspended: resume it or switch it off, what it has in memory is lost".to_owned(),
        );
    }
    for device in &machine.left_behind {
        say(Severity::Note, format!("its {device} cannot be carried over"));
    }
    let runs = machine.power.as_deref() == Some("poweredOn");
    if runs && machine.tools.as_deref() != Some("guestToolsRunning") {
        let message = "VMware Tools do not run: its guest cannot be asked to shut down, and does not tell its addresses";
        say(Severity::Note, message.to_owned());
    }
    if needs_consolidation {
        say(
            Severity::Note,
            "its disks need consolidation: have vSphere do that before anything else".to_owned(),
        );
    }
    if machine.snapshots > 0 {
        let count = machine.snapshots;
        say(
            Severity::Note,
            format!("it has {count} snapshots: changes must not begin to be recorded while it has any"),
        );
    }
    if !machine.change_tracking {
        say(
            Severity::Note,
            "changes are not recorded yet: --enable-cbt lets that begin with its first seed".to_owned(),
        );
    }
    if machine.secure_boot {
        say(
            Severity::Note,
            "it starts only what is signed: the destination must offer secure boot".to_owned(),
        );
    }
    concerns
}
