//! How OS Migrate moves disks: a server of the volume, an SSH forward to it, `qemu-img convert` through the
//! forward, and then the next volume.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::measure::{self, Run};
use crate::server::{Kind, Listen, Server, Setup};
use crate::table::Sshd;

/// Copies all volumes, one after the other, to files below `folder`. They stay until all are copied, as volumes
/// would: memory that a deleted file has given back is quicker to write than memory nobody had before.
pub(super) fn convert_all(volumes: &[PathBuf], folder: &Path, ours: &Path) -> Result<Run> {
    let sshd = Sshd::start(&folder.join("ssh-peer"))?;
    let began = Instant::now();
    let mut total = Run { wall: 0.0, cpu: 0.0, peak_kib: 0 };
    let mut targets = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let setup = Setup::tcp(Kind::QemuNbd, ours, volume)?;
        let Listen::Tcp(port) = setup.listen else { unreachable!("it is a TCP setup") };
        let server = Server::start(&setup)?;
        let tunnel = sshd.tunnel(port)?;
        let target = folder.join(format!("converted-{index}"));
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-f", "raw", "-O", "raw", &tunnel.uri()]).arg(&target);
        let run = measure::run(&mut convert)?;
        total.cpu += run.cpu;
        total.peak_kib = total.peak_kib.max(run.peak_kib);
        targets.push(target);
        drop((tunnel, server));
    }
    total.wall = began.elapsed().as_secs_f64();
    for target in targets {
        std::fs::remove_file(target)?;
    }
    Ok(total)
}
