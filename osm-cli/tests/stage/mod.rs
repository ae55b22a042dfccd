//! Two clouds on loopback with a tenant, and what must be true of it after a migration.

pub(crate) mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use osm_lab::{Cloud, Counts, Lab, LabOptions, Service};
use osm_migrate::host::LocalHost;
use osm_migrate::{Cancel, ConversionHost, DataDir, HostPair, MigrationOptions, NullSink, WorkloadMigration};
use osm_openstack::compute::Server;
use osm_openstack::{CloudConfig, ConfigSources, Session};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::hash::{HashOptions, hash_disk};
use osm_transfer::transfer::{Advance, Progress};
use tempfile::TempDir;

/// Everything but conversion hosts.
const TENANT: &str = "^(?!os_migrate_conv)";

/// How long a cloud takes for a change of state, when that is not what is tested.
const QUICK: Duration = Duration::from_millis(2);

/// A lab with an exported tenant whose networks, keys and images are in the destination.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) dir: TempDir,
    src: Counts,
    dst: Counts,
}

impl Stage {
    /// The smallest tenant: one server, booted from a volume, with a data volume.
    pub(crate) fn small() -> Self {
        Self::small_and_slow(QUICK)
    }

    /// The same, on clouds that take this long for a change of state.
    pub(crate) fn small_and_slow(delay: Duration) -> Self {
        Self::start(delay, |lab| lab.seed_small_tenant().unwrap())
    }

    /// The smallest tenant and a volume that no server has.
    pub(crate) fn small_with_detached(volume: &str) -> Self {
        Self::start(QUICK, |lab| {
            lab.seed_small_tenant().unwrap();
            lab.seed_detached_volume(volume, 6).unwrap();
        })
    }

    /// Three servers of each kind.
    pub(crate) fn demo() -> Self {
        Self::start(QUICK, |lab| lab.seed_demo_tenant().unwrap())
    }

