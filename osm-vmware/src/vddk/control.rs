//! The one thread that loads VDDK, connects, opens and closes. It lives as long as the process: some versions of VDDK
//! crash when they are shut down, and none may be loaded twice.

use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::library::Library;
use super::options::library_path;
use crate::{Error, ErrorKind, Result};

type Job = Box<dyn FnOnce(&'static Library) + Send>;

/// The thread, once VDDK is loaded.
static THREAD: Mutex<Option<Control>> = Mutex::new(None);

/// A handle on the thread.
#[derive(Clone)]
pub(super) struct Control {
    library: &'static Library,
    jobs: mpsc::Sender<Job>,
}

impl Control {
    /// Loads the library of this distribution, unless that was done before. Blocks.
    pub(super) fn start(libdir: &Path) -> Result<Self> {
        let path = library_path(libdir)?;
        let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = &*thread {
            if control.library.path() == path {
                return Ok(control.clone());
            }
            let message = format!("another VDDK is loaded already: {}", control.library.path().display());
            return Err(Error::new(ErrorKind::Config, message).with_object(path.display().to_string()));
        }
        let (loaded, is_loaded) = mpsc::sync_channel(1);
        let (jobs, work) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("vddk-control".to_owned())
            .spawn(move || match load(&path) {
                Ok(library) => {
                    if loaded.send(Ok(library)).is_ok() {
                        work.into_iter().for_each(|job| job(library));
                    }
                }
                Err(error) => drop(loaded.send(Err(error))),
            })
            .map_err(|error| {
                Error::new(ErrorKind::Config, "no thread for VDDK can be started").with_source(error)
            })?;
        let library = is_loaded.recv().map_err(|_| ended())??;
        let control = Self { library, jobs };
        *thread = Some(control.clone());
        Ok(control)
    }

    /// Has the thread do something; `false` when it has ended.
    pub(super) fn post(&self, job: impl FnOnce(&'static Library) + Send + 'static) -> bool {
        self.jobs.send(Box::new(job)).is_ok()
    }

    /// Has the thread do something, and waits for it.
    pub(super) fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&'static Library) -> T + Send + 'static,
    ) -> Result<T> {
        let (done, is_done) = mpsc::sync_channel(1);
        self.post(move |library| drop(done.send(job(library))));
        is_done.recv().map_err(|_| ended())
    }
}

/// That the control thread has ended, which it does with the process only.
pub(super) fn ended() -> Error {
    Error::new(ErrorKind::Refused, "the thread of VDDK has ended")
}

fn load(path: &Path) -> Result<&'static Library> {
    let library = Library::load(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let root = if folder.ends_with("lib64") { folder.parent().unwrap_or(folder) } else { folder };
    // From here on VDDK has threads of its own, which end with the process.
    let library = Box::leak(Box::new(library));
    library.init(root)?;
    tracing::debug!(library = %path.display(), "VDDK is loaded");
    Ok(library)
}
