//! What a machine is made of.

use std::path::PathBuf;

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It does not.
    Off,
}

impl Power {
    /// As vSphere writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::On => "poweredOn",
            Self::Off => "poweredOff",
        }
    }
}

/// How a disk is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskKind {
    /// A descriptor and a flat file, which `/folder` serves.
    #[default]
    Flat,
    /// Space-efficient sparse.
    SeSparse,
    /// The sparse format of hosted products.
    Sparse,
    /// A raw device mapped in virtual mode.
    RdmVirtual,
    /// A raw device mapped in physical mode: no snapshots, no change tracking.
    RdmPhysical,
    /// The old flat format, which knows no change tracking.
    FlatVer1,
}

/// A machine to be; start from [`MachineSeed::new`].
#[derive(Debug, Clone)]
pub struct MachineSeed {
    /// Its name.
    pub name: String,
    /// The inventory folder below `DC0/vm` that it is in, `a/b` for one in another; empty for none.
    pub folder: String,
    /// What vSphere calls its guest: `debian12_64Guest`.
    pub guest_id: String,
    /// The same for people.
    pub guest_full_name: String,
    /// Whether its firmware is EFI; BIOS, when not.
    pub efi: bool,
    /// Whether it starts only what is signed.
    pub secure_boot: bool,
    /// Virtual processors.
    pub cpus: u32,
    /// MiB of memory.
    pub memory_mib: u64,
    /// The version of its hardware: `vmx-19`.
    pub hw_version: String,
    /// Whether it runs.
    pub powered_on: bool,
    /// Whether VMware Tools run when it does.
    pub tools_running: bool,
    /// Whether its changes are tracked.
    pub tracking: bool,
    /// Its disks.
    pub disks: Vec<DiskSeed>,
    /// Its network cards.
    pub nics: Vec<NicSeed>,
    /// The id that the vCenter knows it by; a fresh one, when absent.
    pub instance_uuid: Option<String>,
}

impl MachineSeed {
    /// A running Linux machine with one disk of 64 MiB, key 2000, one card on `VM Network`, and its changes tracked.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        // The same name gets the same address.
        let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let [_, a, b, c] = sum.to_be_bytes();
        Self {
            name,
            folder: String::new(),
            guest_id: "debian12_64Guest".to_owned(),
            guest_full_name: "Debian GNU/Linux 12 (64-bit)".to_owned(),
            efi: false,
            secure_boot: false,
            cpus: 2,
            memory_mib: 2048,
            hw_version: "vmx-19".to_owned(),
            powered_on: true,
            tools_running: true,
            tracking: true,
            disks: vec![DiskSeed::new(2000, 64 << 20)],
            nics: vec![NicSeed::new(format!("00:50:56:{:02x}:{b:02x}:{c:02x}", a & 0x3f), "VM Network")],
            instance_uuid: None,
        }
    }
}

/// A disk to be; start from [`DiskSeed::new`].
#[derive(Debug, Clone)]
pub struct DiskSeed {
    /// Its key within the machine; the first of the first controller is 2000.
    pub key: i32,
    /// Bytes.
    pub capacity: u64,
    /// `persistent`, or `independent_persistent` for one that snapshots leave out.
    pub mode: String,
    /// `sharingMultiWriter` for one that other machines have, too.
    pub sharing: Option<String>,
    /// How it is kept.
    pub kind: DiskKind,
    /// The datastore that it is on.
    pub datastore: String,
    /// A file that it begins as a copy of, no longer than its capacity; what is no hole in it counts as written.
    pub file: Option<PathBuf>,
    /// What is on it besides: offsets and bytes. Counts as written.
    pub bytes: Vec<(u64, Vec<u8>)>,
}

impl DiskSeed {
    /// An empty flat disk on the datastore `ds`.
    pub fn new(key: i32, capacity: u64) -> Self {
        Self {
            key,
            capacity,
            mode: "persistent".to_owned(),
            sharing: None,
            kind: DiskKind::Flat,
            datastore: "ds".to_owned(),
            file: None,
            bytes: Vec::new(),
        }
    }

    /// The same as a copy of a file.
    #[must_use]
    pub fn from_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The same with these bytes at this offset.
    #[must_use]
    pub fn with(mut self, offset: u64, bytes: impl Into<Vec<u8>>) -> Self {
        self.bytes.push((offset, bytes.into()));
        self
    }
}

/// A network card to be; start from [`NicSeed::new`].
#[derive(Debug, Clone)]
pub struct NicSeed {
    /// Its MAC address.
    pub mac: String,
    /// The network that it is on; made when there is none of that name.
    pub network: String,
    /// Its type: `VirtualVmxnet3`, `VirtualE1000e`.
    pub kind: String,
    /// The addresses that Tools tell of, with the lengths of their prefixes.
    pub ips: Vec<(String, u8)>,
}

impl NicSeed {
    /// A vmxnet3 card whose addresses nobody knows.
    pub fn new(mac: impl Into<String>, network: impl Into<String>) -> Self {
        Self { mac: mac.into(), network: network.into(), kind: "VirtualVmxnet3".to_owned(), ips: Vec::new() }
    }
}
