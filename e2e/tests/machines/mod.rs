//! A cloud on loopback beside a vSphere, and `osm-cli vmware` from one to the other.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use osm_lab::{Lab, LabOptions};
use osm_openstack::block_storage::{Filter, Volume};
use osm_openstack::{CloudConfig, ConfigSources, Session};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// A machine's first disk, and its second.
pub(crate) const BOOT: i32 = 2000;
pub(crate) const DATA: i32 = 2001;

/// How a vSphere is reached.
#[derive(Debug, Clone)]
pub(crate) struct Vsphere {
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) authority: String,
}

impl Vsphere {
    /// A client that knows it.
    pub(crate) fn http(&self) -> reqwest::Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }
}

pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) vsphere: Vsphere,
    pub(crate) dir: TempDir,
}

impl Stage {
    /// A cloud with a network and a conversion host; the inventory is taken.
    pub(crate) fn new(dir: TempDir, vsphere: Vsphere) -> Self {
        let options = LabOptions::new(dir.path().join("lab"));
        let lab = Lab::start(LabOptions { delay: Duration::from_millis(2), ..options }).unwrap();
        lab.seed_small_tenant().unwrap();
        lab.write_clouds_yaml(&dir.path().join("clouds.yaml")).unwrap();
        fs::write(dir.path().join("ca.pem"), &vsphere.authority).unwrap();
        fs::write(dir.path().join("password"), &vsphere.password).unwrap();
        for folder in ["tmp", "home"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let stage = Self { lab, vsphere, dir };
        let data = stage.data_dir();
        for (verb, cloud) in [("export", "--src=src"), ("import", "--dst=dst")] {
            let words = [verb, "networks", "subnets", cloud, "--data-dir"];
            success(&stage.osm(&words).arg(&data).output().unwrap());
        }
        stage.inventory();
        let plan = data.join("machines.yml");
        let text = fs::read_to_string(&plan).unwrap();
        assert!(text.contains(" network: null"), "{text}");
        fs::write(&plan, text.replace(" network: null", " network: small-net")).unwrap();
        stage
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn osm(&self, words: &[&str]) -> Command {
        let mut command = Command::new(osm_e2e::osm_cli().unwrap());
        command.arg("--clouds").arg(self.dir.path().join("clouds.yaml"));
        command.args(["--output", "json"]).args(words).stdin(Stdio::null());
        command.env("TMPDIR", self.dir.path().join("tmp")).env("HOME", self.dir.path().join("home"));
        command
    }

    fn vmware(&self, verb: &str) -> Command {
        let mut command = self.osm(&["vmware", verb, "--server", &self.vsphere.url]);
        command.args(["--user", &self.vsphere.user]);
        command.arg("--password-file").arg(self.dir.path().join("password"));
        command.arg("--ca").arg(self.dir.path().join("ca.pem"));
        command.arg("--data-dir").arg(self.data_dir());
        command
    }

    pub(crate) fn inventory(&self) -> Vec<Value> {
        success(&self.vmware("inventory").output().unwrap())
    }

    /// A machine of the inventory.
    pub(crate) fn machine(&self, name: &str) -> Value {
        let found = self.inventory().into_iter().find(|machine| machine["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    /// A verb that works on machines.
    pub(crate) fn work(&self, verb: &str, words: &[&str]) -> Command {
        let devices = self.lab.dst().device_dir("os_migrate_conv_dst");
        let host = format!("local:os_migrate_conv_dst,devices={}", devices.display());
        let mut command = self.vmware(verb);
        command.args(["--dst", "dst", "--dst-host", &host, "--read-by", "datastore", "--convert", "none"]);
        command.args(words);
        command
    }

    pub(crate) fn succeeds(&self, verb: &str, words: &[&str]) -> Vec<Value> {
        success(&self.work(verb, words).output().unwrap())
    }

    /// A verb that fails; what it said.
    pub(crate) fn fails(&self, verb: &str, words: &[&str]) -> String {
        let output = self.work(verb, words).output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
        text(&output)
    }

    async fn session(&self) -> Session {
        let sources = ConfigSources::file(self.dir.path().join("clouds.yaml"));
        Session::connect(CloudConfig::load(Some("dst"), &sources).unwrap()).await.unwrap()
    }

    /// The one volume of a name.
    pub(crate) async fn volume(&self, name: &str) -> Volume {
        let storage = self.session().await.block_storage().await.unwrap();
        let mut volumes = storage.volumes(&Filter::named(name)).await.unwrap();
        assert_eq!(volumes.len(), 1, "{name}");
        volumes.remove(0)
    }

    pub(crate) async fn metadata(&self, name: &str) -> BTreeMap<String, String> {
        self.volume(name).await.metadata
    }

    pub(crate) async fn set_metadata(&self, name: &str, key: &str, value: &str) {
        let volume = self.volume(name).await;
        let storage = self.session().await.block_storage().await.unwrap();
        storage.update_metadata(&volume.id, &[(key.to_owned(), value.to_owned())].into()).await.unwrap();
    }

    pub(crate) async fn server_status(&self, name: &str) -> Option<String> {
        let compute = self.session().await.compute().await.unwrap();
        compute.server_by_name(name).await.unwrap().map(|server| server.status)
    }

    /// A volume holds what is in a file.
    pub(crate) async fn holds(&self, volume: &str, file: &Path) {
        let copy = self.lab.dst().volume_file(&self.volume(volume).await.id);
        if let Some(at) = first_difference(file, &copy) {
            panic!("{volume} differs from {} at byte {at}", file.display());
        }
    }
}

/// The first byte where a file differs from the beginning of another.
fn first_difference(file: &Path, copy: &Path) -> Option<u64> {
    let (one, other) = (File::open(file).unwrap(), File::open(copy).unwrap());
    let size = one.metadata().unwrap().len();
    assert!(size > 0, "{} is empty", file.display());
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for at in (0..size).step_by(1 << 20) {
        let len = usize::try_from((size - at).min(MIB)).unwrap();
        one.read_exact_at(&mut a[..len], at).unwrap();
        other.read_exact_at(&mut b[..len], at).unwrap();
        if let Some(differs) = (0..len).find(|index| a[*index] != b[*index]) {
            return Some(at + differs as u64);
        }
    }
    None
}

/// Numbers that look like chance, and are always the same for a seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of the numbers below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    /// Bytes that are no zeroes.
    pub(crate) fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap() + 8);
        while (bytes.len() as u64) < len {
            bytes.extend((self.next() | 1).to_le_bytes());
        }
        bytes.truncate(usize::try_from(len).unwrap());
        bytes
    }
}

/// The JSON lines of a command that succeeded.
pub(crate) fn success(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}\n{}", output.status, text(output));
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
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
