//! `workload_logs/NAME.log` and `NAME.state`, as OS Migrate writes them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Zoned;

use crate::data_dir::replace;
use crate::{DataDir, Error, Result};

/// The log of a job, and the progress of its disks.
#[derive(Debug)]
pub(crate) struct JobLog {
    file: Mutex<File>,
    state: PathBuf,
    percent: Mutex<BTreeMap<String, f64>>,
}

impl JobLog {
    /// Opens the log to append to it.
    pub(crate) fn open(data_dir: &DataDir, workload: &str) -> Result<Self> {
        let path = data_dir.workload_log(workload);
        data_dir.create_parent(&path)?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&path)
            .map_err(|error| Error::from(error).with_object(path.display().to_string()))?;
        let state = data_dir.workload_state(workload);
        Ok(Self { file: Mutex::new(file), state, percent: Mutex::default() })
    }

    pub(crate) fn info(&self, message: &str) {
        self.line("INFO", message);
    }

    pub(crate) fn error(&self, message: &str) {
        self.line("ERROR", message);
    }

    fn line(&self, level: &str, message: &str) {
        let now = Zoned::now().strftime("%Y-%m-%d %H:%M:%S,%3f").to_string();
        let line = format!("{now}:{level}: {} (osm_migrate:workload)\n", message.replace('\n', " "));
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not stop a migration half way.
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the workload's log cannot be written");
        }
    }

    /// Writes how many percent of a device are copied; only whole steps are worth a file.
    pub(crate) fn progress(&self, device: &str, done: u64, total: u64) {
        let percent = percent(done, total);
        let mut all = self.percent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(device).is_some_and(|known| percent < 100.0 && percent - known < 1.0) {
            return;
        }
        all.insert(device.to_owned(), percent);
        let written = serde_json::to_vec(&*all)
            .map_err(std::io::Error::other)
            .and_then(|text| replace(&self.state, &text, 0o640));
        if let Err(error) = written {
            tracing::warn!(%error, "the workload's state file cannot be written");
        }
    }
}

fn percent(done: u64, total: u64) -> f64 {
    if total == 0 {
        return 100.0;
    }
    // In tenths of a percent: no float has to hold a disk's size.
    let tenths = u128::from(done) * 1000 / u128::from(total);
    f64::from(u16::try_from(tenths.min(1000)).unwrap_or(1000)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_file_maps_devices_to_percent() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path());
        let log = JobLog::open(&data_dir, "web").unwrap();
        log.progress("/dev/vda", 0, 1000);
        log.progress("/dev/vdb", 375, 1000);
        log.progress("/dev/vda", 1000, 1000);
        let text = std::fs::read_to_string(data_dir.workload_state("web")).unwrap();
        assert_eq!(text, r#"{"/dev/vda":100.0,"/dev/vdb":37.5}"#);
    }

    #[test]
    fn log_lines_have_the_known_shape() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path());
        JobLog::open(&data_dir, "web").unwrap().info("step copy_disks");
        let text = std::fs::read_to_string(data_dir.workload_log("web")).unwrap();
        let (stamp, rest) = text.split_at("2026-01-01 00:00:00,000".len());
        assert!(stamp.as_bytes()[10] == b' ' && stamp.as_bytes()[19] == b',', "{text}");
        assert_eq!(rest, ":INFO: step copy_disks (osm_migrate:workload)\n");
    }
}
