//! A real OpenSSH server on loopback, whose sessions have a home of their own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// sshd, until it is dropped.
pub(crate) struct Sshd {
    child: Child,
    port: u16,
    user: String,
    dir: TempDir,
}

impl Sshd {
    /// sshd with a fresh host key, which lets the current user in with a fresh key of theirs.
    /// Nothing, and a word about it, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "sshd is not installed");
            // Not through the test's captured output: a skip is seen.
            std::io::stderr().write_all(b"skipped: sshd not installed\n").unwrap();
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        for key in ["host_key", "user_key", "other_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.path().join(key))
                .status();
            assert!(made.expect("ssh-keygen comes with ssh").success());
        }
        fs::copy(dir.path().join("user_key.pub"), dir.path().join("authorized_keys")).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        if rustix::process::geteuid().is_root() {
            // Where sshd's unprivileged half lives; the service's unit makes it, if it ever ran.
            fs::create_dir_all("/run/sshd").unwrap();
            fs::set_permissions("/run/sshd", fs::Permissions::from_mode(0o755)).unwrap();
        }
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        // Somebody else may take the port in between; then another one is tried.
        let (child, port) = (0..5).find_map(|_| listen(&program, dir.path())).expect("sshd listens");
        Some(Self { child, port, user, dir })
    }

    /// The home of the sessions.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A file of known hosts that knows this one.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.hosts_with("host_key.pub")
    }

    /// A file of known hosts that knows another key of this one.
    pub(crate) fn wrong_hosts(&self) -> PathBuf {
        self.hosts_with("other_key.pub")
    }

    /// A file of known hosts that knows none.
    pub(crate) fn no_hosts(&self) -> PathBuf {
        let path = self.dir.path().join("no_hosts");
        fs::write(&path, "").unwrap();
        path
    }

    fn hosts_with(&self, key: &str) -> PathBuf {
        let path = self.dir.path().join(format!("hosts_of_{key}"));
        let key = fs::read_to_string(self.dir.path().join(key)).unwrap();
        fs::write(&path, format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
        path
    }

    /// This host as a conversion host of a cloud, with further options.
    pub(crate) fn spec(&self, cloud: &osm_lab::Cloud, known_hosts: &Path, more: &str) -> String {
        let name = format!("os_migrate_conv_{}", cloud.name());
        format!(
            "ssh:{name},address=127.0.0.1,port={},user={},key={},known-hosts={},devices={}{more}",
            self.port,
            self.user,
            self.dir.path().join("user_key").display(),
            known_hosts.display(),
            cloud.device_dir(&name).display(),
        )
    }

    /// This host under the name of a server that somebody has yet to make; its host key is to be learnt.
    pub(crate) fn undeployed(&self, server: &str, devices: &Path) -> String {
        let (port, user, key) = (self.port, &self.user, self.dir.path().join("user_key"));
        format!(
            "ssh:{server},address=127.0.0.1,port={port},user={user},key={},devices={}",
            key.display(),
            devices.display()
        )
    }

    /// Its public host key.
    pub(crate) fn host_key(&self) -> String {
        fs::read_to_string(self.dir.path().join("host_key.pub")).unwrap()
    }

    /// This host as a bastion, and as one whose host key stands beside the other's.
    pub(crate) fn as_bastion(&self, known_hosts: &Path) -> String {
        let key = fs::read_to_string(self.dir.path().join("host_key.pub")).unwrap();
        let mut known = fs::File::options().append(true).open(known_hosts).unwrap();
        write!(known, "\n[127.0.0.1]:{} {key}", self.port).unwrap();
        format!("jump={}@127.0.0.1:{}", self.user, self.port)
    }

    /// Lets in whom another one lets in.
    pub(crate) fn lets_in(&self, other: &Self) {
        fs::copy(other.dir.path().join("user_key.pub"), self.dir.path().join("authorized_keys")).unwrap();
    }

    /// How many sessions and forwards it has served so far, by its log.
    pub(crate) fn connections(&self) -> usize {
        let log = fs::read_to_string(self.dir.path().join("sshd.log")).unwrap();
        log.lines().filter(|line| line.contains("Accepted publickey")).count()
    }

    /// The agents that were copied here: their files.
    pub(crate) fn agent_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.home().join(".cache/osm")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The agents that run: what is executed is a file of the home.
    pub(crate) fn running_agents(&self) -> Vec<Pid> {
        let home = fs::canonicalize(self.home()).unwrap();
        let of_home =
            |pid: &Pid| fs::read_link(proc(*pid).join("exe")).is_ok_and(|exe| exe.starts_with(&home));
        processes().into_iter().filter(of_home).collect()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Sessions outlive the listener, and the clients' shared connections keep them for a minute.
        let listener = Pid::from_child(&self.child);
        for session in processes().into_iter().filter(|pid| parent(*pid) == Some(listener)) {
            let _gone = kill_process(session, Signal::TERM);
        }
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// sshd insists on being called by its full path.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join("sshd")).find(|file| file.is_file())
}

/// Starts sshd on a free port; nothing when it cannot have the port.
fn listen(program: &Path, dir: &Path) -> Option<(Child, u16)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let file = |name: &str| dir.join(name).display().to_string();
    let lines = [
        format!("Port {port}"),
        "ListenAddress 127.0.0.1".into(),
        format!("HostKey {}", file("host_key")),
        format!("AuthorizedKeysFile {}", file("authorized_keys")),
        format!("SetEnv HOME={}", file("home")),
        // The folder above is everybody's: /tmp.
        "StrictModes no".into(),
        "PidFile none".into(),
        "UsePAM no".into(),
        "PasswordAuthentication no".into(),
        "KbdInteractiveAuthentication no".into(),
        "PermitRootLogin prohibit-password".into(),
        "MaxStartups 100".into(),
    ];
    fs::write(dir.join("sshd_config"), lines.join("\n") + "\n").unwrap();
    let mut child = Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(dir.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = fs::File::create(dir.join("sshd.log")).unwrap();
    let mut listens = false;
    for line in said.by_ref() {
        let line = line.unwrap();
        writeln!(log, "{line}").unwrap();
        if line.contains("Server listening on") {
            listens = true;
            break;
        }
    }
    if !listens {
        child.wait().unwrap();
        eprintln!("{}", fs::read_to_string(dir.join("sshd.log")).unwrap());
        return None;
    }
    // A listener that nobody hears blocks.
    std::thread::spawn(move || {
        for line in said.map_while(Result::ok) {
            let _full = writeln!(log, "{line}");
        }
    });
    Some((child, port))
}

fn proc(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

fn processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(proc(pid).join("status")).ok()?;
    Pid::from_raw(status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?)
}