    fn start(delay: Duration, seed: impl FnOnce(&Lab)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LabOptions::new(dir.path().join("lab"));
        let lab = Lab::start(LabOptions { delay, ..options }).unwrap();
        seed(&lab);
        lab.write_clouds_yaml(&dir.path().join("clouds.yaml")).unwrap();
        let (src, dst) = (lab.src().counts(), lab.dst().counts());
        let stage = Self { lab, dir, src, dst };
        let data = stage.data_dir();
        let data = data.to_str().unwrap();
        stage.succeeds(&["export", "--regex", TENANT, "--data-dir", data, "--src", "src"]);
        stage.succeeds(&["import", "--regex", TENANT, "--data-dir", data, "--dst", "dst"]);
        Self { dst: stage.lab.dst().counts(), ..stage }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `osm-cli` with the clouds of this lab.
    pub(crate) fn osm(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
        command.arg("--clouds").arg(self.dir.path().join("clouds.yaml"));
        command.args(["--output", "json"]).args(words).stdin(Stdio::null());
        // One that is killed cannot take its temporary files along.
        command.env("TMPDIR", self.dir.path());
        command
    }

    /// `osm-cli migrate` of the whole tenant, on this machine.
    pub(crate) fn migrate(&self) -> Command {
        self.work("migrate", &[])
    }

    /// A verb that works on the whole tenant, on this machine.
    pub(crate) fn work(&self, verb: &str, words: &[&str]) -> Command {
        let mut command = self.work_in(&self.data_dir(), verb);
        command.args(words);
        command
    }

    /// The same with another data directory.
    pub(crate) fn work_in(&self, data_dir: &Path, verb: &str) -> Command {
        let host = |cloud: &Cloud| {
            let name = format!("os_migrate_conv_{}", cloud.name());
            format!("local:{name},devices={}", cloud.device_dir(&name).display())
        };
        self.work_by(verb, data_dir, [host(self.lab.src()), host(self.lab.dst())])
    }

    /// `osm-cli migrate` with other conversion hosts.
    pub(crate) fn migrate_by(&self, src_host: &str, dst_host: &str) -> Command {
        self.work_by("migrate", &self.data_dir(), [src_host.to_owned(), dst_host.to_owned()])
    }

    fn work_by(&self, verb: &str, data_dir: &Path, [src_host, dst_host]: [String; 2]) -> Command {
        let mut command = self.osm(&[verb, "--src", "src", "--dst", "dst"]);
        command.arg("--data-dir").arg(data_dir);
        command.args(["--src-host", &src_host, "--dst-host", &dst_host]);
        command
    }

    /// The same as a library call, where one thing may take no longer than `limit`.
    pub(crate) async fn migration(&self, limit: Duration) -> WorkloadMigration {
        let host = |cloud: &Cloud| -> Arc<dyn ConversionHost> {
            let name = format!("os_migrate_conv_{}", cloud.name());
            let devices = Some(cloud.device_dir(&name));
            Arc::new(LocalHost::new(name, devices, env!("CARGO_BIN_EXE_osm-cli")))
        };
        let data_dir = DataDir::new(self.data_dir());
        WorkloadMigration {
            src: self.session("src").await,
            dst: self.session("dst").await,
            hosts: vec![HostPair { src: host(self.lab.src()), dst: host(self.lab.dst()) }],
            state: Arc::new(data_dir.open_state().unwrap()),
            data_dir,
            events: Arc::new(NullSink),
            options: MigrationOptions { timeout: limit, ..MigrationOptions::default() },
            cancel: Cancel::default(),
        }
    }

    /// Replaces text in a workload of `workloads.yml`, as an operator would.
    pub(crate) fn edit(&self, workload: &str, from: &str, to: &str) {
        let path = self.data_dir().join("workloads.yml");
        let text = fs::read_to_string(&path).unwrap();
        let mut entries: Vec<String> = text.split("\n- ").map(str::to_owned).collect();
        let named = format!("\n    name: {workload}\n");
        let entry = entries.iter_mut().find(|entry| entry.contains(&named)).expect("the workload is there");
        assert!(entry.contains(from), "no `{from}` in {entry}");
        *entry = entry.replace(from, to);
        fs::write(&path, entries.join("\n- ")).unwrap();
    }

    pub(crate) fn succeeds(&self, words: &[&str]) -> Vec<serde_json::Value> {
        success(&self.osm(words).output().unwrap())
    }

    pub(crate) async fn session(&self, cloud: &str) -> Session {
        let sources = ConfigSources::file(self.dir.path().join("clouds.yaml"));
        let config = CloudConfig::load(Some(cloud), &sources).unwrap();
        Session::connect(config).await.unwrap()
    }

    pub(crate) async fn server(&self, cloud: &str, name: &str) -> Option<Server> {
        let session = self.session(cloud).await;
        session.compute().await.unwrap().server_by_name(name).await.unwrap()
    }

    /// The volumes of a server by device, root first.
    pub(crate) async fn volumes(&self, cloud: &str, name: &str) -> Vec<String> {
        let session = self.session(cloud).await;
        let compute = session.compute().await.unwrap();
        let server = compute.server_by_name(name).await.unwrap().expect("the server is there");
        let mut attached = compute.attachments(&server.id).await.unwrap();
        attached.sort_by(|one, other| one.device.cmp(&other.device));
        attached.into_iter().map(|attachment| attachment.volume_id).collect()
    }

    /// The server runs in the destination with equal disks, and the source has everything back.
    pub(crate) async fn moved_once(&self, name: &str, source_volumes: &[String]) {
        let there = self.server("dst", name).await.expect("the server is in the destination");
        assert_eq!(there.status, "ACTIVE", "{name}");
        assert_eq!(there.metadata.get("osm_state").map(String::as_str), Some("complete"), "{name}");
        let here = self.server("src", name).await.expect("the source server is still there");
        assert_eq!(here.status, "SHUTOFF", "{name}");
        assert_eq!(self.volumes("src", name).await, source_volumes, "{name} has its volumes back, in order");
        let ours = |key: &&String| {
            key.starts_with("osm_claim_") || ["osm_job", "osm_stopped"].contains(&key.as_str())
        };
        let left: Vec<_> = here.metadata.keys().filter(ours).collect();
        assert!(left.is_empty(), "{name}: {left:?} is left on the source");
    }

    /// The bytes of each source volume are those of the destination volume in its place.
    pub(crate) async fn equal_disks(&self, name: &str, source_volumes: &[String]) {
        let copies = self.volumes("dst", name).await;
        assert_eq!(copies.len(), source_volumes.len(), "{name}");
        for (source, copy) in source_volumes.iter().zip(&copies) {
            let one = hash(&self.lab.src().volume_file(source)).await;
            let other = hash(&self.lab.dst().volume_file(copy)).await;
            assert_eq!(one, other, "{name}: {source} and {copy}");
        }
    }

    /// Nothing is left of the work: `servers` and `volumes` more in the destination, none anywhere else.
    pub(crate) fn no_orphans(&self, servers: usize, volumes: usize, ports: usize, floating_ips: usize) {
        assert_eq!(self.lab.src().counts(), self.src, "the source has what it had");
        let grown = Counts {
            servers: self.dst.servers + servers,
            volumes: self.dst.volumes + volumes,
            ports: self.dst.ports + ports,
            floating_ips: self.dst.floating_ips + floating_ips,
            ..self.dst
        };
        assert_eq!(self.lab.dst().counts(), grown, "the destination has what was moved");
        self.free_hosts();
    }

    /// How many changes the clouds were asked for.
    pub(crate) fn changes(&self) -> usize {
        let of = |cloud: &Cloud| {
            let requests = cloud.requests();
            requests.iter().filter(|it| it.method != "GET" && it.service != Service::Keystone).count()
        };
        of(self.lab.src()) + of(self.lab.dst())
    }

    pub(crate) fn forget_requests(&self) {
        self.lab.src().clear_requests();
        self.lab.dst().clear_requests();
    }

    /// Nothing is attached to a conversion host.
    pub(crate) fn free_hosts(&self) {
        for cloud in [self.lab.src(), self.lab.dst()] {
            let folder = cloud.device_dir(&format!("os_migrate_conv_{}", cloud.name()));
            let left: Vec<_> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(left.is_empty(), "{left:?} in {}", folder.display());
        }
    }

    /// No agent works on the disks of this lab. One whose orchestrator was killed may take a moment.
    pub(crate) fn no_agents(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let left = self.agents();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The command lines of this lab's agents.
    fn agents(&self) -> Vec<String> {
        self.agent_processes().into_iter().map(|(_, line)| line).collect()
    }

    /// Kills this lab's agents; gives how many there were.
    pub(crate) fn kill_agents(&self) -> usize {
        let agents = self.agent_processes();
        for (pid, _) in &agents {
            // One that has ended meanwhile is as good as killed.
            let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
        }
        agents.len()
    }

    /// The process ids and command lines of this lab's agents.
    fn agent_processes(&self) -> Vec<(String, String)> {
        let dir = self.dir.path().to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|entry| {
            let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), line))
        });
        lines.filter(|(_, line)| line.contains("\0agent\0") && line.contains(dir)).collect()
    }

    /// Undoes a migration that ended well: nothing in the destination, the source runs, no state.
    pub(crate) async fn begin_again(&self, name: &str) {
        const LIMIT: Duration = Duration::from_secs(20);
        let volumes = self.volumes("dst", name).await;
        let (src, dst) = (self.session("src").await, self.session("dst").await);
        let (compute, storage) = (dst.compute().await.unwrap(), dst.block_storage().await.unwrap());
        let id = self.lab.dst().server_id(name).unwrap();
        compute.delete_server(&id).await.unwrap();
        compute.wait_server_gone(&id, LIMIT).await.unwrap();
        for volume in &volumes {
            storage.wait_volume(volume, &["available"], LIMIT).await.unwrap();
            storage.delete_volume(volume).await.unwrap();
            storage.wait_volume_gone(volume, LIMIT).await.unwrap();
        }
        let (compute, id) = (src.compute().await.unwrap(), self.lab.src().server_id(name).unwrap());
        compute.start_server(&id).await.unwrap();
        compute.wait_server(&id, "ACTIVE", LIMIT).await.unwrap();
        self.lose_state();
        self.no_orphans(0, 0, 0, 0);
    }

    /// The state store is gone; everything else of the data directory stays.
    pub(crate) fn lose_state(&self) {
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            let gone = fs::remove_file(self.data_dir().join(name));
            assert!(gone.is_ok() || name != "state.db", "there was no state to lose");
        }
    }

    /// The source is exactly what it was before the migration.
    pub(crate) fn source_counts(&self) {
        assert_eq!(self.lab.src().counts(), self.src);
    }
}

/// The JSON lines of a command that succeeded.
pub(crate) fn success(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}\n{}", output.status, text(output));
    lines(output)
}

/// The JSON lines of a command.
pub(crate) fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

/// What a command said, for messages.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

struct Nobody;

impl Progress for Nobody {
    fn advance(&self, _: Advance) {}
}

/// The root of a disk's hash, in hex.
pub(crate) async fn hash(path: &Path) -> String {
    let endpoint = Endpoint::File(path.to_owned());
    let source = endpoint.open_source(&OpenOptions::default()).await.unwrap();
    hash_disk(&source, &HashOptions::default(), Arc::new(Nobody)).await.unwrap().root.to_string()
}
