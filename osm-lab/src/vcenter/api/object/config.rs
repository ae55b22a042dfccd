//! The configuration of a machine, now or as a snapshot keeps it.

use super::device::{DiskView, devices};
use crate::vcenter::seed::Power;
use crate::vcenter::world::{MachineFacts, World, escaped};
use crate::vcenter::xml::Node;
use jiff::Timestamp;

/// All of it, in the order of the schema.
pub(super) fn config(world: &World, facts: &MachineFacts, disks: &[DiskView<'_>], power: Power) -> Node {
    let (folder, _) = facts.vmx.rsplit_once('/').unwrap_or((&facts.vmx, ""));
    let files = vec![
        Node::text("vmPathName", &facts.vmx),
        Node::text("snapshotDirectory", format!("{folder}/")),
        Node::text("suspendDirectory", format!("{folder}/")),
        Node::text("logDirectory", format!("{folder}/")),
    ];
    let hardware = vec![
        Node::int("numCPU", facts.cpus),
        Node::int("numCoresPerSocket", 1),
        Node::int("memoryMB", facts.memory_mib),
        Node::flag("virtualICH7MPresent", false),
        Node::flag("virtualSMCPresent", false),
        devices(world, disks, &facts.nics, power),
    ];
    let boot = vec![
        Node::long("bootDelay", 0),
        Node::flag("enterBIOSSetup", false),
        Node::flag("efiSecureBootEnabled", facts.secure_boot),
        Node::flag("bootRetryEnabled", false),
        Node::long("bootRetryDelay", 10_000),
    ];
    let parts = vec![
        Node::text("changeVersion", "1"),
        Node::time("modified", Timestamp::UNIX_EPOCH),
        Node::text("name", escaped(&facts.name)),
        Node::text("guestFullName", &facts.guest_full_name),
        Node::text("version", &facts.hw_version),
        Node::text("uuid", &facts.uuid),
        Node::text("instanceUuid", &facts.instance_uuid),
        Node::flag("template", false),
        Node::text("guestId", &facts.guest_id),
        Node::text("alternateGuestName", ""),
        Node::text("annotation", ""),
        Node::object("files", "VirtualMachineFileInfo", files),
        Node::object("hardware", "VirtualHardware", hardware),
        extra(facts),
        Node::text("swapPlacement", "inherit"),
        Node::object("bootOptions", "VirtualMachineBootOptions", boot),
        Node::flag("changeTrackingEnabled", facts.tracking),
        Node::text("firmware", if facts.efi { "efi" } else { "bios" }),
    ];
    Node::object("config", "VirtualMachineConfigInfo", parts)
}

/// Settings by name.
fn extra(facts: &MachineFacts) -> Node {
    let rows = [("svga.present", "TRUE"), ("ctkEnabled", if facts.tracking { "TRUE" } else { "FALSE" })];
    let option = |(key, value): (&str, &str)| {
        let parts = vec![Node::text("key", key), Node::any("value", Node::text("", value))];
        Node::object("", "OptionValue", parts)
    };
    Node::list("extraConfig", "OptionValue", rows.map(option).to_vec())
}
