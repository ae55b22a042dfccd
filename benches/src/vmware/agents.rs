//! How much memory the agents of a run take.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks at the agents that work on the files of a folder.
pub(super) struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<u32, u64>>,
}

impl Watch {
    pub(super) fn start(folder: &Path) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (until, folder) = (Arc::clone(&ended), folder.display().to_string());
        let thread = std::thread::spawn(move || {
            let mut most = BTreeMap::new();
            while !until.load(Ordering::Relaxed) {
                for (pid, kib) in agents(&folder) {
                    let known: &mut u64 = most.entry(pid).or_default();
                    *known = (*known).max(kib);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        Self { ended, thread }
    }

    /// The most that each agent had, in KiB.
    pub(super) fn end(self) -> Vec<u64> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().map(|most| most.into_values().collect()).unwrap_or_default()
    }
}

fn agents(folder: &str) -> Vec<(u32, u64)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let agent = |entry: fs::DirEntry| {
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        if !line.contains("\0agent\0fetch\0") || !line.contains(folder) {
            return None;
        }
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib = most.split_whitespace().next()?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, kib))
    };
    processes.filter_map(agent).collect()
}
