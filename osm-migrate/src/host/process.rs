//! A running agent, as the orchestrator sees it.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::agent::Report;
use crate::{Error, ErrorKind, Result};

/// An agent says something four times a second; one this silent is hung, or its host unreachable.
/// ssh itself gives a silent connection up after about a minute.
const SILENCE: Duration = Duration::from_secs(90);

/// How long an agent may take to end after its standard error was closed.
const END: Duration = Duration::from_secs(10);

/// How many lines that are no reports are kept for the error message.
const DIAGNOSTICS: usize = 8;

/// Exit status of ssh when the connection itself failed.
const SSH_FAILED: i32 = 255;

/// A running agent. Dropping it kills the process; an agent behind ssh ends with its connection.
#[derive(Debug)]
pub struct AgentProcess {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    diagnostics: VecDeque<String>,
    verb: &'static str,
    server: String,
}

impl AgentProcess {
    pub(super) fn start(mut command: Command, verb: &'static str, server: &str) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Host, format!("{verb} cannot be started"))
                .with_object(format!("conversion host {server}"))
                .with_source(error)
        };
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().map_err(failed)?;
        // The command holds the agent's end of the socket: let go of it, or a dead agent is not noticed.
        drop(command);
        let stderr = child
            .stderr
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Host, format!("{verb} has no standard error")))?;
        Ok(Self {
            child,
            lines: BufReader::new(stderr).lines(),
            diagnostics: VecDeque::new(),
            verb,
            server: server.to_owned(),
        })
    }

    /// What the agent says next; `None` once it has ended well.
    ///
    /// # Errors
    /// The agent said that it failed, ended badly, or is silent for too long.
    pub async fn next(&mut self) -> Result<Option<Report>> {
        loop {
            let line = match timeout(SILENCE, self.lines.next_line()).await {
                Ok(line) => line?,
                Err(_) => {
                    let message = format!("silent for {} s", SILENCE.as_secs());
                    return Err(self.failed(ErrorKind::Host, &message));
                }
            };
            let Some(line) = line else { return self.ended().await };
            match serde_json::from_str(&line) {
                Ok(Report::Failed { kind, message }) => return Err(self.failed(kind, &message)),
                Ok(report) => return Ok(Some(report)),
                // What ssh or a dying program has to say; it explains a bad end.
                Err(_) => {
                    if self.diagnostics.len() == DIAGNOSTICS {
                        self.diagnostics.pop_front();
                    }
                    self.diagnostics.push_back(line);
                }
            }
        }
    }

    /// Waits for the agent's end and gives the last report that is not about progress.
    ///
    /// # Errors
    /// As for `next`.
    pub async fn last_report(&mut self, mut heard: impl FnMut(&Report) + Send) -> Result<Option<Report>> {
        let mut last = None;
        while let Some(report) = self.next().await? {
            heard(&report);
            if !matches!(report, Report::Heartbeat | Report::Progress { .. }) {
                last = Some(report);
            }
        }
        Ok(last)
    }

    async fn ended(&mut self) -> Result<Option<Report>> {
        match timeout(END, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                if status.success() { Ok(None) } else { Err(self.ended_badly(status)) }
            }
            Err(_) => Err(self.failed(ErrorKind::Agent, "it closed its standard error and did not end")),
        }
    }

    fn ended_badly(&self, status: ExitStatus) -> Error {
        let said: Vec<&str> = self.diagnostics.iter().map(String::as_str).collect();
        let message =
            if said.is_empty() { status.to_string() } else { format!("{status}: {}", said.join("; ")) };
        let kind = if status.code() == Some(SSH_FAILED) { ErrorKind::Host } else { ErrorKind::Agent };
        self.failed(kind, &message)
    }

    fn failed(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, format!("{} failed: {message}", self.verb))
            .with_object(format!("conversion host {}", self.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> AgentProcess {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
        AgentProcess::start(command, "agent test", "conv").unwrap()
    }

    #[tokio::test]
    async fn the_last_word_counts_and_heartbeats_do_not() {
        let mut process = shell(
            r#"echo '{"report":"hashed","size":5,"root":"ab"}' >&2; echo '{"report":"heartbeat"}' >&2"#,
        );
        let report = process.last_report(|_| {}).await.unwrap();
        assert!(matches!(report, Some(Report::Hashed { size: 5, .. })));
    }

    #[tokio::test]
    async fn a_bad_end_is_an_error_with_what_was_said() {
        let error = shell("echo 'Permission denied (publickey).' >&2; exit 255").last_report(|_| {}).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(error.to_string().contains("Permission denied"), "{error}");
    }

    #[tokio::test]
    async fn a_result_before_a_bad_end_is_no_result() {
        let script = r#"echo '{"report":"hashed","size":5,"root":"ab"}' >&2; exit 1"#;
        assert!(shell(script).last_report(|_| {}).await.is_err());
    }

    #[tokio::test]
    async fn an_agent_says_itself_what_kind_of_error_it_met() {
        let script = r#"echo '{"report":"failed","kind":"mismatch","message":"blocks differ"}' >&2; exit 4"#;
        assert_eq!(shell(script).last_report(|_| {}).await.unwrap_err().kind(), ErrorKind::Mismatch);
    }
}
