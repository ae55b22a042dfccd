//! The program under test, run as an operator runs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use serde_json::Value;

/// One ended run of `osm-cli --output json`.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The JSON lines of standard output.
    pub events: Vec<Value>,
    /// What it said on standard error.
    pub stderr: String,
}

impl Run {
    /// Runs `osm-cli` with these arguments, JSON lines on, clouds from `clouds`.
    ///
    /// # Errors
    /// The program cannot be started, or printed something that is not a JSON line.
    pub fn of(clouds: &Path, arguments: &[&str]) -> io::Result<Self> {
        let output = Command::new(osm_cli()?)
            .args(["--output", "json", "--clouds"])
            .arg(clouds.as_os_str())
            .args(arguments.iter().map(OsStr::new))
            .stdin(Stdio::null())
            .output()?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let events = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(Self {
            code: output.status.code(),
            events,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The run itself when it ended with `code`; a panic that shows everything otherwise.
    ///
    /// # Panics
    /// The exit code is another one.
    pub fn expect_code(self, code: i32) -> Self {
        let events: Vec<String> = self.events.iter().map(Value::to_string).collect();
        assert_eq!(self.code, Some(code), "stderr:\n{}\nevents:\n{}", self.stderr, events.join("\n"));
        self
    }

    /// The events of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["event"] == name)
    }

    /// The closing summary.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn summary(&self) -> &Value {
        self.named("summary").last().unwrap_or_else(|| panic!("no summary among {:#?}", self.events))
    }
}

/// The program: `OSM_CLI`, or the one cargo built beside these tests.
///
/// # Errors
/// There is none yet.
pub fn osm_cli() -> io::Result<PathBuf> {
    if let Some(path) = env::var_os("OSM_CLI") {
        return Ok(path.into());
    }
    let tests = env::current_exe()?;
    let built = tests.ancestors().skip(1).map(|folder| folder.join("osm-cli")).find(|path| path.is_file());
    built.ok_or_else(|| io::Error::other("osm-cli is not built: run `cargo build -p osm-cli` first"))
}
