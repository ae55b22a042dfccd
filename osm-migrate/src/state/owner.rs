//! Who holds a claim, and whether it is still alive.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An owner on another machine that was silent for this long is taken for dead.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// A process that works on jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The host's name, for people.
    pub host: String,
    /// The boot of the host, and the process namespace: process ids mean something only within both.
    pub boot: String,
    /// The process id.
    pub pid: u32,
    /// When the process started, in clock ticks since boot: ids are used again.
    pub started: u64,
    /// Tells several runs within one process apart.
    pub run: String,
    /// When it began, in seconds since 1970 by its own clock.
    #[serde(default)]
    pub since: i64,
}

impl Owner {
    /// This process, for one run.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: boot(),
            pid,
            started: start_time(pid).unwrap_or(0),
            run: Uuid::new_v4().to_string(),
            since: Timestamp::now().as_second(),
        }
    }

    /// Who it is, and since when, for people.
    pub fn told(&self) -> String {
        let Self { pid, host, since, .. } = self;
        let since = Timestamp::from_second(*since).unwrap_or_default();
        format!("process {pid} on {host} works on it since {}", since.strftime("%F %T UTC"))
    }

    /// Whether it runs where this process does, so that its process id means something.
    pub fn is_of_this_machine(&self) -> bool {
        self.boot == boot()
    }

    /// Whether the owner may still be working, having been heard of `silence` ago.
    pub fn is_alive(&self, silence: Duration) -> bool {
        if self.boot != boot() || self.pid == std::process::id() {
            return silence < SILENCE;
        }
        start_time(self.pid) == Some(self.started)
    }
}

fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

/// Field 22 of `/proc/PID/stat`; `None` when there is no such process, or only its corpse.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses, and may hold anything.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_is_dead_at_once() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner =
            Owner { pid: child.id(), started: start_time(child.id()).unwrap_or(1), ..Owner::current() };
        child.wait().unwrap();
        assert!(!owner.is_alive(Duration::ZERO));
    }

    #[test]
    fn a_running_process_is_alive_however_silent() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner { pid: child.id(), started: start_time(child.id()).unwrap(), ..Owner::current() };
        assert!(owner.is_alive(Duration::from_secs(3600)));
        let reused = Owner { started: owner.started + 1, ..owner };
        assert!(!reused.is_alive(Duration::ZERO), "another process got the id");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn an_owner_elsewhere_is_judged_by_its_silence() {
        let owner = Owner { boot: "another boot".into(), ..Owner::current() };
        assert!(owner.is_alive(Duration::from_secs(5)));
        assert!(!owner.is_alive(SILENCE));
    }
}
