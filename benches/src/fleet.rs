//! Whole moves, beside how OS Migrate moves the same disks, on two clouds of the lab.
//!
//! - `copy`: four servers with three volumes each, through conversion hosts behind a real sshd, beside
//!   `qemu-img convert` of one volume after the other, each through an SSH forward of its own.
//! - `downtime`: from the stop of the source to the running server, seeded and with a hundredth changed since,
//!   beside a cold move of the same server.
//! - `control`: two hundred servers with next to no data, on clouds that answer after 20 ms.

mod downtime;
mod peer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use osm_lab::{Fault, FaultKind, Lab, LabOptions, Quotas, Service};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::measure::{self, Run};
use crate::results::{RawFile, Row, Spread};
use crate::table::Sshd;

/// Servers, volumes of each, and MiB of bytes in each volume of one GiB.
const FLEET: (usize, usize, u64) = (4, 3, 300);

/// How many servers the control plane is measured with.
const MANY: usize = 200;

/// How many kinds of requests are told.
const SHOWN: usize = 24;

/// How long a cloud takes to answer.
const LATENCY: Duration = Duration::from_millis(20);

pub(crate) fn run(arguments: &mut Arguments) -> Result<()> {
    let rounds = arguments.option("rounds")?.unwrap_or(5);
    let cases: String = arguments.option("cases")?.unwrap_or_else(|| "copy,downtime,control".to_owned());
    let ours: PathBuf = match arguments.option("ours")? {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("osm-cli"),
    };
    let dir: PathBuf = arguments.option("dir")?.unwrap_or_else(|| PathBuf::from("/dev/shm"));
    let [] = arguments.words()?;
    ensure!(ours.exists(), "no {}: cargo build --release -p osm-cli", ours.display());
    for case in cases.split(',') {
        match case {
            "copy" => copy(&ours, &dir, rounds)?,
            "downtime" => downtime::run(&ours, &dir, rounds)?,
            "control" => control(&ours, &dir)?,
            other => bail!("there is no case {other}: copy, downtime, control"),
        }
    }
    Ok(())
}

/// Two clouds with servers that are exported and whose networks are there, and a conversion host in each.
struct Stage {
    lab: Lab,
    folder: TempDir,
    ours: PathBuf,
    /// None: this machine is the conversion host.
    hosts: Option<[Sshd; 2]>,
}

impl Stage {
    fn open(
        ours: &Path,
        dir: &Path,
        (servers, volumes, mib): (usize, usize, u64),
        ssh: bool,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("osm-bench-").tempdir_in(dir)?;
        let lab = Lab::start(LabOptions { page_size: 1000, ..LabOptions::new(folder.path().join("lab")) })?;
        for cloud in [lab.src(), lab.dst()] {
            cloud.set_quotas(|quotas| *quotas = Quotas::unlimited());
        }
        lab.seed_fleet(servers, volumes, mib)?;
        lab.write_clouds_yaml(&folder.path().join("clouds.yaml"))?;
        let hosts = match ssh {
            true => Some([
                Sshd::start(&folder.path().join("ssh-src"))?,
                Sshd::start(&folder.path().join("ssh-dst"))?,
            ]),
            false => None,
        };
        let stage = Self { lab, folder, ours: ours.to_owned(), hosts };
        for (verb, side) in [("export", "--src"), ("import", "--dst")] {
            let mut command = stage.command(verb);
            command.args(["--regex", "^(?!os_migrate_conv)", side, side.trim_start_matches('-')]);
            measure::run(&mut command)?;
        }
        Ok(stage)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.ours);
        command.arg("--clouds").arg(self.folder.path().join("clouds.yaml"));
        command.args(["--output", "json", verb, "--data-dir"]).arg(self.folder.path().join("data"));
        command.stdin(Stdio::null()).env("TMPDIR", self.folder.path());
        command
    }

    /// A verb that works on servers.
    fn work(&self, verb: &str) -> Command {
        let mut command = self.command(verb);
        command.args(["--src", "src", "--dst", "dst"]);
        for (index, cloud) in [self.lab.src(), self.lab.dst()].into_iter().enumerate() {
            let name = format!("os_migrate_conv_{}", cloud.name());
            let devices = cloud.device_dir(&name);
            let host = match &self.hosts {
                Some(hosts) => hosts[index].host(&name, &devices),
                None => format!("local:{name},devices={}", devices.display()),
            };
            command.arg(format!("--{}-host", cloud.name())).arg(host);
        }
        command
    }

    /// The files of the source's volumes.
    fn volumes(&self) -> Result<Vec<PathBuf>> {
        let (servers, volumes, _) = FLEET;
        let mut files = Vec::new();
        for server in 0..servers {
            for volume in 0..volumes {
                let name = format!("fleet-{server:03}-{volume}");
                let id = self.lab.src().volume_id(&name).with_context(|| format!("no volume {name}"))?;
                files.push(self.lab.src().volume_file(&id));
            }
        }
        Ok(files)
    }
}

