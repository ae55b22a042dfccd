//! Reads that end on their own: at once, or later, on a thread, the newest first.

use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::disk::Disk;
use crate::settings::settings;
use crate::{ASYNC, FAIL, VixError, trace};

/// What `ReadAsync` is given to be called when the read has ended.
pub type CompletionFn = unsafe extern "C" fn(*mut c_void, VixError);

/// A read that was accepted.
pub(crate) struct Read {
    pub(crate) disk: Arc<Disk>,
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
    pub(crate) buffer: *mut u8,
    pub(crate) done: CompletionFn,
    pub(crate) data: *mut c_void,
}

// SAFETY: the caller of `ReadAsync` leaves buffer and data to us until `done` is called, on whatever thread.
unsafe impl Send for Read {}

impl Read {
    fn finish(self) {
        // SAFETY: the caller of `ReadAsync` has promised a buffer of so many sectors.
        let answer = unsafe { self.disk.fill(self.sector, self.sectors, self.buffer) };
        let about = self.disk.about();
        trace::line(
            about,
            &format!("Completed start={} count={} answer={answer}", self.sector, self.sectors),
        );
        // SAFETY: once, as promised to the caller of `ReadAsync`.
        unsafe { (self.done)(self.data, answer) };
        self.disk.ended();
    }
}

/// Accepts a read, and ends it at once where the environment says so.
pub(crate) fn begin(read: Read) -> VixError {
    read.disk.begun();
    if settings().inline {
        read.finish();
    } else {
        let Some(queue) = queue() else { return FAIL };
        queue.reads.lock().unwrap_or_else(PoisonError::into_inner).push(read);
        queue.more.notify_one();
    }
    ASYNC
}

#[derive(Default)]
struct Queue {
    reads: Mutex<Vec<Read>>,
    more: Condvar,
}

/// The queue, and with it the thread that empties it.
fn queue() -> Option<&'static Queue> {
    static QUEUE: OnceLock<Option<Arc<Queue>>> = OnceLock::new();
    let started = QUEUE.get_or_init(|| {
        let queue = Arc::new(Queue::default());
        let work = Arc::clone(&queue);
        thread::Builder::new().name("standin-reads".to_owned()).spawn(move || finish_all(&work)).ok()?;
        Some(queue)
    });
    started.as_deref()
}

fn finish_all(queue: &Queue) {
    loop {
        let reads = queue.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = queue.more.wait_while(reads, |reads| reads.is_empty());
        drop(reads);
        // More reads arrive meanwhile, and then the first is the last to end.
        thread::sleep(Duration::from_micros(200));
        let newest = queue.reads.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(read) = newest {
            read.finish();
        }
    }
}
