//! What a vCenter shares between those who ask it and those who hold it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::fault::{self, VFault, VFaultKind};
use super::options::VCenterOptions;
use super::world::World;
use crate::nfc::NfcServer;

/// A call that a vCenter has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method; `GET /folder` or `HEAD /folder` for bytes of a disk.
    pub method: String,
    /// The id of the object it was called on; the path, decoded, for bytes.
    pub object: String,
    /// What was sent, without passwords; the range for bytes.
    pub body: String,
}

/// The state of a vCenter. Nothing in an async function waits for its lock, which may be held while disks are copied.
pub(crate) struct Core {
    pub(crate) options: VCenterOptions,
    runtime: Handle,
    world: Mutex<World>,
    /// Counts changes: whoever waits for one waits for this.
    changes: watch::Sender<u64>,
    faults: Mutex<Vec<VFault>>,
    calls: Mutex<Vec<Call>>,
    folder_bytes: AtomicU64,
    /// Port 902 of the host; not set where there is no NFC.
    pub(crate) nfc: OnceLock<NfcServer>,
}

impl Core {
    pub(super) fn new(options: VCenterOptions, runtime: Handle) -> io::Result<Arc<Self>> {
        for folder in ["disks", "frozen"] {
            std::fs::create_dir_all(options.dir.join(folder))?;
        }
        Ok(Arc::new(Self {
            options,
            runtime,
            world: Mutex::default(),
            changes: watch::Sender::new(0),
            faults: Mutex::default(),
            calls: Mutex::default(),
            folder_bytes: AtomicU64::new(0),
            nfc: OnceLock::new(),
        }))
    }

    /// Reads the state.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&lock(&self.world))
    }

    /// Changes the state; whoever waits for a change looks again.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut lock(&self.world));
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    /// The same for what nobody waits for.
    pub(crate) fn note<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut lock(&self.world))
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Where snapshots freeze disks.
    pub(crate) fn frozen_dir(&self) -> PathBuf {
        self.options.dir.join("frozen")
    }

    /// Does `act` when a task's time is over, on a thread that may block.
    pub(crate) fn later(self: &Arc<Self>, act: impl FnOnce(&Self) + Send + 'static) {
        let (core, time) = (Arc::clone(self), self.options.task_time);
        self.runtime.spawn(async move {
            tokio::time::sleep(time).await;
            // A panic in there is a bug of the lab; the state simply never changes then.
            let _ = tokio::task::spawn_blocking(move || act(&core)).await;
        });
    }

    pub(super) fn add_fault(&self, fault: VFault) {
        lock(&self.faults).push(fault);
    }

    pub(super) fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    pub(crate) fn take_faults(&self, method: &str, object: &str) -> Vec<VFaultKind> {
        fault::take(&mut lock(&self.faults), method, object)
    }

    pub(crate) fn record(&self, call: Call) {
        lock(&self.calls).push(call);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    pub(super) fn clear_calls(&self) {
        lock(&self.calls).clear();
        self.folder_bytes.store(0, Ordering::Relaxed);
        if let Some(nfc) = self.nfc.get() {
            nfc.forget_bytes();
        }
    }

    pub(crate) fn count_bytes(&self, count: usize) {
        self.folder_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn folder_bytes(&self) -> u64 {
        self.folder_bytes.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
