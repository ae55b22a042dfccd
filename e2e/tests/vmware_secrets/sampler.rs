//! What every user of a host can see of the processes that a test starts, and the test's own user can.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Looks at `/proc` some hundred times a second.
pub(crate) struct Sampler {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Samples>,
}

/// What was seen, each once.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) arguments: BTreeSet<Vec<u8>>,
    pub(crate) environments: BTreeSet<Vec<u8>>,
    pub(crate) looks: u32,
    took: Duration,
}

impl Samples {
    /// Looks a second.
    pub(crate) fn rate(&self) -> u32 {
        (f64::from(self.looks) / self.took.as_secs_f64()) as u32
    }
}

impl Sampler {
    pub(crate) fn start() -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let (mut samples, began) = (Samples::default(), Instant::now());
            let (mut parents, mut family) = (BTreeMap::new(), BTreeSet::from([std::process::id()]));
            while !until.load(Ordering::Relaxed) {
                samples.look(&mut parents, &mut family);
                samples.looks += 1;
                thread::sleep(Duration::from_millis(1));
            }
            samples.took = began.elapsed();
            samples
        });
        Self { ended, thread }
    }

    pub(crate) fn stop(self) -> Samples {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Samples {
    /// Looks at all processes that descend from this one. `parents` remembers whose child each is: one that was seen
    /// once stays in the family when its parent ends.
    fn look(&mut self, parents: &mut BTreeMap<u32, u32>, family: &mut BTreeSet<u32>) {
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let there: BTreeSet<u32> =
            fs::read_dir("/proc").unwrap().filter_map(|entry| number(entry.ok()?)).collect();
        parents.retain(|id, _| there.contains(id));
        family.retain(|id| there.contains(id));
        for id in there {
            if let btree_map::Entry::Vacant(entry) = parents.entry(id) {
                entry.insert(parent(id).unwrap_or_default());
            }
        }
        // A child may have a lower number than its parent, so one turn may not be enough.
        let mut before = 0;
        while before != family.len() {
            before = family.len();
            let children = parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(id, _)| *id);
            let children: Vec<u32> = children.collect();
            family.extend(children);
        }
        for id in family.iter().filter(|id| **id != std::process::id()) {
            // It may be gone by now.
            let read = |what: &str| fs::read(format!("/proc/{id}/{what}")).unwrap_or_default();
            let (arguments, environment) = (read("cmdline"), read("environ"));
            if !self.arguments.contains(&arguments) {
                self.arguments.insert(arguments);
            }
            if !self.environments.contains(&environment) {
                self.environments.insert(environment);
            }
        }
    }
}

/// The parent of a process that is there: the second field after its name, which may hold anything.
fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
