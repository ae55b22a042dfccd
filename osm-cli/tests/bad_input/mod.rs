//! What the tests of bad input share: a lab, and `osm-cli` as an operator runs it.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use osm_lab::{Cloud, Lab, LabOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Two clouds and a folder.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) dir: TempDir,
}

impl Bench {
    /// Two clouds without a tenant's things.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabOptions::new(dir.path().join("lab"))).unwrap();
        lab.write_clouds_yaml(&dir.path().join("clouds.yaml")).unwrap();
        Self { lab, dir }
    }

    /// The source has a network, a subnet and a server.
    pub(crate) fn small() -> Self {
        let bench = Self::empty();
        bench.lab.seed_small_tenant().unwrap();
        bench
    }

    /// The destination may be filled from these files: two networks, a subnet in each, a keypair.
    pub(crate) fn with_files() -> Self {
        let bench = Self::empty();
        bench.write("networks.yml", &resources(&[network("front"), network("back")]));
        bench.write(
            "subnets.yml",
            &resources(&[
                subnet("front-subnet", "front", "10.10.1"),
                subnet("back-subnet", "back", "10.10.2"),
            ]),
        );
        bench.write("keypairs.yml", &resources(&[keypair("demo-key", "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDA")]));
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a resource file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.data()).unwrap();
        fs::write(self.data().join(name), text).unwrap();
    }

    /// Replaces all of a text in a resource file.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.data().join(name)).unwrap();
        assert!(text.contains(from), "no `{from}` in {name}");
        fs::write(self.data().join(name), text.replace(from, to)).unwrap();
    }

    /// Replaces all of a text in clouds.yaml.
    pub(crate) fn edit_clouds(&self, from: &str, to: &str) {
        let path = self.path("clouds.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no `{from}` in clouds.yaml");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// `osm-cli` with the clouds of this lab.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
        command.arg("--clouds").arg(self.path("clouds.yaml")).args(words);
        // What the operator of this test run has set is not part of the test.
        for name in ["OSM_OUTPUT", "OSM_DATA_DIR", "OSM_LOG"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(&self.command(words).output().unwrap())
    }

    pub(crate) fn export(&self, words: &[&str]) -> Said {
        Said::of(&self.exporting(words).output().unwrap())
    }

    pub(crate) fn import(&self, words: &[&str]) -> Said {
        Said::of(&self.importing(words).output().unwrap())
    }

    pub(crate) fn exporting(&self, words: &[&str]) -> Command {
        let mut command = self.command(&["export", "--src", "src"]);
        command.arg("--data-dir").arg(self.data()).args(words);
        command
    }

    pub(crate) fn importing(&self, words: &[&str]) -> Command {
        let mut command = self.command(&["import", "--dst", "dst"]);
        command.arg("--data-dir").arg(self.data()).args(words);
        command
    }

    /// Nothing was asked of the source but to show what it has.
    pub(crate) fn source_is_untouched(&self) {
        only_read(self.lab.src());
    }
}

/// Nothing was asked of this cloud but to show what it has.
pub(crate) fn only_read(cloud: &Cloud) {
    for request in cloud.requests() {
        let login = request.method == "POST" && request.path.ends_with("/auth/tokens");
        assert!(login || request.method == "GET", "{request:?}");
    }
}

