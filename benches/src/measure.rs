//! One run of a program: how long, and how much of a processor.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// What a run took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    /// The most memory it had, in KiB.
    pub(crate) peak_kib: u64,
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
    let peak = std::thread::spawn({
        let pid = child.id();
        move || peak_kib(pid)
    });
    // Waited for, but not reaped: its times can still be read.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let wall = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(child.id())?;
    let status = child.wait()?;
    ensure!(status.success(), "{what} ended with {status}");
    let peak_kib = peak.join().unwrap_or_default();
    Ok(Run { wall, cpu, peak_kib })
}

/// The most memory a process had, as last seen before its end.
fn peak_kib(pid: u32) -> u64 {
    let mut peak = 0;
    // A process that has ended still has a status, but no memory.
    while let Some(now) = high_water(pid) {
        peak = now;
        std::thread::sleep(Duration::from_millis(10));
    }
    peak
}

fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
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
