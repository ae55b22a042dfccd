//! A server of a file on a unix socket: nbdkit, or ours.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::measure;

/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);

/// Written by nbdkit with its process id once it listens.
const READY: &str = "nbdkit.pid";

/// A running server; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    /// `osm-cli serve`, from a socket in `folder`.
    pub(crate) fn ours(program: &Path, file: &Path, folder: &Path) -> Result<Self> {
        let socket = folder.join("osm.sock");
        let mut command = Command::new(program);
        command.arg("serve").arg(file).arg("--unix").arg(&socket);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start osm-cli")?;
        let mut server = Self { child, socket };
        server.wait_until("osm-cli", |server| UnixStream::connect(&server.socket).is_ok())?;
        Ok(server)
    }

    /// nbdkit with its file plugin, read-only, from a socket in `folder`.
    pub(crate) fn nbdkit(file: &Path, folder: &Path) -> Result<Self> {
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
        let ready = folder.join(READY);
        server.wait_until("nbdkit", |_| ready.exists())?;
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

    fn wait_until(&mut self, name: &str, listens: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + START;
        while !listens(self) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{name} ended with {status}");
            }
            ensure!(Instant::now() < deadline, "{name} does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is served any more; how it ends does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
