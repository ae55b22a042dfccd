//! The devices of a machine that a migration carries over: disks and network cards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::soap::Element;

/// A disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualDisk {
    /// Its key within the machine.
    pub key: i32,
    /// What it is called: `Hard disk 1`.
    pub label: String,
    /// Bytes.
    pub capacity: u64,
    /// The type of its controller, the controller's number on its bus, and its place there: `ParaVirtualSCSIController 0:1`.
    pub place: String,
    /// Where it is: `[datastore] folder/disk.vmdk`.
    pub file: Option<String>,
    /// How it is kept: `FlatVer2`, `SeSparse`, `RawDiskMappingVer1`.
    pub backing: String,
    /// `persistent`, `independent_persistent`, ...
    pub mode: Option<String>,
    /// The id of what backs it.
    pub uuid: Option<String>,
    /// Whether other machines may have it as well.
    pub shared: bool,
    /// How many files below its own hold a part of its bytes: of older snapshots, or of what it was cloned from.
    pub parents: usize,
}

impl VirtualDisk {
    /// The size of a Cinder volume that holds it, in GiB: rounded up, never less than one.
    pub fn volume_size(&self) -> u64 {
        self.capacity.div_ceil(1 << 30).max(1)
    }
}

/// A network card of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nic {
    /// Its key within the machine.
    pub key: i32,
    /// What it is called: `Network adapter 1`.
    pub label: String,
    /// Its type: `VirtualVmxnet3`.
    pub model: String,
    /// Its MAC address.
    pub mac: Option<String>,
    /// The network, as its card names it: a name, or the key of a distributed port group.
    pub network: Option<String>,
    /// Whether it is connected when the machine starts.
    pub connected: bool,
    /// The addresses that the guest has there, as far as its tools tell.
    pub addresses: Vec<String>,
}

/// Devices that belong to their host, or hold keys that stay there.
const BOUND: [&str; 5] = [
    "VirtualTPM",
    "VirtualPCIPassthrough",
    "VirtualSriovEthernetCard",
    "VirtualUSB",
    "VirtualSCSIPassthrough",
];

/// The types of the devices that cannot be carried over.
pub(super) fn left_behind(devices: &[Element]) -> Vec<String> {
    devices.iter().map(|device| &device.kind).filter(|kind| BOUND.contains(&kind.as_str())).cloned().collect()
}

/// The disks, by controller and place: so the guest sees them.
pub(crate) fn disks(devices: &[Element]) -> Vec<VirtualDisk> {
    let controllers: BTreeMap<&str, (&Element, i64)> = devices
        .iter()
        .filter_map(|device| {
            let bus = device.text_at(&["busNumber"])?.parse().ok()?;
            Some((device.text_at(&["key"])?, (device, bus)))
        })
        .collect();
    let mut found: Vec<((i64, i64, i32), VirtualDisk)> = Vec::new();
    for device in devices.iter().filter(|device| device.kind == "VirtualDisk") {
        let number = |name: &str| device.text_at(&[name]).and_then(|text| text.parse::<i64>().ok());
        let controller = device.text_at(&["controllerKey"]).and_then(|key| controllers.get(key));
        let (bus, unit) =
            (controller.map_or(i64::MAX, |(_, bus)| *bus), number("unitNumber").unwrap_or(i64::MAX));
        let backing = device.child("backing");
        let text = |name: &str| backing.and_then(|backing| backing.text_at(&[name])).map(str::to_owned);
        let capacity =
            number("capacityInBytes").or(number("capacityInKB").map(|kib| kib.saturating_mul(1024)));
        let kind = backing.map(|backing| backing.kind.as_str()).unwrap_or_default();
        let shares_bus = controller.and_then(|(controller, _)| controller.text_at(&["sharedBus"]));
        let disk = VirtualDisk {
            key: key(device),
            label: label(device),
            capacity: capacity.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            place: format!(
                "{} {bus}:{unit}",
                controller.map_or("no controller", |(controller, _)| &controller.kind)
            ),
            file: text("fileName"),
            backing: kept_as(kind, text("compatibilityMode").as_deref()),
            mode: text("diskMode"),
            uuid: text("uuid"),
            shared: text("sharing").is_some_and(|sharing| sharing == "sharingMultiWriter")
                || shares_bus.is_some_and(|sharing| sharing != "noSharing"),
            parents: std::iter::successors(backing, |backing| backing.child("parent")).skip(1).count(),
        };
        found.push(((bus, unit, disk.key), disk));
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, disk)| disk).collect()
}

/// How the backing of a raw device ends that its machine has to itself.
pub(super) const PHYSICAL: &str = " in physical mode";

