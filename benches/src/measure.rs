//! One run of a program: how long, and how much of a processor.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// What a run took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Runs `command` to its successful end.
pub(crate) fn run(command: &mut Command) -> Result<Run> {
    let what = format!("{command:?}");
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {what}"))?;
    let pid = Pid::from_child(&child);
    // Waited for, but not reaped: its times can still be read.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let wall = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(child.id())?;
    let status = child.wait()?;
    ensure!(status.success(), "{what} ended with {status}");
    Ok(Run { wall, cpu })
}

/// User and system time that a process and its threads have used so far.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses and may hold anything; utime and stime are 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("a process without a name")?;
    let ticks = |index: usize| -> Result<f64> {
        let field = fields.split_whitespace().nth(index).context("a process without times")?;
        Ok(field.parse::<u32>()?.into())
    };
    Ok((ticks(11)? + ticks(12)?) / ticks_per_second())
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}