/// How often a cloud was asked this.
pub(crate) fn asked(cloud: &Cloud, method: &str, path: &str) -> usize {
    let fits = |request: &&osm_lab::RecordedRequest| request.method == method && request.path.contains(path);
    cloud.requests().iter().filter(fits).count()
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// One line of standard error, `osm-cli: ...`, says all of it.
    #[track_caller]
    pub(crate) fn one_message(&self, parts: &[&str]) {
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(self.err.starts_with("osm-cli: "), "{}", self.err);
        has(&self.err, parts);
        assert!(!self.err.contains("demo-secret"), "{}", self.err);
    }

    /// One line of standard output says all of it.
    #[track_caller]
    pub(crate) fn one_line(&self, parts: &[&str]) {
        let fitting = self.out.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
        assert_eq!(fitting, 1, "{parts:?} in\n{}", self.out);
    }

    /// The JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        self.out.lines().map(parse).collect()
    }

    /// The last JSON line, which is the summary.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        let last = self.lines().pop().unwrap_or_default();
        assert_eq!(last["event"], "summary", "{}\n{}", self.out, self.err);
        last
    }

    /// The only JSON line, which is the error.
    #[track_caller]
    pub(crate) fn error_line(&self, code: i32) -> Value {
        let errors: Vec<Value> = self.lines().into_iter().filter(|line| line["event"] == "error").collect();
        assert_eq!(errors.len(), 1, "{}", self.out);
        assert_eq!((self.code, &errors[0]["exit_code"]), (Some(code), &Value::from(code)), "{}", self.out);
        assert_eq!(self.lines().last(), Some(&errors[0]), "the error is the last line: {}", self.out);
        errors[0].clone()
    }
}

#[track_caller]
pub(crate) fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

/// A running `osm-cli` whose events can be waited for.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    seen: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.args(["--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, seen: String::new() }
    }

    /// Returns once a line with all these texts was printed.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, parts: &[&str]) {
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it ended before {parts:?}: {}", self.seen);
            self.seen.push_str(&line);
            if parts.iter().all(|part| line.contains(part)) {
                return;
            }
        }
    }

    /// What Ctrl-C does.
    pub(crate) fn interrupt(mut self) -> Said {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.out.read_to_string(&mut self.seen).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Said { out: self.seen, ..Said::of(&output) }
    }
}

/// The text of a resource file.
pub(crate) fn resources(resources: &[String]) -> String {
    format!("os_migrate_version: 1.0.5\nresources:\n{}", resources.concat())
}

/// A network of a resource file.
pub(crate) fn network(name: &str) -> String {
    format!(
        "- _info:
    availability_zones: []
    created_at: null
    id: id-of-{name}
    project_id: p
    qos_policy_id: null
    revision_number: 1
    status: ACTIVE
    subnet_ids: []
    updated_at: null
  _migration_params: {{}}
  params:
    availability_zone_hints: []
    description: ''
    dns_domain: null
    is_admin_state_up: true
    is_default: null
    is_port_security_enabled: true
    is_router_external: false
    is_shared: false
    is_vlan_transparent: null
    mtu: 1450
    name: {name}
    provider_network_type: null
    provider_physical_network: null
    provider_segmentation_id: null
    qos_policy_ref: null
    segments: null
    tags: []
  type: openstack.network.Network
"
    )
}

/// A subnet of a resource file; `block` is the first three numbers of its addresses.
pub(crate) fn subnet(name: &str, network: &str, block: &str) -> String {
    format!(
        "- _info:
    created_at: null
    id: id-of-{name}
    network_id: n
    prefix_length: null
    project_id: p
    revision_number: 0
    segment_id: null
    subnet_pool_id: null
    updated_at: null
  _migration_params: {{}}
  params:
    allocation_pools:
    - end: {block}.254
      start: {block}.2
    cidr: {block}.0/24
    description: ''
    dns_nameservers: []
    gateway_ip: {block}.1
    host_routes: []
    ip_version: 4
    ipv6_address_mode: null
    ipv6_ra_mode: null
    is_dhcp_enabled: false
    name: {name}
    network_ref:
      domain_name: '%auth%'
      name: {network}
      project_name: '%auth%'
    segment_ref: null
    service_types: []
    subnet_pool_ref: null
    tags: []
    use_default_subnet_pool: null
  type: openstack.subnet.Subnet
"
    )
}

/// A keypair of a resource file.
pub(crate) fn keypair(name: &str, key: &str) -> String {
    format!(
        "- _info:
    created_at: null
    fingerprint: f
    id: {name}
    is_deleted: false
    user_id: u
  _migration_params: {{}}
  params:
    name: {name}
    public_key: ssh-rsa {key} demo@example.org
    type: ssh
    user_ref:
      domain_name: '%auth%'
      name: '%auth%'
      project_name: null
  type: openstack.compute.Keypair
"
    )
}

/// The names of the files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
