//! A vCenter and a cloud on loopback, and what must be true of a machine's volumes.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use osm_lab::vcenter::{Call, DiskSeed, MachineSeed, NicSeed, Power, VCenter, VCenterOptions};
use osm_lab::{Lab, LabOptions};
use osm_openstack::block_storage::{Filter, Volume};
use osm_openstack::{CloudConfig, ConfigSources, Session};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// The machine's first disk, and its second.
pub(crate) const BOOT: i32 = 2000;
pub(crate) const DATA: i32 = 2001;

pub(crate) struct Stage {
    pub(crate) vcenter: VCenter,
    pub(crate) lab: Lab,
    pub(crate) dir: TempDir,
}

/// `app01`: a Linux machine with a boot disk of 24 MiB and a data disk of 12 MiB, with bytes on both.
pub(crate) fn app01() -> MachineSeed {
    machine("app01")
}

pub(crate) fn machine(name: &str) -> MachineSeed {
    let boot = DiskSeed::new(BOOT, 24 * MIB)
        .with(0, noise(1, 3 * MIB))
        .with(9 * MIB + 512, noise(2, MIB))
        .with(24 * MIB - 4096, noise(3, 4096));
    let data = DiskSeed::new(DATA, 12 * MIB).with(MIB, noise(4, 2 * MIB));
    let mut nic = NicSeed::new("00:50:56:01:02:03", "VM Network");
    nic.ips = vec![("192.168.50.77".to_owned(), 24)];
    MachineSeed {
        disks: vec![boot, data],
        nics: vec![nic],
        cpus: 1,
        memory_mib: 256,
        ..MachineSeed::new(name)
    }
}

/// The same as a Windows machine.
pub(crate) fn windows() -> MachineSeed {
    MachineSeed {
        guest_id: "windows2019srv_64Guest".to_owned(),
        guest_full_name: "Microsoft Windows Server 2019 (64-bit)".to_owned(),
        efi: true,
        ..app01()
    }
}

/// Bytes that are no zeroes, always the same for a seed.
pub(crate) fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len.div_ceil(8))
        .flat_map(|_| (next() | 1).to_le_bytes())
        .take(usize::try_from(len).unwrap())
        .collect()
}

impl Stage {
    /// A vCenter with these machines, and a cloud with a network and a conversion host; the inventory is taken.
    pub(crate) fn new(machines: impl IntoIterator<Item = MachineSeed>) -> Self {
        Self::with(|options| options, machines)
    }

