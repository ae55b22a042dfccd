//! A Python process that answers with what PyYAML makes of a value.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const SERVER: &str = "
import json, sys, yaml

def same(one, two):
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two

def first_other(text, values):
    try:
        read = yaml.safe_load(text)['resources']
    except (yaml.YAMLError, ValueError, TypeError) as error:
        return 'unreadable: %s' % error
    if len(read) != len(values):
        return '%d resources' % len(read)
    for one, two in zip(read, values):
        if not same(one, two):
            return 'read %r, meant %r' % (one, two)

for line in sys.stdin:
    request = json.loads(line)
    if 'values' in request:
        print(json.dumps(first_other(request['ours'], request['values'])), flush=True)
        continue
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

    /// The first resource of the file `ours` that PyYAML reads as another value; none when all are
    /// what they should be, type by type.
    pub(crate) fn first_other(&mut self, values: &[Value], ours: &str) -> Option<String> {
        let answer = self.request(&json!({"values": values, "ours": ours}));
        answer.as_str().map(str::to_owned)
    }

    fn request(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the peer listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        serde_json::from_str(&line).expect("the peer answers in JSON")
    }

    /// What PyYAML writes for `value`, and whether it reads the same from `ours`.
    pub(crate) fn ask(&mut self, value: &Value, ours: &str) -> Answer {
        let answer = self.request(&json!({"value": value, "ours": ours}));
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
