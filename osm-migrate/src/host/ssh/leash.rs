//! Agents on a host end with their orchestrator.
//!
//! ssh swallows what it cannot write to a closed standard error, so an agent behind it would not
//! notice that nobody hears. The leash is a command on the host that waits for the end of its
//! standard input, which is this process's life, and then removes a file that the agents watch.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;
use uuid::Uuid;

use super::SshHost;
use crate::Result;

/// How long the host may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// While it lives, agents of its host do.
#[derive(Debug)]
pub(super) struct Leash {
    path: String,
    _alive: ChildStdin,
    _ssh: Child,
}

impl Leash {
    pub(super) async fn take(host: &SshHost) -> Result<Self> {
        let name = Uuid::new_v4().simple().to_string();
        let script = format!(
            r#"umask 077
f="${{HOME:-/root}}/.cache/osm/leash-{name}"
mkdir -p "${{f%/*}}" && : > "$f" || exit 1
trap 'rm -f "$f"' EXIT
trap 'exit 1' HUP INT TERM
echo "leash=$f"
cat > /dev/null"#
        );
        let mut command = host.script(true, &script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Not to be killed: it ends by itself when its input does, having removed the file.
        command.kill_on_drop(false);
        let failed = |message: &str| host.error(message);
        let mut ssh = command.spawn().map_err(|error| failed("ssh cannot be started").with_source(error))?;
        let alive = ssh.stdin.take().ok_or_else(|| failed("ssh has no standard input"))?;
        let stdout = ssh.stdout.take().ok_or_else(|| failed("ssh has no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let answer = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(path) = line.strip_prefix("leash=") {
                    return Ok(path.to_owned());
                }
            }
            Err(failed("the host let go of the leash at once"))
        };
        let path = timeout(ANSWER, answer).await.map_err(|_| failed("the host did not take the leash"))??;
        Ok(Self { path, _alive: alive, _ssh: ssh })
    }

    /// The file that is there as long as this process lives.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}