    pub(crate) fn with(
        adjust: impl FnOnce(VCenterOptions) -> VCenterOptions,
        machines: impl IntoIterator<Item = MachineSeed>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LabOptions::new(dir.path().join("lab"));
        let lab = Lab::start(LabOptions { delay: Duration::from_millis(2), ..options }).unwrap();
        lab.seed_small_tenant().unwrap();
        lab.write_clouds_yaml(&dir.path().join("clouds.yaml")).unwrap();
        let options = VCenterOptions::new(dir.path().join("vcenter"));
        let vcenter = VCenter::start(adjust(options)).unwrap();
        for machine in machines {
            vcenter.add_machine(machine).unwrap();
        }
        vcenter.write_ca(&dir.path().join("ca.pem")).unwrap();
        fs::write(dir.path().join("password"), VCenter::PASSWORD).unwrap();
        let stage = Self { vcenter, lab, dir };
        let data = stage.data_dir();
        let data = data.to_str().unwrap();
        let kinds = ["networks", "subnets"];
        stage.osm_succeeds(&[&["export"], &kinds[..], &["--data-dir", data, "--src", "src"]].concat());
        stage.osm_succeeds(&[&["import"], &kinds[..], &["--data-dir", data, "--dst", "dst"]].concat());
        stage.inventory();
        stage.edit("network: null", "network: small-net");
        stage.vcenter.clear_calls();
        stage
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `osm-cli` with the cloud of this lab.
    pub(crate) fn osm(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
        command.arg("--clouds").arg(self.dir.path().join("clouds.yaml"));
        command.args(["--output", "json"]).args(words).stdin(Stdio::null());
        command.env("TMPDIR", self.dir.path());
        command
    }

    fn osm_succeeds(&self, words: &[&str]) -> Vec<Value> {
        success(&self.osm(words).output().unwrap())
    }

    /// `osm-cli vmware VERB` with the vCenter of this stage.
    pub(crate) fn vmware(&self, verb: &str, words: &[&str]) -> Command {
        let mut command = self.osm(&["vmware", verb]);
        command.args(["--server", &self.vcenter.url(), "--user", VCenter::USER]);
        command.arg("--password-file").arg(self.dir.path().join("password"));
        command.arg("--ca").arg(self.dir.path().join("ca.pem"));
        command.arg("--data-dir").arg(self.data_dir());
        command.args(words);
        command
    }

    pub(crate) fn inventory(&self) -> Vec<Value> {
        success(&self.vmware("inventory", &[]).output().unwrap())
    }

    /// The same for a verb that works on machines, whose disks are read from their datastores.
    pub(crate) fn work(&self, verb: &str, words: &[&str]) -> Command {
        self.work_by("datastore", verb, words)
    }

    /// The same, with disks that are read in another way.
    pub(crate) fn work_by(&self, way: &str, verb: &str, words: &[&str]) -> Command {
        let devices = self.lab.dst().device_dir("os_migrate_conv_dst");
        let host = format!("local:os_migrate_conv_dst,devices={}", devices.display());
        let mut command = self.vmware(verb, &["--dst", "dst", "--dst-host", &host, "--read-by", way]);
        command.args(words);
        if !words.contains(&"--convert") {
            command.args(["--convert", "none"]);
        }
        command
    }

    pub(crate) fn succeeds(&self, verb: &str, words: &[&str]) -> Vec<Value> {
        success(&self.work(verb, words).output().unwrap())
    }

    /// A verb that fails; what it said, with everything that is in its events.
    pub(crate) fn fails(&self, verb: &str, words: &[&str]) -> String {
        let output = self.work(verb, words).output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
        text(&output)
    }

    /// Starts a verb, to be killed.
    pub(crate) fn start(&self, verb: &str, words: &[&str]) -> Child {
        self.work(verb, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Replaces text in the plan, as an operator would.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.data_dir().join("machines.yml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no `{from}` in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// The reference of a machine.
    pub(crate) fn vm(&self, name: &str) -> String {
        let machines = self.inventory();
        let found = machines.iter().find(|machine| machine["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["moref"].as_str().unwrap().to_owned()
    }

    pub(crate) fn guest_write(&self, vm: &str, key: i32, offset: u64, bytes: &[u8]) {
        assert!(self.vcenter.guest_write(vm, key, offset, bytes).unwrap(), "the guest runs");
    }

    pub(crate) async fn session(&self) -> Session {
        let sources = ConfigSources::file(self.dir.path().join("clouds.yaml"));
        Session::connect(CloudConfig::load(Some("dst"), &sources).unwrap()).await.unwrap()
    }

    /// The volumes of a name.
    pub(crate) async fn volumes(&self, name: &str) -> Vec<Volume> {
        let storage = self.session().await.block_storage().await.unwrap();
        storage.volumes(&Filter::named(name)).await.unwrap()
    }

    /// The one volume of a name.
    pub(crate) async fn volume(&self, name: &str) -> Volume {
        let mut volumes = self.volumes(name).await;
        assert_eq!(volumes.len(), 1, "{name}");
        volumes.remove(0)
    }

    pub(crate) async fn metadata(&self, name: &str) -> BTreeMap<String, String> {
        self.volume(name).await.metadata
    }

    pub(crate) async fn set_metadata(&self, name: &str, key: &str, value: &str) {
        let volume = self.volume(name).await;
        let storage = self.session().await.block_storage().await.unwrap();
        let metadata = [(key.to_owned(), value.to_owned())].into();
        storage.update_metadata(&volume.id, &metadata).await.unwrap();
    }

    /// The volume of a disk holds what its last snapshot froze.
    pub(crate) async fn holds_last_snapshot(&self, vm: &str, machine: &str, key: i32) {
        let frozen = self.vcenter.last_frozen(vm, key).expect("a snapshot was taken");
        self.holds(machine, key, &frozen).await;
    }

    /// The volume of a disk holds what is in a file.
    pub(crate) async fn holds(&self, machine: &str, key: i32, file: &Path) {
        let volume = self.volume(&format!("{machine}-{key}")).await;
        let copy = self.lab.dst().volume_file(&volume.id);
        if let Some(at) = first_difference(file, &copy) {
            panic!("{machine}-{key} differs from {} at byte {at}", file.display());
        }
    }

    /// Bytes of a volume.
    pub(crate) async fn read(&self, machine: &str, key: i32, offset: u64, len: usize) -> Vec<u8> {
        let volume = self.volume(&format!("{machine}-{key}")).await;
        let mut bytes = vec![0; len];
        File::open(self.lab.dst().volume_file(&volume.id))
            .unwrap()
            .read_exact_at(&mut bytes, offset)
            .unwrap();
        bytes
    }

    /// No snapshot is on a machine, and nothing attached to the conversion host.
    pub(crate) fn at_rest(&self, vm: &str) {
        assert_eq!(self.vcenter.snapshots(vm), [], "no snapshot is left");
        let devices = self.lab.dst().device_dir("os_migrate_conv_dst");
        let left: Vec<_> = fs::read_dir(devices).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?} is attached");
    }

    pub(crate) fn runs(&self, vm: &str) -> bool {
        self.vcenter.power_state(vm) == Power::On
    }

    /// The calls of a method so far.
    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        self.vcenter.calls().into_iter().filter(|call| call.method == method).collect()
    }

    /// The places of methods in what was called.
    pub(crate) fn order(&self, methods: &[&str]) -> Vec<String> {
        let calls = self.vcenter.calls().into_iter().map(|call| call.method);
        calls.filter(|method| methods.contains(&method.as_str())).collect()
    }

    /// A guest's power was never touched.
    pub(crate) fn power_untouched(&self) {
        assert_eq!(self.order(&["ShutdownGuest", "PowerOffVM_Task", "PowerOnVM_Task"]), Vec::<String>::new());
    }
}

/// The first byte where a file differs from the beginning of another.
fn first_difference(file: &Path, copy: &Path) -> Option<u64> {
    let (one, other) = (File::open(file).unwrap(), File::open(copy).unwrap());
    let size = one.metadata().unwrap().len();
    let piece = usize::try_from(MIB).unwrap();
    let (mut a, mut b) = (vec![0; piece], vec![0; piece]);
    let mut at = 0;
    while at < size {
        let len = usize::try_from((size - at).min(MIB)).unwrap();
        one.read_exact_at(&mut a[..len], at).unwrap();
        other.read_exact_at(&mut b[..len], at).unwrap();
        if a[..len] != b[..len] {
            return (0..len).find(|index| a[*index] != b[*index]).map(|differs| at + differs as u64);
        }
        at += len as u64;
    }
    None
}

/// The JSON lines of a command that succeeded.
pub(crate) fn success(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}\n{}", output.status, text(output));
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

/// What a command said.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The events of a kind.
pub(crate) fn events<'e>(lines: &'e [Value], event: &str) -> Vec<&'e Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// Bytes that a run read from vSphere, by its last pass.
pub(crate) fn copied(lines: &[Value]) -> u64 {
    events(lines, "pass_done").last().expect("there was a pass")["copied"].as_u64().unwrap()
}

/// Warnings, as one text.
pub(crate) fn warnings(lines: &[Value]) -> String {
    events(lines, "warning").iter().map(|line| line["message"].as_str().unwrap().to_owned() + "\n").collect()
}
