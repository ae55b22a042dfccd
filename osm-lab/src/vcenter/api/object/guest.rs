//! What VMware Tools tell of a guest.

use crate::vcenter::seed::{NicSeed, Power};
use crate::vcenter::world::Machine;
use crate::vcenter::xml::Node;

/// Whether there is a guest that tells something.
fn talks(machine: &Machine) -> bool {
    machine.power == Power::On && machine.tools_running
}

/// The statuses of Tools, which a guest and a summary share.
fn tools(machine: &Machine) -> [Node; 4] {
    let running = talks(machine);
    let status = if running { "toolsOk" } else { "toolsNotRunning" };
    let state = if running { "guestToolsRunning" } else { "guestToolsNotRunning" };
    [
        Node::word("toolsStatus", "VirtualMachineToolsStatus", status),
        Node::text("toolsVersionStatus", "guestToolsUnmanaged"),
        Node::text("toolsVersionStatus2", "guestToolsUnmanaged"),
        Node::text("toolsRunningStatus", state),
    ]
}

/// Its first address that is no link-local one.
fn address(machine: &Machine) -> Option<&str> {
    let all = machine.facts.nics.iter().flat_map(|nic| &nic.ips).map(|(ip, _)| ip.as_str());
    all.filter(|_| talks(machine)).find(|ip| !ip.starts_with("fe80"))
}

pub(super) fn guest(machine: &Machine) -> Node {
    let facts = &machine.facts;
    let mut parts = tools(machine).to_vec();
    if talks(machine) {
        let family = if facts.guest_id.starts_with("win") { "windowsGuest" } else { "linuxGuest" };
        parts.push(Node::text("toolsVersion", "12352"));
        parts.push(Node::text("guestId", &facts.guest_id));
        parts.push(Node::text("guestFamily", family));
        parts.push(Node::text("guestFullName", &facts.guest_full_name));
        parts.push(Node::text("hostName", &facts.name));
        parts.extend(address(machine).map(|ip| Node::text("ipAddress", ip)));
        let cards = facts.nics.iter().zip(4000..).map(|(nic, key)| card(nic, key)).collect();
        parts.push(Node::list("net", "GuestNicInfo", cards));
    }
    parts.push(Node::text("guestState", if talks(machine) { "running" } else { "notRunning" }));
    Node::object("guest", "GuestInfo", parts)
}

fn card(nic: &NicSeed, key: i32) -> Node {
    let mut parts = vec![Node::text("network", &nic.network)];
    parts.extend(nic.ips.iter().map(|(ip, _)| Node::text("ipAddress", ip)));
    parts.push(Node::text("macAddress", &nic.mac));
    parts.push(Node::flag("connected", true));
    parts.push(Node::int("deviceConfigId", key));
    let addresses = nic.ips.iter().map(|(ip, length)| {
        let parts = vec![
            Node::text("ipAddress", ip),
            Node::int("prefixLength", length),
            Node::text("state", "preferred"),
        ];
        Node::object("ipAddress", "", parts)
    });
    if !nic.ips.is_empty() {
        parts.push(Node::object("ipConfig", "NetIpConfigInfo", addresses.collect()));
    }
    Node::object("", "GuestNicInfo", parts)
}

/// The part of a machine's summary that is of its guest.
pub(super) fn summary(machine: &Machine) -> Node {
    let facts = &machine.facts;
    let mut parts = Vec::new();
    if talks(machine) {
        parts.push(Node::text("guestId", &facts.guest_id));
        parts.push(Node::text("guestFullName", &facts.guest_full_name));
    }
    parts.extend(tools(machine));
    if talks(machine) {
        parts.push(Node::text("hostName", &facts.name));
        parts.extend(address(machine).map(|ip| Node::text("ipAddress", ip)));
    }
    Node::object("guest", "VirtualMachineGuestSummary", parts)
}