fn copy(ours: &Path, dir: &Path, rounds: u32) -> Result<()> {
    let (servers, volumes, mib) = FLEET;
    println!(
        "\ncopy: {servers} servers with {volumes} volumes of 1 GiB each, {mib} MiB of them data, over real sshd"
    );
    println!("{:>5}  {:<18}{:>9}{:>14}{:>10}", "round", "way", "wall s", "CPU s", "peak MiB");
    let mut raw = RawFile::append("fleet-copy")?;
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let stage = Stage::open(ours, dir, FLEET, true)?;
        let serial = || -> Result<Run> { peer::convert_all(&stage.volumes()?, stage.folder.path(), ours) };
        let parallel = || -> Result<Run> {
            measure::run(stage.work("migrate").args(["--workloads", "4", "--disks", "3"]))
        };
        let (theirs, own) = if round % 2 == 0 {
            let theirs = serial()?;
            (theirs, parallel()?)
        } else {
            let own = parallel()?;
            (serial()?, own)
        };
        for (turn, (tool, run)) in
            [("os-migrate's way", theirs), ("osm-cli migrate", own)].into_iter().enumerate()
        {
            println!("{round:>5}  {tool:<18}{:>9.3}{:>14.2}{:>10}", run.wall, run.cpu, run.peak_kib >> 10);
            let turn = u32::try_from(turn).unwrap_or(0) + 1;
            raw.write(mib, &Row { round, turn, tool: tool.to_owned(), run, server_cpu: 0.0 })?;
        }
        // Round 0 warms up.
        if round > 0 {
            ratios.push(theirs.wall / own.wall);
        }
    }
    let spread = Spread::of(ratios).context("no round was measured")?;
    println!("times as fast: {spread} (wanted: 3)");
    Ok(())
}

fn control(ours: &Path, dir: &Path) -> Result<()> {
    let stage = Stage::open(ours, dir, (MANY, 1, 1), false)?;
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        let late = Fault { service: None, ..Fault::new(Service::Nova, FaultKind::Latency(LATENCY)) };
        cloud.fault(late.times(u32::MAX));
        cloud.clear_requests();
    }
    let began = Instant::now();
    let run = measure::run(stage.work("migrate").args(["--workloads", "32"]))?;
    let requests = stage.lab.src().requests().len() + stage.lab.dst().requests().len();
    println!("\ncontrol: {MANY} servers, clouds that answer after {} ms", LATENCY.as_millis());
    println!(
        "{:.1} s (wanted: 60), {requests} requests, {:.1} for each server, {} MiB at most",
        began.elapsed().as_secs_f64(),
        requests as f64 / MANY as f64,
        run.peak_kib >> 10
    );
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        for service in [Service::Nova, Service::Cinder, Service::Neutron, Service::Glance] {
            println!(
                "  {} {service:?}: at most {} requests in flight",
                cloud.name(),
                cloud.most_in_flight(service)
            );
        }
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        for request in cloud.requests() {
            *kinds
                .entry(format!("{} {} {}", cloud.name(), request.method, shape(&request.path)))
                .or_default() += 1;
        }
    }
    let mut kinds: Vec<(usize, String)> = kinds.into_iter().map(|(kind, count)| (count, kind)).collect();
    kinds.sort_by(|one, other| other.cmp(one));
    println!("the most frequent, for each server:");
    for (count, kind) in kinds.into_iter().take(SHOWN) {
        println!("  {:5.1}  {kind}", count as f64 / MANY as f64);
    }
    Ok(())
}

/// A path without what tells one object from another.
fn shape(path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let is_id =
        |part: &str| part.len() >= 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let parts: Vec<&str> = path.split('/').map(|part| if is_id(part) { "*" } else { part }).collect();
    parts.join("/")
}
