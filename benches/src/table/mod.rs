//! The table of README.md: case by case, peers and us in turns, and the ratio beside what is wanted.

mod cases;
mod remote;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

pub(crate) use self::remote::Sshd;
use crate::arguments::Arguments;
use crate::measure::Run;
use crate::results::{RawFile, Row, Spread};
use crate::server::Server;
use crate::{copy, disk};

/// A folder, a disk of noise in it, and our program.
pub(crate) struct Bench {
    ours: PathBuf,
    /// This program: the library alone.
    library: PathBuf,
    parent: PathBuf,
    folder: TempDir,
    from: PathBuf,
    to: PathBuf,
    mib: u64,
    rounds: u32,
}

type Prepare = Box<dyn Fn(&Path) -> Result<()>>;

/// One way to move the bytes: a client of a server.
struct Way {
    name: String,
    /// Which of the case's servers.
    server: usize,
    client: Box<dyn Fn() -> Result<Command>>,
}

/// Some ways, and what of them is compared.
struct Case {
    title: String,
    /// What is copied.
    from: PathBuf,
    servers: Vec<Server>,
    ways: Vec<Way>,
    /// Makes the target ready; without it there is none before a copy.
    prepare: Option<Prepare>,
    comparisons: Vec<Comparison>,
    /// What else has to run meanwhile.
    _beside: Option<(remote::Tunnel, Sshd)>,
}

/// Our way beside the best of some others: the one with the least median of wall time.
struct Comparison {
    what: &'static str,
    ours: &'static str,
    peers: &'static [&'static str],
    number: Number,
    /// The ratio that is wanted, at most.
    wanted: f64,
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Wall,
    ClientCpu,
    ServerCpu,
    AllCpu,
}

impl Number {
    fn of(self, row: &Row) -> f64 {
        match self {
            Self::Wall => row.run.wall,
            Self::ClientCpu => row.run.cpu,
            Self::ServerCpu => row.server_cpu,
            Self::AllCpu => row.run.cpu + row.server_cpu,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::ClientCpu => "client CPU",
            Self::ServerCpu => "server CPU",
            Self::AllCpu => "all CPU",
        }
    }
}

pub(crate) fn run(arguments: &mut Arguments) -> Result<()> {
    let names = cases::ALL.map(|(name, _)| name);
    let chosen: String = arguments.option("cases")?.unwrap_or_else(|| names.join(","));
    let chosen: Vec<&str> = chosen.split(',').collect();
    if let Some(unknown) = chosen.iter().find(|one| !names.contains(one)) {
        bail!("no case is called `{unknown}`: there are {}", names.join(", "));
    }
    let options = copy::Options::from_arguments(arguments)?;
    let is_cli = options.ours.file_name().is_some_and(|name| name == "osm-cli");
    ensure!(is_cli, "our server is needed: cargo build --release -p osm-cli");
    let (folder, from, to) = options.disks()?;
    let library = std::env::current_exe()?;
    let copy::Options { rounds, mib, folder: parent, ours } = options;
    let bench = Bench { ours, library, parent, folder, from, to, mib, rounds };
    println!("copies go to {}", bench.parent.display());
    let (mut lines, mut peak) = (Vec::new(), 0);
    for (name, case) in cases::ALL {
        if !chosen.contains(&name) {
            continue;
        }
        let case = case(&bench)?;
        println!("\n{name}: {}", case.title);
        // Names and sizes are the case's own: each has a file.
        let mut raw = RawFile::append(&format!("table-{name}"))?;
        let rows = bench.rounds_of(&case, &mut raw)?;
        println!("raw rows: {}", raw.path().display());
        let ours = rows.iter().filter(|row| row.tool.ends_with("osm"));
        peak = ours.map(|row| row.run.peak_kib).max().unwrap_or(0).max(peak);
        lines.extend(case.comparisons.iter().filter_map(|comparison| comparison.line(name, &rows)));
    }
    println!(
        "\n| case | number | ours / best peer | min | median | max | wanted | |\n|---|---|---|---|---|---|---|---|"
    );
    lines.iter().for_each(|line| println!("{line}"));
    println!("\nmost memory of a client of ours: {} MiB (wanted: 64 at most)", peak.div_ceil(1024));
    Ok(())
}

impl Bench {
    /// Every way once in each round; who goes first moves on. Round 0 is the warm-up, whose copies are
    /// compared with the source.
    fn rounds_of(&self, case: &Case, raw: &mut RawFile) -> Result<Vec<Row>> {
        let mib = fs::metadata(&case.from)?.len() >> 20;
        let mut rows = Vec::new();
        // What another case has left has another size.
        self.remove_target()?;
        println!("round  server+client         wall s  client CPU s  server CPU s  peak MiB");
        for round in 0..=self.rounds {
            for turn in 0..case.ways.len() {
                let way = &case.ways[(turn + round as usize) % case.ways.len()];
                let (run, server_cpu) = self.once(case, way).with_context(|| way.name.clone())?;
                if round == 0 {
                    self.check(case).with_context(|| format!("the copy of {}", way.name))?;
                    continue;
                }
                let row = Row { round, turn: turn as u32 + 1, tool: way.name.clone(), run, server_cpu };
                raw.write(mib, &row)?;
                println!(
                    "{round:>5}  {:<20} {:>7.3} {:>13.2} {server_cpu:>13.2} {:>9}",
                    row.tool,
                    run.wall,
                    run.cpu,
                    run.peak_kib.div_ceil(1024)
                );
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn remove_target(&self) -> Result<()> {
        if self.to.exists() {
            fs::remove_file(&self.to)?;
        }
        Ok(())
    }

    fn once(&self, case: &Case, way: &Way) -> Result<(Run, f64)> {
        match &case.prepare {
            Some(prepare) => prepare(&self.to)?,
            None => {
                self.remove_target()?;
                // More than the copy, which does not get just these pages.
                disk::back_memory(&self.parent, self.mib * 3 / 2)?;
            }
        }
        case.servers[way.server].measured(&mut (way.client)()?)
    }

    fn check(&self, case: &Case) -> Result<()> {
        disk::must_be_equal(&case.from, &self.to)?;
        let (source, copy) = (fs::metadata(&case.from)?.blocks(), fs::metadata(&self.to)?.blocks());
        // A file system may need some blocks for itself.
        ensure!(copy <= source + source / 100 + 64, "it has {copy} blocks, the source {source}");
        Ok(())
    }
}

impl Comparison {
    /// A line of the table.
    fn line(&self, case: &str, rows: &[Row]) -> Option<String> {
        let median = |name: &str| {
            let walls = rows.iter().filter(|row| row.tool == name).map(|row| row.run.wall);
            Spread::of(walls).map(|spread| spread.median)
        };
        let peers = self.peers.iter().filter_map(|name| Some((median(name)?, *name)));
        let (_, peer) = peers.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let ratios = rows.iter().filter(|row| row.tool == self.ours).filter_map(|row| {
            let beside = rows.iter().find(|other| other.tool == peer && other.round == row.round)?;
            Some(self.number.of(row) / self.number.of(beside))
        });
        let Spread { min, median, max } = Spread::of(ratios)?;
        let verdict = if median <= self.wanted { "met" } else { "not met" };
        let (what, number, wanted) = (self.what, self.number.name(), self.wanted);
        Some(format!(
            "| {case}: {what} | {number} | {} / {peer} | {min:.3} | {median:.3} | {max:.3} | {wanted:.3} | {verdict} |",
            self.ours
        ))
    }
}
