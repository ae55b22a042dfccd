//! Programs that copy from an NBD server to a file, each at its best settings.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// A program that copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Nbdcopy,
    QemuImg,
    Ours,
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nbdcopy => "nbdcopy",
            Self::QemuImg => "qemu-img",
            Self::Ours => "osm",
        }
    }

    /// A copy from `from` to the fresh file `to`, which `qemu-img` wants to be there already.
    pub(crate) fn command(self, ours: &Path, from: &str, to: &Path, size: u64) -> Result<Command> {
        let mut command = match self {
            Self::Nbdcopy => Command::new("nbdcopy"),
            Self::QemuImg => {
                File::create(to)?.set_len(size)?;
                let mut command = Command::new("qemu-img");
                command.args(["convert", "-n", "-W", "-m", "16", "--target-is-zero"]);
                command.args(["-f", "raw", "-O", "raw"]);
                command
            }
            Self::Ours => {
                let mut command = Command::new(ours);
                let is_this = ours.file_name().is_some_and(|name| name == "osm-benches");
                command.arg(if is_this { "one" } else { "copy" });
                command
            }
        };
        command.arg(from).arg(to);
        Ok(command)
    }
}
