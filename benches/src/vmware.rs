//! Machines of a vSphere, on the lab's vCenter.
//!
//! - `delta`: a hundredth of a disk, in random areas of 64 KiB, from a datastore that answers after 1 ms; beside a loop
//!   that asks for one area after another, as the VMware migration kit does.
//! - `disks`: four disks at once, beside one after the other, likewise.
//! - `inventory`: a thousand machines.
//! - `unchanged`: a pass over twenty disks on which nothing has changed.
//! - `memory`: what a seed of four disks takes, agents included.

mod agents;
mod areas;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use osm_lab::vcenter::{DiskSeed, MachineSeed, VCenter, VCenterOptions};
use osm_lab::{Lab, LabOptions, Quotas};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::measure::{self, Run};
use crate::results::{RawFile, Row, Spread};

/// How long the vCenter takes to answer where it is far.
pub(super) const FAR: Duration = Duration::from_millis(1);

/// Bytes of each disk that is copied whole.
const DISK: u64 = 192 << 20;

/// Machines in the inventory.
const MANY: usize = 1000;

const CASES: &str = "delta,disks,inventory,unchanged,memory";

pub(crate) fn run(arguments: &mut Arguments) -> Result<()> {
    let rounds = arguments.option("rounds")?.unwrap_or(5);
    let cases: String = arguments.option("cases")?.unwrap_or_else(|| CASES.to_owned());
    let ours: PathBuf = match arguments.option("ours")? {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("osm-cli"),
    };
    let dir: PathBuf = arguments.option("dir")?.unwrap_or_else(|| PathBuf::from("/dev/shm"));
    let [] = arguments.words()?;
    ensure!(ours.exists(), "no {}: cargo build --release -p osm-cli", ours.display());
    for case in cases.split(',') {
        match case {
            "delta" => areas::run(&dir, rounds)?,
            "disks" => disks(&ours, &dir, rounds)?,
            "inventory" => inventory(&ours, &dir, rounds)?,
            "unchanged" => unchanged(&ours, &dir, rounds)?,
            "memory" => memory(&ours, &dir)?,
            other => bail!("there is no case {other}: {CASES}"),
        }
    }
    Ok(())
}

/// A vCenter with machines, a cloud with a conversion host, and a plan.
struct Stage {
    vcenter: VCenter,
    lab: Lab,
    folder: TempDir,
    ours: PathBuf,
}

impl Stage {
    fn open(
        ours: &Path,
        dir: &Path,
        latency: Duration,
        machines: impl IntoIterator<Item = MachineSeed>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("osm-bench-").tempdir_in(dir)?;
        let lab = Lab::start(LabOptions { page_size: 1000, ..LabOptions::new(folder.path().join("lab")) })?;
        lab.dst().set_quotas(|quotas| *quotas = Quotas::unlimited());
        lab.seed_small_tenant()?;
        lab.write_clouds_yaml(&folder.path().join("clouds.yaml"))?;
        let vcenter = vcenter(folder.path(), latency, machines)?;
        std::fs::write(folder.path().join("password"), VCenter::PASSWORD)?;
        let stage = Self { vcenter, lab, folder, ours: ours.to_owned() };
        measure::run(&mut stage.command("inventory"))?;
        Ok(stage)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.ours);
        let folder = self.folder.path();
        command.arg("--clouds").arg(folder.join("clouds.yaml")).args(["--output", "json", "vmware", verb]);
        command.args(["--server", &self.vcenter.url(), "--user", VCenter::USER]);
        command.arg("--password-file").arg(folder.join("password")).arg("--ca").arg(folder.join("ca.pem"));
        command.arg("--data-dir").arg(folder.join("data"));
        command.stdin(Stdio::null()).env("TMPDIR", folder);
        command
    }

    fn seed(&self, words: &[&str]) -> Command {
        let devices = self.lab.dst().device_dir("os_migrate_conv_dst");
        let mut command = self.command("seed");
        command.args(["--dst", "dst", "--read-by", "datastore", "--dst-host"]);
        command.arg(format!("local:os_migrate_conv_dst,devices={}", devices.display())).args(words);
        command
    }
}

