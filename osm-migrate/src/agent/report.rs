//! What an agent says, and the thread that says it.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use osm_transfer::transfer::{Advance, Progress};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Device, LEASH};
use crate::{Error, ErrorKind, Result};

/// How long an agent may be silent.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// One line of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The agent is alive.
    Heartbeat,
    /// Bytes done so far.
    Progress {
        /// Bytes that travelled, or were hashed.
        copied: u64,
        /// Bytes known to be zero, or to be there already.
        zeroed: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A disk was copied and flushed.
    Pulled {
        /// Bytes of the disk.
        size: u64,
        /// Bytes that travelled.
        copied: u64,
        /// Bytes known to be zero.
        zeroed: u64,
        /// Bytes that were on both ends before, and did not travel.
        same: u64,
        /// The root of the copy's hash, in hex: of what was read from it once it was written.
        root: String,
    },
    /// A disk of a machine was opened.
    Opened {
        /// By what: `datastore`.
        by: String,
        /// What it could not be opened by, and why.
        instead_of: Vec<String>,
    },
    /// Everything before this byte of a disk is copied and flushed.
    Reached {
        /// The byte.
        offset: u64,
    },
    /// A disk of a machine was fetched and flushed.
    Fetched {
        /// Bytes of the disk.
        size: u64,
        /// Bytes that were read from the machine's disk.
        read: u64,
        /// Bytes that were written; of a disk that was compared, those that differed.
        written: u64,
        /// Bytes that were read back after they were flushed, and are what was written.
        proven: u64,
    },
    /// A step of a conversion is done.
    Converted {
        /// What is to be told of it.
        detail: String,
        /// What the program that did it warns of.
        warnings: Vec<String>,
    },
    /// A disk was hashed.
    Hashed {
        /// Bytes of the disk.
        size: u64,
        /// The root of the hash, in hex.
        root: String,
    },
    /// Devices were found.
    Devices {
        /// In the order of the volumes.
        devices: Vec<Device>,
    },
    /// The other agent was reached, or not.
    Linked {
        /// The address and port where it was.
        at: Option<String>,
        /// Why it was not.
        why_not: Option<String>,
    },
    /// A server was probed.
    Probed {
        /// Whether it answers.
        answers: bool,
    },
    /// The agent failed; its last line.
    Failed {
        /// What kind of error it was.
        kind: ErrorKind,
        /// What failed, with its causes.
        message: String,
    },
}

/// Says reports through the agent's thread.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    lines: mpsc::Sender<Report>,
    progress: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    copied: AtomicU64,
    zeroed: AtomicU64,
    total: AtomicU64,
}

impl Reporter {
    /// Says a report; the thread's end is noticed elsewhere.
    pub(super) fn say(&self, report: Report) {
        let _ended = self.lines.send(report);
    }
}

#[cfg(test)]
impl Reporter {
    /// A reporter whose reports come out of the receiver.
    pub(super) fn to_channel() -> (Self, mpsc::Receiver<Report>) {
        let (lines, inbox) = mpsc::channel();
        (Self { lines, progress: Arc::default() }, inbox)
    }
}

impl Progress for Reporter {
    fn advance(&self, advance: Advance) {
        self.progress.copied.store(advance.copied, Ordering::Relaxed);
        self.progress.zeroed.store(advance.zeroed, Ordering::Relaxed);
        self.progress.total.store(advance.total, Ordering::Relaxed);
    }
}

/// Runs `work` as long as somebody hears; a failure is said before it is returned.
pub(super) async fn alive<W, F>(work: W) -> Result<()>
where
    W: FnOnce(Reporter) -> F,
    F: Future<Output = Result<()>>,
{
    let (lines, inbox) = mpsc::channel();
    let progress = Arc::new(Counters::default());
    let (ended, unheard) = oneshot::channel();
    let leash = std::env::var_os(LEASH).map(PathBuf::from);
    let counters = Arc::clone(&progress);
    // A thread of its own: neither a busy runtime nor a slow disk makes the agent seem dead.
    let speaker = std::thread::Builder::new().name("reports".into()).spawn(move || {
        let _nobody_waits = ended.send(speak(&inbox, &counters, leash.as_deref()));
    })?;
    let reporter = Reporter { lines, progress };
    let result = tokio::select! {
        // Dropping the work ends it: the copier must not outlive who asked for it.
        heard = unheard => Err(match heard {
            Ok(Err(error)) => error,
            _ => Error::new(ErrorKind::Agent, "the reporting thread ended early"),
        }),
        result = work(reporter.clone()) => result,
    };
    if let Err(error) = &result {
        reporter.say(Report::Failed { kind: error.kind(), message: error.chain() });
    }
    drop(reporter);
    if speaker.join().is_err() {
        return Err(Error::new(ErrorKind::Agent, "the reporting thread panicked"));
    }
    result
}

/// Writes what is sent until every sender is gone; a heartbeat when there is nothing.
fn speak(inbox: &mpsc::Receiver<Report>, counters: &Counters, leash: Option<&std::path::Path>) -> Result<()> {
    let mut said = Report::Heartbeat;
    loop {
        let report = match inbox.recv_timeout(HEARTBEAT) {
            Ok(report) => report,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let progress = progress(counters);
                if progress == said { Report::Heartbeat } else { progress }
            }
        };
        write_line(&report)?;
        if let Report::Progress { .. } = report {
            said = report;
        }
        if leash.is_some_and(|leash| !leash.exists()) {
            return Err(Error::new(ErrorKind::Agent, "the orchestrator is gone"));
        }
    }
}

fn progress(counters: &Counters) -> Report {
    let total = counters.total.load(Ordering::Relaxed);
    if total == 0 {
        return Report::Heartbeat;
    }
    Report::Progress {
        copied: counters.copied.load(Ordering::Relaxed),
        zeroed: counters.zeroed.load(Ordering::Relaxed),
        total,
    }
}

fn write_line(report: &Report) -> Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    std::io::stderr()
        .lock()
        .write_all(&line)
        .map_err(|error| Error::new(ErrorKind::Agent, "nobody hears the agent any more").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_of_json() {
        let found = Report::Devices { devices: vec![Device { path: "/dev/vdb".into(), size: 5 }] };
        let line = serde_json::to_string(&found).unwrap();
        assert_eq!(line, r#"{"report":"devices","devices":[{"path":"/dev/vdb","size":5}]}"#);
        assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), found);
    }

    #[test]
    fn a_leash_that_is_gone_ends_the_speaker() {
        let (_lines, inbox) = mpsc::channel();
        let gone = std::path::Path::new("/nonexistent/leash");
        let error = speak(&inbox, &Counters::default(), Some(gone)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Agent);
    }
}