/// How a disk is kept. A raw device in physical mode is nothing like one in virtual mode: no snapshots, no record.
fn kept_as(kind: &str, compatibility: Option<&str>) -> String {
    let kind = kind.strip_prefix("VirtualDisk").unwrap_or(kind).trim_end_matches("BackingInfo");
    match compatibility {
        Some("physicalMode") => format!("{kind}{PHYSICAL}"),
        _ => kind.to_owned(),
    }
}

/// The network cards: whatever has a MAC address.
pub(super) fn nics(devices: &[Element]) -> Vec<Nic> {
    let card = |device: &Element| {
        device.child("macAddress").or_else(|| device.child("addressType"))?;
        let backing = device.child("backing");
        let text = |way: &[&str]| backing.and_then(|backing| backing.text_at(way)).map(str::to_owned);
        let network = text(&["deviceName"])
            .or_else(|| text(&["port", "portgroupKey"]))
            .or_else(|| text(&["opaqueNetworkId"]));
        Some(Nic {
            key: key(device),
            label: label(device),
            model: device.kind.clone(),
            mac: device.text_at(&["macAddress"]).map(str::to_lowercase),
            network,
            connected: device.text_at(&["connectable", "startConnected"]) != Some("false"),
            addresses: Vec::new(),
        })
    };
    devices.iter().filter_map(card).collect()
}

/// What the guest's tools tell of its network cards.
pub(super) fn add_addresses(nics: &mut [Nic], told: &[Element]) {
    for nic in nics {
        let is = |card: &&Element| {
            let mac = card.text_at(&["macAddress"]);
            mac.zip(nic.mac.as_deref()).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        let Some(card) = told.iter().find(is) else { continue };
        let addresses = card.all("ipAddress").map(|address| address.text.clone());
        nic.addresses = addresses.filter(|address| !address.is_empty()).collect();
    }
}

fn key(device: &Element) -> i32 {
    device.text_at(&["key"]).and_then(|key| key.parse().ok()).unwrap_or_default()
}

fn label(device: &Element) -> String {
    device.text_at(&["deviceInfo", "label"]).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices as a vCenter tells them, the second disk's controller first on its bus.
    const DEVICES: &str = r#"<val xsi:type="ArrayOfVirtualDevice">
      <VirtualDevice xsi:type="VirtualLsiLogicController"><key>1000</key><busNumber>1</busNumber><sharedBus>physicalSharing</sharedBus></VirtualDevice>
      <VirtualDevice xsi:type="ParaVirtualSCSIController"><key>1001</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus></VirtualDevice>
      <VirtualDevice xsi:type="VirtualDisk"><key>2000</key><deviceInfo><label>Hard disk 1</label></deviceInfo>
        <backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds] a/a.vmdk</fileName><diskMode>persistent</diskMode><uuid>6000C29</uuid></backing>
        <controllerKey>1000</controllerKey><unitNumber>0</unitNumber><capacityInKB>1048576</capacityInKB></VirtualDevice>
      <VirtualDevice xsi:type="VirtualDisk"><key>2016</key><deviceInfo><label>Hard disk 2</label></deviceInfo>
        <backing xsi:type="VirtualDiskSeSparseBackingInfo"><fileName>[ds] a/b.vmdk</fileName></backing>
        <controllerKey>1001</controllerKey><unitNumber>3</unitNumber><capacityInKB>1</capacityInKB><capacityInBytes>512</capacityInBytes></VirtualDevice>
      <VirtualDevice xsi:type="VirtualVmxnet3"><key>4000</key><deviceInfo><label>Network adapter 1</label></deviceInfo>
        <backing xsi:type="VirtualEthernetCardDistributedVirtualPortBackingInfo"><port><portgroupKey>dvportgroup-13</portgroupKey></port></backing>
        <connectable><startConnected>false</startConnected></connectable><macAddress>00:0C:29:AB:CD:EF</macAddress></VirtualDevice>
    </val>"#;

    #[test]
    fn disks_stand_as_the_guest_sees_them() {
        let devices = Element::parse(DEVICES).unwrap().children;
        let disks = disks(&devices);
        let told: Vec<_> = disks.iter().map(|disk| (disk.key, disk.capacity, disk.place.as_str())).collect();
        assert_eq!(
            told,
            [(2016, 512, "ParaVirtualSCSIController 0:3"), (2000, 1 << 30, "VirtualLsiLogicController 1:0")]
        );
        assert_eq!((disks[0].backing.as_str(), disks[1].backing.as_str()), ("SeSparse", "FlatVer2"));
        assert_eq!((disks[0].shared, disks[1].shared), (false, true));
        assert_eq!((disks[0].volume_size(), disks[0].parents, disks[1].volume_size()), (1, 0, 1));
        let nics = nics(&devices);
        assert_eq!(nics.len(), 1);
        assert_eq!(
            (nics[0].mac.as_deref(), nics[0].network.as_deref()),
            (Some("00:0c:29:ab:cd:ef"), Some("dvportgroup-13"))
        );
        assert!(!nics[0].connected);
    }
}