/// A vCenter with these machines, whose authority is `ca.pem` in the folder.
fn vcenter(
    folder: &Path,
    latency: Duration,
    machines: impl IntoIterator<Item = MachineSeed>,
) -> Result<VCenter> {
    let vcenter = VCenter::start(VCenterOptions { latency, ..VCenterOptions::new(folder.join("vcenter")) })?;
    for machine in machines {
        vcenter.add_machine(machine)?;
    }
    vcenter.write_ca(&folder.join("ca.pem"))?;
    Ok(vcenter)
}

/// A machine with so many disks of so many bytes, each with that many bytes on it.
fn machine(name: &str, disks: i32, capacity: u64, filled: u64) -> MachineSeed {
    let disk = |index: i32| DiskSeed::new(2000 + index, capacity).with(0, bytes(filled));
    MachineSeed { disks: (0..disks).map(disk).collect(), ..MachineSeed::new(name) }
}

/// Bytes that do not compress and are not zero.
fn bytes(len: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state | 1).to_le_bytes()
    };
    (0..len / 8).flat_map(|_| next()).collect()
}

fn head(text: &str) {
    println!("\n{text}\n{:>5}  {:<18}{:>9}{:>9}{:>10}", "round", "way", "wall s", "CPU s", "peak MiB");
}

fn tell(round: u32, way: &str, run: &Run) {
    println!("{round:>5}  {way:<18}{:>9.3}{:>9.2}{:>10}", run.wall, run.cpu, run.peak_kib >> 10);
}

fn disks(ours: &Path, dir: &Path, rounds: u32) -> Result<()> {
    head(&format!("disks: four disks of {} MiB, full, each answer after {} ms", DISK >> 20, FAR.as_millis()));
    let mut raw = RawFile::append("vmware-disks")?;
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let mut turns = [("one at a time", "1"), ("four at once", "4")];
        if round % 2 == 1 {
            turns.reverse();
        }
        let mut walls = [0.0; 2];
        for (turn, (way, at_once)) in turns.into_iter().enumerate() {
            // A copy that is there would be brought up to date.
            let stage = Stage::open(ours, dir, FAR, [machine("app01", 4, DISK, DISK)])?;
            let run = measure::run(&mut stage.seed(&["--disks", at_once]))?;
            tell(round, way, &run);
            walls[usize::from(at_once == "4")] = run.wall;
            let turn = u32::try_from(turn).unwrap_or(0) + 1;
            raw.write(DISK >> 18, &Row { round, turn, tool: way.to_owned(), run, server_cpu: 0.0 })?;
        }
        // Round 0 warms up.
        if round > 0 {
            ratios.push(walls[0] / walls[1]);
        }
    }
    if let Some(spread) = Spread::of(ratios) {
        println!("times as fast: {spread} (wanted: 3)");
    }
    Ok(())
}

fn inventory(ours: &Path, dir: &Path, rounds: u32) -> Result<()> {
    let machines = (0..MANY).map(|index| machine(&format!("app{index:04}"), 2, 1 << 20, 0));
    let stage = Stage::open(ours, dir, FAR, machines)?;
    head(&format!("inventory: {MANY} machines (wanted: 5 s, 100 MiB)"));
    for round in 1..=rounds {
        tell(round, "vmware inventory", &measure::run(&mut stage.command("inventory"))?);
    }
    Ok(())
}

fn unchanged(ours: &Path, dir: &Path, rounds: u32) -> Result<()> {
    let stage = Stage::open(ours, dir, FAR, [machine("app01", 20, 16 << 20, 1 << 20)])?;
    measure::run(&mut stage.seed(&[]))?;
    head("unchanged: a pass over 20 disks (wanted: 5 s)");
    for round in 1..=rounds {
        tell(round, "vmware seed", &measure::run(&mut stage.seed(&[]))?);
    }
    Ok(())
}

fn memory(ours: &Path, dir: &Path) -> Result<()> {
    const DISKS: u64 = 4;
    let stage = Stage::open(ours, dir, FAR, [machine("app01", 4, DISK, DISK)])?;
    let agents = agents::Watch::start(stage.folder.path());
    let run = measure::run(&mut stage.seed(&["--disks", "4"]))?;
    let agents = agents.end();
    let all = run.peak_kib + agents.iter().sum::<u64>();
    let shown: Vec<String> = agents.iter().map(|kib| (kib >> 10).to_string()).collect();
    println!(
        "\nmemory: a seed of {DISKS} disks at once: {} MiB at most, of which the agents {} (wanted: {} MiB)",
        all >> 10,
        shown.join(", "),
        64 + 16 * DISKS
    );
    Ok(())
}
