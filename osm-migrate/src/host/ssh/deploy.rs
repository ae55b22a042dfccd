//! Puts the agent on a host: the running program itself, under a name that tells its contents.
//!
//! The host may be a busybox system: POSIX sh and the plainest of tools, nothing else.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use osm_transfer::Retry;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::SshHost;
use crate::host::quote::quote;
use crate::{Error, ErrorKind, Result};

/// How long a short command may take.
const COMMAND: Duration = Duration::from_secs(60);
/// How long the program may take to travel.
const UPLOAD: Duration = Duration::from_secs(600);

/// The agent on a host.
#[derive(Debug)]
pub(super) struct Agent {
    path: String,
    sudo: bool,
    address: Option<String>,
}

impl Agent {
    /// Makes sure that the host has this very program.
    pub(super) async fn deploy(host: &SshHost, program: &Path) -> Result<Self> {
        let binary = tokio::fs::read(program)
            .await
            .map_err(|error| Error::from(error).with_object(program.display().to_string()))?;
        let digest = blake3::hash(&binary).to_hex();
        let name = format!("osm-cli-{}", &digest[..16]);
        let probe = Probe::run(host, &name).await?;
        if probe.machine != std::env::consts::ARCH {
            let message =
                format!("the host is a {}, the agent is built for {}", probe.machine, std::env::consts::ARCH);
            return Err(host
                .error(message)
                .with_hint("set OSM_AGENT_BINARY to an osm-cli built for the host, static if possible"));
        }
        if probe.size != Some(binary.len()) {
            upload(host, &probe.path, binary).await?;
        }
        let agent = Self { path: probe.path, sudo: probe.sudo, address: probe.address };
        agent.check(host).await?;
        Ok(agent)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The address of the host that the connection came to.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Words before it: devices belong to root.
    pub(super) fn prefix(&self) -> Vec<String> {
        if self.sudo { vec!["sudo".into(), "-n".into(), "--".into()] } else { Vec::new() }
    }

    async fn check(&self, host: &SshHost) -> Result<()> {
        let script = format!("exec {} --version", quote(&self.path));
        output(host, &script, Vec::new(), COMMAND).await.map(drop).map_err(|error| {
            error.with_hint("a program linked against another libc does not run there: use the static one")
        })
    }
}

/// What a host says of itself.
struct Probe {
    machine: String,
    sudo: bool,
    path: String,
    address: Option<String>,
    /// Of the agent, when it is there.
    size: Option<usize>,
}

impl Probe {
    async fn run(host: &SshHost, name: &str) -> Result<Self> {
        let script = format!(
            r#"f="${{HOME:-/root}}/.cache/osm/{name}"
echo "machine=$(uname -m)"
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then echo sudo=yes; fi
echo "path=$f"
set -- ${{SSH_CONNECTION:-}}
echo "address=${{3:-}}"
if [ -x "$f" ]; then echo "size=$(wc -c < "$f")"; fi"#
        );
        let text = output(host, &script, Vec::new(), COMMAND).await?;
        // A login shell may greet; only lines of ours count.
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let missing = || host.error(format!("the host's shell answered something else: {}", text.trim()));
        Ok(Self {
            machine: value("machine").ok_or_else(missing)?.trim().to_owned(),
            sudo: value("sudo").is_some(),
            path: value("path").ok_or_else(missing)?.to_owned(),
            address: value("address").map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            size: value("size").and_then(|size| size.trim().parse().ok()),
        })
    }
}

async fn upload(host: &SshHost, path: &str, binary: Vec<u8>) -> Result<()> {
    let size = binary.len();
    // Renamed when complete: two uploads at once, or half a one, leave a usable file or none.
    let script = format!(
        r#"set -e
umask 077
f={path}
mkdir -p "${{f%/*}}"
t="$f.$$"
trap 'rm -f "$t"' EXIT
cat > "$t"
[ "$(wc -c < "$t")" -eq {size} ]
chmod 700 "$t"
mv -f "$t" "$f""#,
        path = quote(path)
    );
    output(host, &script, binary, UPLOAD).await.map(drop)
}

/// Runs a script, gives it `input`, and gives back what it wrote.
async fn output(host: &SshHost, script: &str, input: Vec<u8>, limit: Duration) -> Result<String> {
    let mut command: Command = host.script(true, script);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |message: String| host.error(message);
    let mut child =
        command.spawn().map_err(|error| failed("ssh cannot be started".into()).with_source(error))?;
    let mut stdin = child.stdin.take().ok_or_else(|| failed("ssh has no standard input".into()))?;
    let feed = async move {
        let fed = stdin.write_all(&input).await;
        drop(stdin);
        fed
    };
    let run = async { tokio::join!(feed, child.wait_with_output()) };
    let (fed, ended) = timeout(limit, run)
        .await
        .map_err(|_| failed(format!("the host did not answer within {} s", limit.as_secs())))?;
    let ended = ended?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let error = failed(format!("a command failed there ({}): {}", ended.status, said.trim()));
        return Err(match ended.status.code() {
            Some(255) if said.contains("Host key verification failed") => error.with_hint(
                "an unknown host key is refused: add it to your known hosts, name a file that has it with \
                 known-hosts=FILE, or take a host that was never seen before with host-key=accept-new",
            ),
            Some(255) => error
                .with_retry(Retry::Safe)
                .with_hint(match &host.spec.jump {
                    // What ssh says of the way through it is lost.
                    Some(jump) => format!(
                        "see whether `ssh` to the bastion {jump} works without a question, with the host's key and \
                         known hosts, and from there to this address"
                    ),
                    None => "see whether `ssh` to this address works without a question".to_owned(),
                }),
            _ => error,
        });
    }
    fed.map_err(|error| failed("the host did not take its input".into()).with_source(error))?;
    String::from_utf8(ended.stdout)
        .map_err(|error| Error::new(ErrorKind::Host, "the host answered no text").with_source(error))
}
