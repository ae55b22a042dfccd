//! What was measured: raw rows in a file, the middle and the edges on the terminal.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::measure::Run;

/// One run of one program.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) round: u32,
    /// As which it ran in its round, from 1.
    pub(crate) turn: u32,
    pub(crate) tool: String,
    pub(crate) run: Run,
    pub(crate) server_cpu: f64,
}

/// A file of rows below `results`, of today and this host.
#[derive(Debug)]
pub(crate) struct RawFile {
    file: File,
    path: PathBuf,
}

impl RawFile {
    pub(crate) fn append(bench: &str) -> Result<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&folder)?;
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".to_owned());
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let path = folder.join(format!("{day}-{}-{bench}.csv", host.trim()));
        let is_new = !path.exists();
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        if is_new {
            writeln!(file, "time,mib,round,turn,tool,wall_s,client_cpu_s,server_cpu_s")?;
        }
        Ok(Self { file, path })
    }

    pub(crate) fn write(&mut self, mib: u64, row: &Row) -> Result<()> {
        let Row { round, turn, tool, run, server_cpu } = row;
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let Run { wall, cpu, .. } = run;
        writeln!(self.file, "{time},{mib},{round},{turn},{tool},{wall:.3},{cpu:.2},{server_cpu:.2}")?;
        Ok(())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

/// The least, the middle and the most of some numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one number.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let (min, max) = (*numbers.first()?, *numbers.last()?);
        let middle = numbers.len() / 2;
        let median = if numbers.len().is_multiple_of(2) {
            f64::midpoint(numbers[middle - 1], numbers[middle])
        } else {
            numbers[middle]
        };
        Some(Self { min, median, max })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6.3} {:6.3} {:6.3}", self.min, self.median, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).unwrap().median, 2.0);
        assert!(Spread::of([]).is_none());
    }
}
