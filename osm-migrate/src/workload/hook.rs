//! Programs and web servers of the operator that are told of steps before and after them: to drain a load balancer, to
//! tell a pager, to look at the new server, to say no.
//!
//! A program gets a JSON object on standard input, a web server as the body of a POST:
//!
//! ```json
//! {"when": "before", "step": "stop_source", "workload": "web", "source_id": "4a1d…", "detail": null}
//! ```
//!
//! After a step, `detail` is what the step did, such as the id of the server it made. A program that ends with
//! another status than 0 fails the step, and so does a web server that answers with one that is no success; so does
//! the answer `{"proceed": false, "reason": "..."}` of either.

use std::fmt;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use osm_openstack::HttpClient;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use url::{Host, Url};

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

/// Who is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Hearer {
    /// A line for `sh`.
    Command(String),
    /// A web server. What follows `?` is never shown: it may be a secret.
    Web(Url),
}

/// Something to be run at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub when: When,
    /// At which step.
    pub step: Step,
    /// Who is told, and may say no.
    pub hearer: Hearer,
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
        let heard = match &self.hearer {
            Hearer::Command(command) => match timeout(limit, execute(command, &input)).await {
                Ok(heard) => heard?,
                Err(_) => Err(format!("it did not end within {} s", limit.as_secs())),
            },
            Hearer::Web(url) => {
                let answer = HttpClient::of_system(limit)?.post("webhook", url.clone(), input).await;
                answer.map(|answer| answer.bytes().to_vec()).map_err(|error| error.to_string())
            }
        };
        let answer = heard.map_err(refused)?;
        // Other programs print what they please; only an object is an answer.
        match serde_json::from_slice::<Answer>(&answer) {
            Ok(Answer { proceed: false, reason }) => {
                Err(refused(reason.unwrap_or_else(|| "it says no, and not why".to_owned())))
            }
            _ => Ok(()),
        }
    }
}

/// What a program says, or why it failed.
async fn execute(command: &str, input: &[u8]) -> Result<std::result::Result<Vec<u8>, String>> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read what it is told.
        let _unread = stdin.write_all(input).await;
    }
    let output = child.wait_with_output().await?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    let said = [&output.stderr, &output.stdout].map(|bytes| excerpt(bytes));
    let said = said.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
    Ok(Err(format!("{}: {said}", output.status)))
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
        write!(f, "{when}:{}={:?}", self.step, self.hearer)
    }
}

impl fmt::Debug for Hearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => f.write_str(command),
            Self::Web(url) => write!(f, "{}", shown(url)),
        }
    }
}

/// An address without what may be secret in it.
fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    // There is nothing to be taken out where neither can be.
    let _ = url.set_password(None).and_then(|()| url.set_username(""));
    url
}

impl FromStr for Hook {
    type Err = Error;

    /// Reads `before:stop_source=./drain.sh`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |message: String| {
            Error::new(ErrorKind::Config, message).with_object(format!("hook `{text}`")).with_hint(
                "write before:STEP=COMMAND or after:STEP=COMMAND; or https://... in the place of COMMAND",
            )
        };
        let (occasion, command) =
            text.split_once('=').ok_or_else(|| wrong("there is no command".to_owned()))?;
        let (when, step) = match occasion.split_once(':') {
            Some(("before", step)) => (When::Before, step),
            Some(("after", step)) => (When::After, step),
            _ => return Err(wrong("it must begin with `before:` or `after:`".to_owned())),
        };
        let found = step.parse::<Step>().ok().filter(|step| step.is_of_workloads());
        let step = found.ok_or_else(|| {
            let known = Step::ALL.iter().filter(|step| step.is_of_workloads()).map(|step| step.as_str());
            let known = known.collect::<Vec<&str>>().join(", ");
            wrong(format!("there is no step `{step}`; the steps are {known}"))
        })?;
        if command.trim().is_empty() {
            return Err(wrong("there is no command".to_owned()));
        }
        let hearer = match command.split_once("://") {
            Some(("https" | "http", _)) => {
                let url: Url = command.parse().map_err(|error| wrong(format!("{error}")))?;
                if url.scheme() == "http" && !is_this_machine(&url) {
                    return Err(wrong("what is told would be open to everybody on the way".to_owned())
                        .with_hint("write https://"));
                }
                Hearer::Web(url)
            }
            _ => Hearer::Command(command.to_owned()),
        };
        Ok(Self { when, step, hearer })
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{body_partial_json, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

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
        let hook: Hook = format!("before:stop_source={command}").parse().unwrap();
        hook.run(&occasion(), Duration::from_secs(5)).await
    }

    #[test]
    fn a_hook_is_written_as_it_is_read() {
        for text in ["before:stop_source=./drain.sh a=b", "after:create_server=echo moved"] {
            assert_eq!(text.parse::<Hook>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "stop_source=x",
            "before:stop_source",
            "before:stop_source= ",
            "before:lunch=x",
            "x:y=z",
            "before:stop_source=http://example.org/hook",
            "before:stop_source=https://",
        ] {
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

    #[tokio::test]
    async fn a_web_server_is_told_and_may_say_no() {
        let server = MockServer::start().await;
        let answer = |status| ResponseTemplate::new(status);
        let told =
            Mock::given(method("POST")).and(path("/yes")).and(body_partial_json(json!({"workload": "web"})));
        told.respond_with(answer(204)).expect(1).mount(&server).await;
        let no = Mock::given(path("/no"));
        no.respond_with(answer(200).set_body_json(json!({"proceed": false, "reason": "freeze"})))
            .mount(&server)
            .await;
        Mock::given(path("/broken")).respond_with(answer(500)).expect(1).mount(&server).await;
        run(&format!("{}/yes", server.uri())).await.unwrap();
        let error = run(&format!("{}/no?token=hunter2", server.uri())).await.unwrap_err().to_string();
        assert!(error.contains("freeze") && error.contains("/no") && !error.contains("hunter2"), "{error}");
        assert!(run(&format!("{}/broken?token=hunter2", server.uri())).await.is_err_and(|error| {
            let told = format!("{error} {error:?} {}", error.chain());
            told.contains("500") && !told.contains("hunter2")
        }));
    }
}
