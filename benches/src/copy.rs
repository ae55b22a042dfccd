//! `osm-cli copy` and `nbdcopy`, in paired rounds.
//!
//! Both read the same nbdkit over a unix socket and write a fresh file in the same folder. A warm-up
//! is not counted, but its copies are compared with the source. Who goes first alternates.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::client::Tool;
use crate::disk;
use crate::measure::Run;
use crate::results::{RawFile, Row, Spread};
use crate::server::{Kind, Server, Setup};

/// What is measured.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: u32,
    pub(crate) mib: u64,
    pub(crate) folder: PathBuf,
    pub(crate) ours: PathBuf,
}

impl Options {
    pub(crate) fn from_arguments(arguments: &mut Arguments) -> Result<Self> {
        let options = Self {
            rounds: arguments.option("rounds")?.unwrap_or(5),
            mib: arguments.option("size-mib")?.unwrap_or(2048),
            folder: arguments.option("dir")?.unwrap_or_else(|| PathBuf::from("/dev/shm")),
            ours: match arguments.option("ours")? {
                Some(program) => program,
                None => release_binary()?,
            },
        };
        let [] = arguments.words()?;
        ensure!(options.rounds > 0 && options.mib > 0, "at least one round of one MiB");
        Ok(options)
    }

    /// A folder to work in, a disk of noise in it, and where its copies go.
    pub(crate) fn disks(&self) -> Result<(TempDir, PathBuf, PathBuf)> {
        let folder = tempfile::Builder::new()
            .prefix("osm-bench")
            .tempdir_in(&self.folder)
            .with_context(|| format!("cannot work in {}", self.folder.display()))?;
        let (from, to) = (folder.path().join("source"), folder.path().join("target"));
        disk::fill(&from, self.mib)?;
        Ok((folder, from, to))
    }
}

/// The release build of osm-cli; without one, this program's own copy.
fn release_binary() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let cli = this.with_file_name("osm-cli");
    if cli.exists() {
        return Ok(cli);
    }
    eprintln!("no {}: measuring the library alone (cargo build --release -p osm-cli)", cli.display());
    Ok(this)
}

/// Copies once: what it took, and how much of a processor the server took meanwhile.
fn measured(tool: Tool, options: &Options, server: &Server, to: &Path) -> Result<(Run, f64)> {
    // More than the copy, which does not get just these pages.
    disk::back_memory(&options.folder, options.mib * 3 / 2)?;
    server.measured(&mut tool.command(&options.ours, &server.uri(), to, options.mib << 20)?)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let (folder, from, to) = options.disks()?;
    let server = Server::start(&Setup::unix(Kind::Nbdkit, &options.ours, &from, folder.path()))?;
    println!(
        "{} MiB dense, nbdkit file, unix socket, to a fresh file in {}",
        options.mib,
        options.folder.display()
    );
    println!("ours: {}", options.ours.display());

    let copy = |tool: Tool| measured(tool, options, &server, &to);
    for tool in [Tool::Nbdcopy, Tool::Ours] {
        copy(tool)?;
        disk::must_be_equal(&from, &to).with_context(|| format!("the copy of {}", tool.name()))?;
        fs::remove_file(&to)?;
    }
    println!("warm-up done, both copies are equal to the source\n");

    let mut raw = RawFile::append("copy")?;
    let mut rows = Vec::new();
    println!("round  tool      wall s  client CPU s  server CPU s");
    for round in 1..=options.rounds {
        let order = if round % 2 == 1 { [Tool::Nbdcopy, Tool::Ours] } else { [Tool::Ours, Tool::Nbdcopy] };
        for (turn, tool) in (1..).zip(order) {
            let (run, server_cpu) = copy(tool)?;
            fs::remove_file(&to)?;
            let row = Row { round, turn, tool: tool.name().to_owned(), run, server_cpu };
            raw.write(options.mib, &row)?;
            println!("{round:>5}  {:<8} {:>7.3} {:>13.2} {server_cpu:>13.2}", row.tool, run.wall, run.cpu);
            rows.push(row);
        }
    }
    print_summary(&rows, options.mib);
    println!("raw rows: {}", raw.path().display());
    Ok(())
}

fn print_summary(rows: &[Row], mib: u64) {
    let of = |tool: Tool| rows.iter().filter(move |row| row.tool == tool.name());
    println!("\n                          min median    max");
    let line = |what: &str, numbers: Vec<f64>| {
        if let Some(spread) = Spread::of(numbers) {
            println!("{what:<22} {spread}");
        }
    };
    for tool in [Tool::Nbdcopy, Tool::Ours] {
        line(&format!("{} wall s", tool.name()), of(tool).map(|row| row.run.wall).collect());
        line(&format!("{} client CPU s", tool.name()), of(tool).map(|row| row.run.cpu).collect());
        line(
            &format!("{} GiB/s", tool.name()),
            of(tool).map(|row| mib as f64 / 1024.0 / row.run.wall).collect(),
        );
    }
    let ratio = |number: fn(&Row) -> f64| {
        let pairs = of(Tool::Ours).filter_map(|ours| {
            let peer = of(Tool::Nbdcopy).find(|peer| peer.round == ours.round)?;
            Some(number(ours) / number(peer))
        });
        pairs.collect()
    };
    println!("osm / nbdcopy, round by round (below 1: osm is better)");
    line("  wall", ratio(|row| row.run.wall));
    line("  client CPU", ratio(|row| row.run.cpu));
    line("  client + server CPU", ratio(|row| row.run.cpu + row.server_cpu));
}
