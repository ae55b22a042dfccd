//! A server of a file: nbdkit, qemu-nbd, or ours.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::measure::{self, Run};

/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nbdkit,
    QemuNbd,
    Ours,
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum Listen {
    Unix(PathBuf),
    /// A port of loopback.
    Tcp(u16),
}

/// What is served, and how.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) kind: Kind,
    pub(crate) file: &'a Path,
    pub(crate) listen: Listen,
    /// A folder with `ca-cert.pem`, `server-cert.pem` and `server-key.pem`: TLS, for nbdkit and ours.
    pub(crate) certificates: Option<&'a Path>,
    /// More words for nbdkit: filters before, their parameters after the plugin.
    pub(crate) filters: &'a [&'a str],
    pub(crate) parameters: &'a [&'a str],
    /// Our program.
    pub(crate) ours: &'a Path,
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    listen: Listen,
    certificates: Option<PathBuf>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nbdkit => "nbdkit",
            Self::QemuNbd => "qemu-nbd",
            Self::Ours => "osm",
        }
    }
}

impl<'a> Setup<'a> {
    /// `file` in plain text, from a unix socket in `folder`.
    pub(crate) fn unix(kind: Kind, ours: &'a Path, file: &'a Path, folder: &Path) -> Self {
        Self::plain(kind, ours, file, Listen::Unix(folder.join(format!("{}.sock", kind.name()))))
    }

    /// The same from a port of loopback that is free now.
    pub(crate) fn tcp(kind: Kind, ours: &'a Path, file: &'a Path) -> Result<Self> {
        Ok(Self::plain(kind, ours, file, Listen::Tcp(free_port()?)))
    }

    fn plain(kind: Kind, ours: &'a Path, file: &'a Path, listen: Listen) -> Self {
        Self { kind, file, listen, certificates: None, filters: &[], parameters: &[], ours }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(match self.kind {
            Kind::Nbdkit => Path::new("nbdkit"),
            Kind::QemuNbd => Path::new("qemu-nbd"),
            Kind::Ours => self.ours,
        });
        match self.kind {
            Kind::Nbdkit => {
                command.args(["--foreground", "--readonly"]);
                match &self.listen {
                    Listen::Unix(socket) => command.arg("--unix").arg(socket),
                    Listen::Tcp(port) => command.args(["--ipaddr=127.0.0.1", "--port", &port.to_string()]),
                };
                if let Some(folder) = self.certificates {
                    command.arg("--tls=require").arg("--tls-certificates").arg(folder);
                }
                command.args(self.filters).arg("file").arg(self.file).args(self.parameters);
            }
            Kind::QemuNbd => {
                command.args(["--read-only", "--persistent", "--shared=16", "--format=raw"]);
                match &self.listen {
                    Listen::Unix(socket) => command.arg("--socket").arg(socket),
                    Listen::Tcp(port) => command.args(["--bind=127.0.0.1", "--port", &port.to_string()]),
                };
                command.arg(self.file);
            }
            Kind::Ours => {
                command.arg("serve").arg(self.file);
                match &self.listen {
                    Listen::Unix(socket) => command.arg("--unix").arg(socket),
                    Listen::Tcp(port) => command.args(["--tcp", &format!("127.0.0.1:{port}")]),
                };
                if let Some(folder) = self.certificates {
                    command.arg("--tls-certificate").arg(folder.join("server-cert.pem"));
                    command.arg("--tls-key").arg(folder.join("server-key.pem"));
                }
            }
        }
        command
    }
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(setup: &Setup<'_>) -> Result<Self> {
        let name = setup.kind.name();
        let child = setup
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // They complain of clients that leave without a word, as the test whether they listen does.
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let certificates = setup.certificates.map(Path::to_path_buf);
        let mut server = Self { child, listen: setup.listen.clone(), certificates };
        let deadline = Instant::now() + START;
        while !server.listen.answers() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{name} ended with {status}");
            }
            ensure!(Instant::now() < deadline, "{name} does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// The URI of the export.
    pub(crate) fn uri(&self) -> String {
        match (&self.listen, &self.certificates) {
            (Listen::Unix(socket), _) => format!("nbd+unix:///?socket={}", socket.display()),
            (Listen::Tcp(port), None) => format!("nbd://127.0.0.1:{port}/"),
            (Listen::Tcp(port), Some(folder)) => {
                format!("nbds://localhost:{port}/?tls-certificates={}", folder.display())
            }
        }
    }

    /// Runs a client: what it took, and how many seconds of a processor the server took meanwhile.
    pub(crate) fn measured(&self, client: &mut Command) -> Result<(Run, f64)> {
        let before = measure::cpu_seconds(self.child.id())?;
        let run = measure::run(client)?;
        Ok((run, measure::cpu_seconds(self.child.id())? - before))
    }
}

impl Listen {
    fn answers(&self) -> bool {
        match self {
            Self::Unix(socket) => UnixStream::connect(socket).is_ok(),
            Self::Tcp(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok(),
        }
    }
}

/// A port of loopback that nobody listens on at the moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is served any more; how it ends does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Listen::Unix(socket) = &self.listen {
            // nbdkit does not listen where a socket is already.
            let _ = std::fs::remove_file(socket);
        }
    }
}
