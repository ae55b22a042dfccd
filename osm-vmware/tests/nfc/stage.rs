//! A vCenter of the lab with a running machine, and a session with it.

use std::path::PathBuf;
use std::time::Duration;

use osm_lab::nfc::NfcServer;
use osm_lab::vcenter::{DiskSeed, MachineSeed, VCenter, VCenterOptions};
use osm_transfer::block::{BlockSource, Buffer};
use osm_vmware::{Moref, NfcDisk, NfcOptions, Session, SessionConfig, Snapshot, VirtualDisk};
use tempfile::TempDir;

/// Not a whole number of anything but sectors.
pub(crate) const CAPACITY: u64 = (9 << 20) + 3 * 512;

pub(crate) const KEY: i32 = 2000;

pub(crate) struct Stage {
    pub(crate) vcenter: VCenter,
    pub(crate) session: Session,
    pub(crate) machine: Moref,
    _dir: TempDir,
}

/// Bytes that look like none others, and no sector of which is zero.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Patient enough for a busy machine, and quick when something is wrong.
pub(crate) fn options() -> NfcOptions {
    NfcOptions { timeout: Duration::from_secs(10), pause: Duration::from_millis(10), ..NfcOptions::default() }
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut VCenterOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = VCenterOptions::new(dir.path());
        options.task_time = Duration::from_millis(1);
        change(&mut options);
        let vcenter = VCenter::start(options).unwrap();
        let mut seed = MachineSeed::new("app");
        let disk = DiskSeed::new(KEY, CAPACITY).with(0, noise(1, 700_000)).with(5 << 20, noise(2, 300_001));
        seed.disks = vec![disk.with(CAPACITY - 512, noise(3, 512))];
        let machine = Moref::new("VirtualMachine", vcenter.add_machine(seed).unwrap());
        let session = Session::connect(SessionConfig {
            server: vcenter.url(),
            user: VCenter::USER.to_owned(),
            password: VCenter::PASSWORD.to_owned().into(),
            authorities: Some(vcenter.ca_pem().to_owned()),
            thumbprint: None,
        });
        Self { session: session.await.unwrap(), vcenter, machine, _dir: dir }
    }

    pub(crate) fn nfc(&self) -> &NfcServer {
        self.vcenter.nfc().unwrap()
    }

    /// A snapshot, after which the guest goes on writing.
    pub(crate) async fn snapshot(&self) -> (Snapshot, VirtualDisk, PathBuf) {
        let snapshot = self.session.take_snapshot(&self.machine, "osm", "", false).await.unwrap();
        let disk = snapshot.disks[0].disk.clone();
        let frozen = self.vcenter.last_frozen(&self.machine.value, KEY).unwrap();
        self.write(100_000, &noise(4, 9000));
        (snapshot, disk, frozen)
    }

    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        assert!(self.vcenter.guest_write(&self.machine.value, KEY, offset, bytes).unwrap());
    }

    /// A disk of a fresh snapshot, and what it froze.
    pub(crate) async fn frozen(&self, options: NfcOptions) -> (NfcDisk, Vec<u8>) {
        let (_, disk, frozen) = self.snapshot().await;
        let disk = NfcDisk::open(&self.session, &self.machine, &disk, options).await.unwrap();
        (disk, std::fs::read(frozen).unwrap())
    }
}

/// All bytes of a disk, by requests of this size.
pub(crate) async fn all(disk: &NfcDisk, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < disk.size() {
        let rest = usize::try_from(disk.size()).unwrap() - bytes.len();
        let read = disk.read(bytes.len() as u64, Buffer::zeroed(rest.min(size))).await.unwrap();
        bytes.extend_from_slice(&read);
    }
    bytes
}
