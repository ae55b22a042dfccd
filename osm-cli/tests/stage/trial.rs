//! Many trials of a migration, each at another point, on several labs at once.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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
