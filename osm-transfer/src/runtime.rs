//! The threads that move data, one runtime for the whole process.
//!
//! The engine and the connections of clients run here, not on the caller's runtime, for two reasons.
//! Writing to a file blocks, and a thread that serves timers and user interfaces must not; handing
//! each write to a thread of its own would wake two threads for every quarter of a mebibyte, which costs
//! as much as the write. And the task that received a buffer wakes the engine on its own thread,
//! where the bytes are still in the processor's cache.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

use crate::{Error, ErrorKind, Result, file};

/// Never fewer, so that a disk that stands still does not stop every connection.
const FEWEST: usize = 2;

static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();

/// The runtime of the threads that move data, for who makes sockets for [`Client::over`]: a socket is
/// served by the runtime that was entered when it was made. Nothing else should run here, for it may
/// wait until a disk has written.
///
/// # Errors
/// The threads could not be started.
///
/// [`Client::over`]: crate::nbd::Client::over
pub fn handle() -> Result<&'static Handle> {
    match RUNTIME.get_or_init(start) {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => {
            Err(Error::new(ErrorKind::Io, format!("cannot start the threads that move data: {error}")))
        }
    }
}

fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("osm-data")
        .worker_threads(available_parallelism().map_or(FEWEST, usize::from).max(FEWEST))
        .on_thread_start(file::allow_blocking)
        .enable_all()
        .build()
}

/// Runs `work` on the threads that move data.
///
/// # Cancel safety
/// When this is dropped, `work` is dropped at its next await.
pub(crate) async fn run<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = handle()?.spawn(work);
    let _guard = AbortOnDrop(task.abort_handle());
    match task.await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::Io, "a task that moves data panicked").with_source(error)),
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
