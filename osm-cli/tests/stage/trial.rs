//! Many trials of a migration, each at another point, on several labs at once.

use std::fmt::Debug;
use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use osm_migrate::{Event, Step};
use tokio::runtime::Runtime;

use super::Stage;

/// One trial.
pub(crate) struct Trial<'a> {
    pub(crate) stage: &'a Stage,
    /// The volumes of the source server, in the order of its devices.
    pub(crate) volumes: &'a [String],
    runtime: &'a Runtime,
}

impl Trial<'_> {
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

/// A line of a run's story.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Line {
    Started(Step),
    Done(Step),
}

impl Line {
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::StepStarted { step, .. } => Some(Self::Started(*step)),
            Event::StepDone { step, .. } => Some(Self::Done(*step)),
            _ => None,
        }
    }
}

/// Starts a run and kills it at once when its story comes to `at`.
pub(crate) fn kill_at_line(mut command: Command, at: Line) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let came = BufReader::new(child.stdout.take().unwrap()).lines().any(|line| {
        let event: Event = serde_json::from_str(&line.unwrap()).unwrap();
        Line::of(&event) == Some(at)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(came, "the run ended without {at:?}");
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Makes the trial at each point; each ends with the workload moved, which is undone for the next one.
pub(crate) fn at_each<P: Copy + Debug + Sync>(
    labs: usize,
    points: &[P],
    open: fn() -> Stage,
    trial: impl Fn(Trial<'_>, P) + Sync,
) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..labs.min(points.len()) {
            scope.spawn(|| {
                let (stage, runtime) = (open(), runtime());
                let volumes = runtime.block_on(stage.volumes("src", "small"));
                let mut used = false;
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if std::mem::replace(&mut used, true) {
                        runtime.block_on(stage.begin_again("small"));
                    }
                    let begun = Instant::now();
                    trial(Trial { stage: &stage, volumes: &volumes, runtime: &runtime }, *point);
                    eprintln!("{point:?}: well after {:?}", begun.elapsed());
                }
            });
        }
    });
}
