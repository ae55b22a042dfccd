//! Programs of the operator that are run before and after steps: to drain a load balancer, to tell a pager,
//! to look at the new server, to say no.
//!
//! A hook gets a JSON object on standard input:
//!
//! ```json
//! {"when": "before", "step": "stop_source", "workload": "web", "source_id": "4a1d…", "detail": null}
//! ```
//!
//! After a step, `detail` is what the step did, such as the id of the server it made. A hook that ends with
//! another status than 0 fails the step; so does one that prints `{"proceed": false, "reason": "..."}`.

use std::fmt;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::job::Job;
use crate::{Error, ErrorKind, Result, Step};

/// How much of what a hook said is told.
const TOLD: usize = 400;

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the step begins.
    Before,
    /// After the step is done and recorded.
    After,
}

/// A program to be run at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub when: When,
    /// At which step.
    pub step: Step,
    /// What is run: a line for `sh`.
    pub command: String,
}

/// What a hook is told.
#[derive(Debug, Serialize)]
struct Occasion<'a> {
    when: When,
    step: Step,
    workload: &'a str,
    source_id: &'a str,
    detail: Option<&'a str>,
}

/// What a hook may say.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default = "yes")]
    proceed: bool,
    reason: Option<String>,
}

fn yes() -> bool {
    true
}

impl Job<'_> {
    /// Runs the hooks of a step.
    ///
    /// # Errors
    /// `Blocked` when one of them fails or says no.
    pub(super) async fn run_hooks(&self, when: When, step: Step, detail: Option<&str>) -> Result<()> {
        let occasion = Occasion { when, step, workload: self.name, source_id: self.id, detail };
        for hook in self.options().hooks.iter().filter(|hook| hook.when == when && hook.step == step) {
            hook.run(&occasion, self.options().timeout)
                .await
                .map_err(|error| error.with_workload(self.name))?;
        }
        Ok(())
    }
}

impl Hook {
    async fn run(&self, occasion: &Occasion<'_>, limit: Duration) -> Result<()> {
        let refused = |message: String| {
            Error::new(ErrorKind::Blocked, message)
                .with_object(format!("hook {self}"))
                .with_hint("mend what the hook complains about, or the hook")
        };
        let input = serde_json::to_vec(occasion)?;
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take();
        let work = async {
            if let Some(mut stdin) = stdin {
                // A hook need not read what it is told.
                let _unread = stdin.write_all(&input).await;
            }
            child.wait_with_output().await
        };
        let output = match timeout(limit, work).await {
            Ok(output) => output?,
            Err(_) => return Err(refused(format!("it did not end within {} s", limit.as_secs()))),
        };
        if !output.status.success() {
            let said = [&output.stderr, &output.stdout].map(|bytes| excerpt(bytes));
            let said = said.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
            return Err(refused(format!("{}: {said}", output.status)));
        }
        // Other programs print what they please; only an object is an answer.
        match serde_json::from_slice::<Answer>(&output.stdout) {
            Ok(Answer { proceed: false, reason }) => {
                Err(refused(reason.unwrap_or_else(|| "it says no, and not why".to_owned())))
            }
            _ => Ok(()),
        }
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(TOLD);
    text.chars().skip(skipped).collect()
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            When::Before => "before",
            When::After => "after",
        };
        write!(f, "{when}:{}={}", self.step, self.command)
    }
}

impl FromStr for Hook {
    type Err = Error;

    /// Reads `before:stop_source=./drain.sh`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |message: String| {
            Error::new(ErrorKind::Config, message)
                .with_object(format!("hook `{text}`"))
                .with_hint("write before:STEP=COMMAND or after:STEP=COMMAND")
        };
        let (occasion, command) =
            text.split_once('=').ok_or_else(|| wrong("there is no command".to_owned()))?;
        let (when, step) = match occasion.split_once(':') {
            Some(("before", step)) => (When::Before, step),
            Some(("after", step)) => (When::After, step),
            _ => return Err(wrong("it must begin with `before:` or `after:`".to_owned())),
        };
        let step = step.parse::<Step>().map_err(|_| {
            let known: Vec<&str> = Step::ALL.iter().map(|step| step.as_str()).collect();
            wrong(format!("there is no step `{step}`; the steps are {}", known.join(", ")))
        })?;
        if command.trim().is_empty() {
            return Err(wrong("there is no command".to_owned()));
        }
        Ok(Self { when, step, command: command.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occasion() -> Occasion<'static> {
        Occasion {
            when: When::Before,
            step: Step::StopSource,
            workload: "web",
            source_id: "4a1d",
            detail: None,
        }
    }

    async fn run(command: &str) -> Result<()> {
        let hook = Hook { when: When::Before, step: Step::StopSource, command: command.to_owned() };
        hook.run(&occasion(), Duration::from_secs(5)).await
    }

    #[test]
    fn a_hook_is_written_as_it_is_read() {
        for text in ["before:stop_source=./drain.sh a=b", "after:create_server=echo moved"] {
            assert_eq!(text.parse::<Hook>().unwrap().to_string(), text);
        }
        for text in
            ["", "stop_source=x", "before:stop_source", "before:stop_source= ", "before:lunch=x", "x:y=z"]
        {
            assert_eq!(text.parse::<Hook>().unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
    }

    #[tokio::test]
    async fn a_hook_is_told_the_occasion_and_may_say_no() {
        run("grep -q '\"workload\":\"web\"'").await.unwrap();
        run("true").await.unwrap();
        run("echo drained 5 sessions").await.unwrap();
        let failed = run("echo no such pool >&2; exit 3").await.unwrap_err();
        assert!(failed.to_string().contains("no such pool"), "{failed}");
        let no = run(r#"echo '{"proceed": false, "reason": "change freeze"}'"#).await.unwrap_err();
        assert!(no.to_string().contains("change freeze"), "{no}");
    }
}
