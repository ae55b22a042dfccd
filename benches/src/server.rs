//! nbdkit, serving a file on a unix socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::measure;

/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);

/// Written by nbdkit when it is ready.
const READY: &str = "nbdkit.pid";

/// A running nbdkit; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Nbdkit {
    child: Child,
    socket: PathBuf,
}

impl Nbdkit {
    /// Serves `file` read-only from a socket in `folder`.
    pub(crate) fn start(file: &Path, folder: &Path) -> Result<Self> {
        let socket = folder.join("nbdkit.sock");
        let child = Command::new("nbdkit")
            .args(["--foreground", "--readonly", "--unix"])
            .arg(&socket)
            .arg("--pidfile")
            .arg(folder.join(READY))
            .arg("file")
            .arg(file)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start nbdkit (apt-get install nbdkit)")?;
        let mut server = Self { child, socket };
        server.wait_until_it_listens(&folder.join(READY))?;
        Ok(server)
    }

    /// The URI of the export.
    pub(crate) fn uri(&self) -> String {
        format!("nbd+unix:///?socket={}", self.socket.display())
    }

    /// Processor time used so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        measure::cpu_seconds(self.child.id())
    }

    /// The file of its process id is written once it listens.
    fn wait_until_it_listens(&mut self, ready: &Path) -> Result<()> {
        let deadline = Instant::now() + START;
        while !ready.exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("nbdkit ended with {status}");
            }
            ensure!(Instant::now() < deadline, "nbdkit does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Nbdkit {
    fn drop(&mut self) {
        // Nothing is served any more; how it ends does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
