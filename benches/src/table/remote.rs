//! What two hosts need between them: certificates, and a tunnel of OpenSSH.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::server::free_port;

/// Writes an authority and a certificate of `localhost` under the names that every NBD program looks for.
pub(super) fn certificates(folder: &Path) -> Result<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("ca-cert.pem"), authority.pem())?;
    fs::write(folder.join("server-cert.pem"), server.pem())?;
    fs::write(folder.join("server-key.pem"), key.serialize_pem())?;
    Ok(())
}

/// An OpenSSH server on loopback with keys of its own; it ends when it is dropped.
pub(crate) struct Sshd {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Sshd {
    /// Starts one, with fresh keys in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        for name in ["host_key", "user_key"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name));
            ensure!(keygen.status().context("cannot start ssh-keygen")?.success(), "ssh-keygen failed");
        }
        fs::copy(folder.join("user_key.pub"), folder.join("authorized_keys"))?;
        if rustix::process::geteuid().is_root() {
            // Where sshd's unprivileged half lives; the service's unit makes it, if it ever ran.
            fs::create_dir_all("/run/sshd")?;
            fs::set_permissions("/run/sshd", fs::Permissions::from_mode(0o755))?;
        }
        let port = free_port()?;
        let host_key = fs::read_to_string(folder.join("host_key.pub"))?;
        fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{port} {host_key}"))?;
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-f", "/dev/null", "-p", &port.to_string(), "-o", "MaxStartups=100"]);
        sshd.args(["-o", "ListenAddress=127.0.0.1", "-o", "StrictModes=no", "-o", "PidFile=none"]);
        // What this machine's root has in its .bashrc is not what is measured: bash reads it for a first shell only.
        sshd.args(["-o", "SetEnv=SHLVL=2"]);
        for (option, file) in [("HostKey", "host_key"), ("AuthorizedKeysFile", "authorized_keys")] {
            sshd.arg("-o").arg(format!("{option}={}", folder.join(file).display()));
        }
        let child = listening(sshd, port)?;
        Ok(Self { child, folder: folder.to_owned(), port })
    }

    /// `ssh -L` to `port` of loopback through this server.
    pub(crate) fn tunnel(&self, port: u16) -> Result<Tunnel> {
        let own = free_port()?;
        let mut ssh = Command::new("ssh");
        ssh.args(["-N", "-F", "none", "-o"]);
        ssh.arg(format!("UserKnownHostsFile={}", self.folder.join("known_hosts").display()));
        ssh.args(["-o", "ExitOnForwardFailure=yes", "-p", &self.port.to_string(), "-i"]);
        ssh.arg(self.folder.join("user_key")).arg("-L").arg(format!("127.0.0.1:{own}:127.0.0.1:{port}"));
        ssh.arg("127.0.0.1");
        Ok(Tunnel { child: listening(ssh, own)?, port: own })
    }

    /// The conversion host that it is, as `osm-cli` is told.
    pub(crate) fn host(&self, server: &str, devices: &Path) -> String {
        let file = |name: &str| self.folder.join(name).display().to_string();
        format!(
            "ssh:{server},address=127.0.0.1,port={},key={},known-hosts={},devices={}",
            self.port,
            file("user_key"),
            file("known_hosts"),
            devices.display()
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A running `ssh -L`; it ends when it is dropped.
pub(crate) struct Tunnel {
    child: Child,
    port: u16,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Tunnel {
    /// The URI of the export at its far end.
    pub(crate) fn uri(&self) -> String {
        format!("nbd://127.0.0.1:{}/", self.port)
    }
}

/// Starts a program that soon listens on `port`.
fn listening(mut command: Command, port: u16) -> Result<Child> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().with_context(|| format!("cannot start {:?}", quiet.get_program()))?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() >= deadline {
            end(&mut child);
            bail!("{:?} does not listen", command.get_program());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(child)
}
