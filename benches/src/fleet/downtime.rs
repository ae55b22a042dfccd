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
        let ratio = seeded.seconds / cold.seconds;
        println!("{round:>5}{:>12.3}{:>12.3}{ratio:>10.3}", cold.seconds, seeded.seconds);
        println!("       cold:{}", cold.steps);
        println!("       seeded:{}", seeded.steps);
        ratios.push(ratio);
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

/// From the stop of the source to the running server.
struct Down {
    seconds: f64,
    /// What each step took, in the order of their ends, those of a tenth of a second or more.
    steps: String,
}

fn down(command: &mut Command) -> Result<Down> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let (mut stopped, mut runs, mut begun, mut steps) = (None, None, Instant::now(), String::new());
    for line in lines {
        let event: serde_json::Value = serde_json::from_str(&line?)?;
        match (event["event"].as_str(), event["step"].as_str()) {
            (Some("step_started"), Some(step)) => {
                begun = Instant::now();
                if step == "stop_source" {
                    stopped = Some(begun);
                }
            }
            (Some("step_done"), Some(step)) => {
                let took = begun.elapsed().as_secs_f64();
                if stopped.is_some() && runs.is_none() && took >= 0.1 {
                    steps += &format!(" {step} {took:.1}");
                }
                if step == "create_server" {
                    runs = stopped.map(|stopped| stopped.elapsed());
                }
            }
            _ => {}
        }
    }
    ensure!(child.wait()?.success(), "{command:?} failed");
    Ok(Down { seconds: runs.context("no server was made")?.as_secs_f64(), steps })
}
