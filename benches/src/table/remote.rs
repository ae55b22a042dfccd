//! What two hosts need between them: certificates, and a tunnel of OpenSSH.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
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

/// `ssh -L`, and the sshd that it leads to; both end when it is dropped.
pub(super) struct Tunnel {
    children: Vec<Child>,
    port: u16,
}

impl Tunnel {
    /// A tunnel to `port` of loopback, with fresh keys in `folder`.
    pub(super) fn to(port: u16, folder: &Path) -> Result<Self> {
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
        let (listens, own) = (free_port()?, free_port()?);
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-f", "/dev/null", "-p", &listens.to_string()]);
        sshd.args(["-o", "ListenAddress=127.0.0.1", "-o", "StrictModes=no", "-o", "PidFile=none"]);
        for (option, file) in [("HostKey", "host_key"), ("AuthorizedKeysFile", "authorized_keys")] {
            sshd.arg("-o").arg(format!("{option}={}", folder.join(file).display()));
        }
        let mut tunnel = Self { children: Vec::new(), port: own };
        tunnel.start(sshd, listens)?;
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-N",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ]);
        ssh.args(["-o", "ExitOnForwardFailure=yes", "-p", &listens.to_string(), "-i"]);
        ssh.arg(folder.join("user_key")).arg("-L").arg(format!("127.0.0.1:{own}:127.0.0.1:{port}"));
        ssh.arg("127.0.0.1");
        tunnel.start(ssh, own)?;
        Ok(tunnel)
    }

    /// The URI of the export at its far end.
    pub(super) fn uri(&self) -> String {
        format!("nbd://127.0.0.1:{}/", self.port)
    }

    /// Starts a program that soon listens on `port`.
    fn start(&mut self, mut command: Command, port: u16) -> Result<()> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.children.push(quiet.spawn().with_context(|| format!("cannot start {:?}", quiet.get_program()))?);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(Instant::now() < deadline, "{:?} does not listen", command.get_program());
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // The client before the server; how they end does not matter.
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
