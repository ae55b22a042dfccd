//! How long a server is down: from its stop to the running server in the destination.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::{FLEET, Stage};
use crate::results::Spread;

/// What a guest writes at once.
const PAGE: usize = 16 << 10;

pub(super) fn run(ours: &Path, dir: &Path, rounds: u32) -> Result<()> {
    let (_, volumes, mib) = FLEET;
    println!(
        "\ndowntime: a server with {volumes} volumes of 1 GiB, {mib} MiB of them data, 1 % changed since its seed"
    );
    println!("{:>5}{:>12}{:>12}{:>10}", "round", "cold s", "seeded s", "ratio");
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let stage = Stage::open(ours, dir, (2, volumes, mib), true)?;
        let cold = down(stage.work("migrate").arg("fleet-000"))?;
        crate::measure::run(stage.work("seed").arg("fleet-001"))?;
        change(&stage, volumes, mib)?;
        let seeded = down(stage.work("cutover").arg("fleet-001"))?;
        println!("{round:>5}{cold:>12.3}{seeded:>12.3}{:>10.3}", seeded / cold);
        ratios.push(seeded / cold);
    }
    let spread = Spread::of(ratios).context("no round was measured")?;
    println!("seeded / cold: {spread} (wanted: 0.1)");
    Ok(())
}

/// Writes a hundredth of the data of each disk anew, page by page, all over it.
fn change(stage: &Stage, volumes: usize, mib: u64) -> Result<()> {
    let pages = (mib << 20) / 100 / PAGE as u64;
    for volume in 0..volumes {
        let id = stage.lab.src().volume_id(&format!("fleet-001-{volume}")).context("a volume is gone")?;
        let file = File::options().write(true).open(stage.lab.src().volume_file(&id))?;
        for page in 0..pages {
            // Where a hundredth is spread over all of it, most changes lie alone.
            let at = (page * 7919 * PAGE as u64) % ((1 << 30) - PAGE as u64);
            file.write_all_at(&[0xc7; PAGE], at)?;
        }
    }
    Ok(())
}

/// The seconds from the stop of the source to the running server.
fn down(command: &mut Command) -> Result<f64> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let (mut stopped, mut runs) = (None, None);
    for line in lines {
        let line = line?;
        let is = |event: &str, step: &str| {
            line.contains(&format!("\"event\":\"{event}\"")) && line.contains(&format!("\"step\":\"{step}\""))
        };
        if is("step_started", "stop_source") {
            stopped = Some(Instant::now());
        } else if is("step_done", "create_server") {
            runs = stopped.map(|stopped| stopped.elapsed());
        }
    }
    ensure!(child.wait()?.success(), "{command:?} failed");
    Ok(runs.context("no server was made")?.as_secs_f64())
}
