//! A conversion host behind the operator's own OpenSSH client: agent, jump hosts and configuration
//! just work, and host keys are checked.
//!
//! Short commands share one connection (`ControlMaster`). A disk that travels through SSH has a connection of its
//! own: a shared one has a single cipher thread.

mod deploy;
mod leash;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use tokio::process::Command;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{AgentProcess, AgentStdio, ConversionHost, SshSpec, quote};
use crate::agent::{AgentCommand, LEASH};
use crate::{Error, ErrorKind, Result};

use self::deploy::Agent;
use self::leash::Leash;

/// A conversion host reached over SSH.
#[derive(Debug)]
pub struct SshHost {
    spec: SshSpec,
    address: String,
    program: PathBuf,
    client: PathBuf,
    control: ControlFolder,
    remote: OnceCell<Remote>,
}

/// The host once it is prepared.
#[derive(Debug)]
struct Remote {
    agent: Agent,
    leash: Leash,
}

impl SshHost {
    /// The host at `address`; `program` is copied there and run as agent.
    ///
    /// # Errors
    /// The address is no address, or the folder of control sockets cannot be made.
    pub fn new(spec: SshSpec, address: impl Into<String>, program: impl Into<PathBuf>) -> Result<Self> {
        let address = address.into();
        if address.is_empty() || address.starts_with('-') {
            return Err(Error::new(ErrorKind::Config, format!("`{address}` is no address")));
        }
        let control = ControlFolder::create()?;
        let (program, client) = (program.into(), PathBuf::from("ssh"));
        Ok(Self { spec, address, program, client, control, remote: OnceCell::new() })
    }

    /// The same host, reached with another ssh client than the one in the search path.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<PathBuf>) -> Self {
        self.client = client.into();
        self
    }

    /// ssh with its options, up to the remote command.
    fn ssh(&self, shared: bool) -> Command {
        let mut command = Command::new(&self.client);
        if let Some(jump) = &self.spec.jump {
            command.args(["-o", &self.proxy(jump)]);
        }
        let mut option = |text: &str| {
            command.args(["-o", text]);
        };
        option("BatchMode=yes");
        option("ConnectTimeout=20");
        option("ServerAliveInterval=15");
        option("ServerAliveCountMax=4");
        option("ClearAllForwardings=yes");
        option("ForwardAgent=no");
        option("LogLevel=ERROR");
        for text in self.host_checks() {
            option(&text);
        }
        if shared {
            option("ControlMaster=auto");
            option(&format!("ControlPath={}", self.control.0.join("%C").display()));
            option("ControlPersist=60");
        } else {
            option("ControlMaster=no");
            option("ControlPath=none");
        }
        if let Some(key) = &self.spec.key {
            option("IdentitiesOnly=yes");
            command.arg("-i").arg(key);
        }
        if let Some(port) = self.spec.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &self.spec.user {
            command.args(["-l", user]);
        }
        command.args(["-T", "--", &self.address]);
        command
    }

    /// How it is known who answers.
    fn host_checks(&self) -> Vec<String> {
        let strict = if self.spec.accept_new { "accept-new" } else { "yes" };
        let mut options = vec![format!("StrictHostKeyChecking={strict}")];
        options.extend(
            self.spec.known_hosts.as_ref().map(|file| format!("UserKnownHostsFile={}", file.display())),
        );
        options
    }

    /// The way through a bastion. `-J` would take neither the key nor the known hosts along.
    fn proxy(&self, jump: &str) -> String {
        let (user, host) = jump.rsplit_once('@').map_or((None, jump), |(user, host)| (Some(user), host));
        let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
        let mut words = vec![self.client.display().to_string()];
        let checks = self.host_checks();
        for option in ["BatchMode=yes", "ConnectTimeout=20", "LogLevel=ERROR"]
            .into_iter()
            .chain(checks.iter().map(String::as_str))
        {
            words.extend(["-o".to_owned(), option.to_owned()]);
        }
        if let Some(key) = &self.spec.key {
            words.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), key.display().to_string()]);
        }
        for (flag, value) in [("-p", port), ("-l", user)] {
            words.extend(value.map(|value| [flag.to_owned(), value.to_owned()]).into_iter().flatten());
        }
        // What stands in a word is not for ssh to fill in, but for the two that it must.
        let words: Vec<String> = words.into_iter().map(|word| word.replace('%', "%%")).collect();
        format!("ProxyCommand={} -W '[%h]:%p' -- {}", quote::join(&words), quote::quote(host))
    }

    /// ssh running a POSIX script.
    fn script(&self, shared: bool, text: &str) -> Command {
        let mut command = self.ssh(shared);
        command.arg(quote::script(text)).kill_on_drop(true);
        command
    }

    async fn remote(&self) -> Result<&Remote> {
        self.remote
            .get_or_try_init(|| async {
                let agent = Agent::deploy(self, &self.program).await?;
                let leash = Leash::take(self).await?;
                Ok(Remote { agent, leash })
            })
            .await
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Host, message)
            .with_object(format!("conversion host {} ({})", self.spec.server, self.address))
    }
}

#[async_trait]
impl ConversionHost for SshHost {
    fn server(&self) -> &str {
        &self.spec.server
    }

    fn devices(&self) -> Option<PathBuf> {
        self.spec.devices.clone()
    }

    async fn prepare(&self) -> Result<()> {
        self.remote().await?;
        Ok(())
    }

    async fn addresses(&self) -> Result<Vec<String>> {
        if !self.spec.link {
            return Ok(Vec::new());
        }
        // What leads from the orchestrator to the host leads from the other host as well, unless it is an alias or
        // a way through a jump host; then the host's own address may.
        let mut addresses = vec![self.address.clone()];
        addresses.extend(self.remote().await?.agent.address().map(str::to_owned));
        addresses.dedup();
        Ok(addresses)
    }

    async fn spawn(&self, agent: AgentCommand, stdio: AgentStdio) -> Result<AgentProcess> {
        let remote = self.remote().await?;
        let mut words = remote.agent.prefix();
        words.extend(["env".to_owned(), format!("{LEASH}={}", remote.leash.path())]);
        words.push(remote.agent.path().to_owned());
        for word in agent.words() {
            let text = word.into_string().map_err(|word| {
                self.error(format!("`{}` cannot be passed to the host", word.to_string_lossy()))
            })?;
            words.push(text);
        }
        let line = format!("exec {}", quote::join(&words));
        let mut command = self.script(!matches!(stdio, AgentStdio::Bulk(_)), &line);
        match stdio {
            AgentStdio::None => {
                command.stdin(Stdio::null()).stdout(Stdio::null());
            }
            AgentStdio::Talk(socket) | AgentStdio::Bulk(socket) => {
                command.stdin(socket.try_clone()?).stdout(socket);
            }
        }
        AgentProcess::start(command, agent.verb(), &self.spec.server)
    }
}

/// A private folder for control sockets; their paths must be short.
#[derive(Debug)]
struct ControlFolder(PathBuf);

impl ControlFolder {
    fn create() -> Result<Self> {
        let name = Uuid::new_v4().simple().to_string();
        let path = std::env::temp_dir().join(format!("osm-{}", &name[..12]));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for ControlFolder {
    fn drop(&mut self) {
        // The shared connection ends by itself a minute after its last use; without its socket
        // nobody can use it any more.
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "the folder of control sockets stays");
        }
    }
}
