//! A line for each call, so that a test sees what was called, in which order and by which thread.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::settings::settings;

/// Adds a line: the thread, what the call is about, and the call.
pub(crate) fn line(about: usize, call: &str) {
    let Some(path) = &settings().trace else { return };
    // One write, so that lines of several threads do not mix.
    let line = format!("thread={} about={about:#x} {call}\n", thread());
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        drop(file.write_all(line.as_bytes()));
    }
}

/// A rule of VDDK's is broken: says so, and ends the process.
pub(crate) fn violation(about: usize, rule: &str) -> ! {
    line(about, &format!("VIOLATION {rule}"));
    eprintln!("stand-in for VDDK: {rule}");
    std::process::abort()
}

/// The number that the kernel knows this thread by.
pub(crate) fn thread() -> String {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    link.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
