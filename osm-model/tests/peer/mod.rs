//! A Python process that answers with what PyYAML makes of a value.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const SERVER: &str = "
import json, sys, yaml
for line in sys.stdin:
    request = json.loads(line)
    value = request['value']
    try:
        equal = repr(yaml.safe_load(request['ours'])) == repr(yaml.safe_load(yaml.safe_dump(value)))
    except yaml.YAMLError:
        equal = False
    print(json.dumps({'dump': yaml.safe_dump(value), 'equal': equal}), flush=True)
";

pub(crate) struct PyYaml {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

pub(crate) struct Answer {
    pub(crate) dump: String,
    pub(crate) equal: bool,
}

impl PyYaml {
    /// Starts the peer; `None`, said on stderr, when PyYAML is not installed.
    pub(crate) fn start() -> Option<Self> {
        let probe = Command::new("python3").args(["-c", "import yaml"]).stderr(Stdio::null()).status();
        if !probe.is_ok_and(|status| status.success()) {
            assert!(std::env::var("OSM_REQUIRE_PEERS").as_deref() != Ok("1"), "PyYAML is not installed");
            // Not through the test's captured output: a skip is seen.
            std::io::stderr().write_all(b"skipped: PyYAML not installed\n").unwrap();
            return None;
        }
        let mut child = Command::new("python3")
            .args(["-c", SERVER])
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let requests = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Some(Self { child, requests, answers })
    }

    /// What PyYAML writes for `value`, and whether it reads the same from `ours`.
    pub(crate) fn ask(&mut self, value: &Value, ours: &str) -> Answer {
        writeln!(self.requests, "{}", json!({"value": value, "ours": ours})).expect("the peer listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        let answer: Value = serde_json::from_str(&line).expect("the peer answers in JSON");
        Answer {
            dump: answer["dump"].as_str().unwrap_or_default().to_owned(),
            equal: answer["equal"].as_bool().unwrap_or_default(),
        }
    }
}

impl Drop for PyYaml {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
