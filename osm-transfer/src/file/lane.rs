//! Threads that run the blocking requests of one disk, in the order they were asked.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::{Error, ErrorKind, Result};

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// This thread moves data and nothing else: disks may block it.
pub(crate) fn allow_blocking() {
    MAY_BLOCK.set(true);
}

type Job = Box<dyn FnOnce() + Send>;

/// Some threads and their queue. The threads start with the first request and end when the lane is
/// dropped and the requests that run have ended.
pub(super) struct Lane {
    name: &'static str,
    threads: usize,
    /// On a thread that moves data, requests run at once and right there.
    inline: bool,
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Lane {
    pub(super) fn new(name: &'static str, threads: usize) -> Self {
        Self { name, threads, inline: false, jobs: Mutex::new(None) }
    }

    /// The same lane, which is left out on a thread that moves data.
    pub(super) fn or_inline(self) -> Self {
        Self { inline: true, ..self }
    }

    /// Runs `request` on one of the threads. Dropped before its turn, the request never runs;
    /// dropped while it runs, it runs to its end with the memory it owns.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        request: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.inline && MAY_BLOCK.get() {
            return request();
        }
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !answer.is_closed() {
                // Nobody may be left to hear the answer.
                let _ = answer.send(request());
            }
        });
        self.submit(job)?;
        answered.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Io, "a request of the disk panicked")))
    }

    fn submit(&self, job: Job) -> Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*jobs {
            Some(sender) => sender,
            None => jobs.insert(start(self.name, self.threads)?),
        };
        sender.send(job).map_err(|_| Error::new(ErrorKind::Io, "every thread of the disk is gone"))
    }
}

fn start(name: &str, threads: usize) -> Result<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..threads {
        let jobs = Arc::clone(&jobs);
        thread::Builder::new().name(name.to_owned()).spawn(move || work(&jobs)).map_err(|source| {
            Error::new(ErrorKind::Io, "cannot start a thread for the disk").with_source(source)
        })?;
    }
    Ok(sender)
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // Held while waiting, never while working: the idle threads queue up behind the lock.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // A request that panics loses its answer, not the thread.
            Ok(job) => drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

/// Runs one blocking call, for a disk that has no threads yet.
pub(crate) async fn once<T: Send + 'static>(call: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    Lane::new("osm-open", 1).run(call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_run_in_order_and_answer() {
        let lane = Lane::new("test", 1);
        let (a, b) = tokio::join!(lane.run(|| Ok(1)), lane.run(|| Ok(2)));
        assert_eq!((a.unwrap(), b.unwrap()), (1, 2));
    }

    #[tokio::test]
    async fn a_request_that_panics_is_an_error_and_the_lane_goes_on() {
        let lane = Lane::new("test", 1);
        let error = lane.run::<()>(|| panic!("as planned")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(lane.run(|| Ok(3)).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_request_dropped_before_its_turn_never_runs() {
        let lane = Lane::new("test", 1);
        let (go, wait) = channel::<()>();
        let (ran, runs) = channel::<&str>();
        let mut first = Box::pin(lane.run(move || {
            let _ = wait.recv();
            Ok(())
        }));
        let mut second = Box::pin(lane.run(move || {
            let _ = ran.send("second");
            Ok(())
        }));
        tokio::select! {
            biased;
            _ = &mut first => panic!("the first request cannot have ended"),
            _ = &mut second => panic!("the second request cannot have begun"),
            () = std::future::ready(()) => {}
        }
        drop(second);
        go.send(()).unwrap();
        first.await.unwrap();
        lane.run(|| Ok(())).await.unwrap();
        assert!(runs.recv().is_err(), "the dropped request ran");
    }
}
