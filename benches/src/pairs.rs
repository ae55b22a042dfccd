//! Our server and our client beside nbdkit and nbdcopy, in all four pairs.
//!
//! Everything is as in `copy`, but that each round has four runs; who goes first moves on from round to
//! round.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::copy::{Options, Tool};
use crate::disk;
use crate::results::{RawFile, Row, Spread};
use crate::server::Server;

const PAIRS: [(&str, bool, Tool); 4] = [
    ("nbdkit+nbdcopy", false, Tool::Nbdcopy),
    ("nbdkit+osm", false, Tool::Ours),
    ("osm+nbdcopy", true, Tool::Nbdcopy),
    ("osm+osm", true, Tool::Ours),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let is_cli = options.ours.file_name().is_some_and(|name| name == "osm-cli");
    ensure!(is_cli, "a server of ours is needed: cargo build --release -p osm-cli");
    let (folder, from, to) = options.disks()?;
    let theirs = Server::nbdkit(&from, folder.path())?;
    let ours = Server::ours(&options.ours, &from, folder.path())?;
    println!("{} MiB dense, unix socket, to a fresh file in {}", options.mib, options.folder.display());

    let mut raw = RawFile::append("pairs")?;
    let mut rows: Vec<Row> = Vec::new();
    println!("round  server+client    wall s  client CPU s  server CPU s");
    // Round 0 is the warm-up, whose copies are compared.
    for round in 0..=options.rounds {
        for turn in 0..PAIRS.len() {
            let (name, is_ours, tool) = PAIRS[(turn + round as usize) % PAIRS.len()];
            let server = if is_ours { &ours } else { &theirs };
            let (run, server_cpu) = tool.measured(options, server, &to)?;
            if round == 0 {
                disk::must_be_equal(&from, &to).with_context(|| format!("the copy of {name}"))?;
            }
            fs::remove_file(&to)?;
            if round > 0 {
                let row = Row { round, turn: turn as u32 + 1, tool: name, run, server_cpu };
                raw.write(options.mib, &row)?;
                println!("{round:>5}  {name:<15} {:>7.3} {:>13.2} {server_cpu:>13.2}", run.wall, run.cpu);
                rows.push(row);
            }
        }
    }
    let peers: Vec<&Row> = rows.iter().filter(|row| row.tool == PAIRS[0].0).collect();
    println!("\nbeside {}, round by round: min median max (below 1 is better)", PAIRS[0].0);
    for (name, ..) in &PAIRS[1..] {
        for (what, number) in NUMBERS {
            let ratios = rows.iter().filter(|row| row.tool == *name).filter_map(|row| {
                let peer = peers.iter().find(|peer| peer.round == row.round)?;
                Some(number(row) / number(peer))
            });
            if let Some(spread) = Spread::of(ratios) {
                println!("{name:<15} {what:<12} {spread}");
            }
        }
    }
    println!("raw rows: {}", raw.path().display());
    Ok(())
}

type Number = fn(&Row) -> f64;

const NUMBERS: [(&str, Number); 4] = [
    ("wall", |row| row.run.wall),
    ("client CPU", |row| row.run.cpu),
    ("server CPU", |row| row.server_cpu),
    ("all CPU", |row| row.run.cpu + row.server_cpu),
];
