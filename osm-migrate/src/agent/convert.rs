//! `agent convert`: a guest made fit for the destination by `virt-v2v-in-place`, on overlays of its disks.
//!
//! ```text
//!   check     whether what it takes is there                       before the machine is stopped
//!   convert   device <- overlay, all disks together; virt-v2v      fails: the overlays go, the copies are unharmed
//!   commit    device <= overlay                                    cut off: the copies are neither, and say so
//! ```
//!
//! virt-v2v leaves a disk in an unknown state when it fails, so it never gets the only copy.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::order::read_order;
use super::report::{Report, Reporter};
use super::stdio::Reader;
use super::{Identity, domain};
use crate::{Error, ErrorKind, Result};

/// Where distributions keep the program besides `PATH`.
const FOLDERS: [&str; 3] = ["/usr/libexec", "/usr/lib/virt-v2v", "/usr/local/bin"];

const V2V: &str = "virt-v2v-in-place";
const QEMU_IMG: &str = "qemu-img";

/// How many lines of what a program said are told.
const TOLD: usize = 12;

/// What is to be done with the disks of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConvertStep {
    /// See whether it can be.
    Check,
    /// Convert the guest on overlays, which stay.
    Convert,
    /// Write the overlays to the disks.
    Commit,
    /// Throw the overlays away.
    Discard,
}

/// A disk of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertDisk {
    /// The device.
    pub device: PathBuf,
    /// The volume that it must be, and where udev names devices by id.
    pub volume: String,
    /// Where udev names devices by id, when not in the usual place.
    pub devices: Option<PathBuf>,
}

/// How virt-v2v is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtV2v {
    /// The program on the conversion host; none: `virt-v2v-in-place` where it usually is.
    pub program: Option<PathBuf>,
    /// The ISO or folder of virtio-win on the conversion host, for guests with Windows.
    pub virtio_win: Option<PathBuf>,
    /// The SHA-256 of the ISO, in hex.
    pub virtio_win_sha256: Option<String>,
    /// The folder for overlays on the conversion host: they need about 1 GiB a guest.
    pub scratch: Option<PathBuf>,
    /// Further words for the program: `--key=all:clevis`. Which ones it knows depends on its version.
    pub words: Vec<String>,
}

/// What `agent convert` reads from standard input, as one line of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConvertOrder {
    /// What is to be done.
    pub step: ConvertStep,
    /// The job, which names the overlays.
    pub job: String,
    /// The disks, the one it boots from first.
    pub disks: Vec<ConvertDisk>,
    /// Whether its firmware is UEFI.
    pub uefi: bool,
    /// Whether its guest is Windows.
    pub windows: bool,
    /// How it is done.
    pub how: VirtV2v,
}

pub(super) async fn run(order: Reader, reporter: Reporter) -> Result<()> {
    let order: ConvertOrder = read_order(&mut BufReader::new(order)).await?;
    let mut warnings = Vec::new();
    let detail = match order.step {
        ConvertStep::Check => check(&order).await?,
        ConvertStep::Convert => {
            let converted = convert(&order).await;
            if converted.is_err() {
                discard(&order).await?;
            }
            warnings = converted?;
            "virt-v2v-in-place".to_owned()
        }
        ConvertStep::Commit => commit(&order).await?,
        ConvertStep::Discard => {
            discard(&order).await?;
            "the overlays are gone".to_owned()
        }
    };
    reporter.say(Report::Converted { detail, warnings });
    Ok(())
}

/// Whether what it takes is there.
async fn check(order: &ConvertOrder) -> Result<String> {
    let program = program(order)?;
    find(QEMU_IMG, &[])?;
    if order.windows {
        let drivers = order.how.virtio_win.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Blocked, "a guest with Windows needs the drivers of virtio-win")
                .with_hint("name their ISO on the conversion host: --virtio-win FILE")
        })?;
        check_drivers(drivers, order.how.virtio_win_sha256.as_deref()).await?;
    }
    Ok(program.display().to_string())
}

async fn check_drivers(drivers: &Path, wanted: Option<&str>) -> Result<()> {
    let blocked =
        |message: String| Error::new(ErrorKind::Blocked, message).with_object(drivers.display().to_string());
    let found = tokio::fs::metadata(drivers).await;
    let found = found.map_err(|error| blocked("virtio-win is not there".to_owned()).with_source(error))?;
    let Some(wanted) = wanted else { return Ok(()) };
    if !found.is_file() {
        return Err(blocked("a folder has no hash: name the ISO".to_owned()));
    }
    let path = drivers.to_owned();
    let hash = tokio::task::spawn_blocking(move || sha256(&path)).await.map_err(std::io::Error::other)??;
    match hash.eq_ignore_ascii_case(wanted) {
        true => Ok(()),
        false => Err(blocked(format!("virtio-win has the SHA-256 {hash}, not {wanted}"))),
    }
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => context.update(&piece[..count]),
        }
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Gives what virt-v2v warns of.
async fn convert(order: &ConvertOrder) -> Result<Vec<String>> {
    check(order).await?;
    let folder = folder(order);
    discard(order).await?;
    tokio::fs::create_dir_all(&folder).await?;
    let mut overlays = Vec::new();
    for (index, disk) in order.disks.iter().enumerate() {
        identity(disk)?;
        let overlay = overlay(&folder, index);
        let mut create = Command::new(QEMU_IMG);
        create.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(&disk.device).arg(&overlay);
        done(create, QEMU_IMG).await?;
        overlays.push(overlay);
    }
    let xml = folder.join("domain.xml");
    tokio::fs::write(&xml, domain::xml(&order.job, &overlays, order.uefi)).await?;
    let mut v2v = Command::new(program(order)?);
    v2v.args(&order.how.words).args(["--root", "first", "-i", "libvirtxml"]).arg(&xml);
    if std::env::var_os("LIBGUESTFS_BACKEND").is_none() {
        v2v.env("LIBGUESTFS_BACKEND", "direct");
    }
    if let Some(drivers) = &order.how.virtio_win {
        v2v.env("VIRTIO_WIN", drivers);
    }
    done(v2v, V2V).await
}

async fn commit(order: &ConvertOrder) -> Result<String> {
    let folder = folder(order);
    for (index, disk) in order.disks.iter().enumerate() {
        identity(disk)?;
        let mut commit = Command::new(QEMU_IMG);
        // `none`: written past the cache, and flushed.
        commit.args(["commit", "-q", "-f", "qcow2", "-t", "none"]).arg(overlay(&folder, index));
        done(commit, QEMU_IMG).await?;
    }
    discard(order).await?;
    Ok(format!("{} disks", order.disks.len()))
}

async fn discard(order: &ConvertOrder) -> Result<()> {
    match tokio::fs::remove_dir_all(folder(order)).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The device must still be the volume's.
fn identity(disk: &ConvertDisk) -> Result<()> {
    let identity = Identity { volume: disk.volume.clone(), devices: disk.devices.clone() };
    Identity::check(Some(&identity), &disk.device)
}

/// Where the overlays of a job are.
fn folder(order: &ConvertOrder) -> PathBuf {
    let scratch = order.how.scratch.clone().unwrap_or_else(|| PathBuf::from("/var/tmp"));
    let job: String =
        order.job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    scratch.join(format!("osm-convert-{job}"))
}

fn overlay(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("disk-{index}.qcow2"))
}

fn program(order: &ConvertOrder) -> Result<PathBuf> {
    match &order.how.program {
        Some(program) if program.is_file() => Ok(program.clone()),
        Some(program) => Err(missing(&program.display().to_string())),
        None => find(V2V, &FOLDERS),
    }
}

/// A program on `PATH`, or in one of these folders.
fn find(name: &str, folders: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let elsewhere = folders.iter().map(|folder| Path::new(folder).join(name));
    on_path.chain(elsewhere).find(|program| program.is_file()).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Blocked, format!("the conversion host has no {name}"))
        .with_hint("install virt-v2v there, or say --convert none for guests that have virtio drivers")
}

/// Runs a program to its end; gives the warnings among what it said.
async fn done(mut command: Command, name: &str) -> Result<Vec<String>> {
    let failed = |message: String| Error::new(ErrorKind::Agent, message);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child =
        command.spawn().map_err(|error| failed(format!("{name} cannot be started")).with_source(error))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::try_join!(listen(stdout), listen(stderr))?;
    let status = child.wait().await?;
    match status.success() {
        true => Ok(out.warnings.into_iter().chain(err.warnings).collect()),
        false => {
            let said = if err.last.is_empty() { out.last } else { err.last };
            Err(failed(format!("{name} failed, {status}: {}", Vec::from(said).join(" / "))))
        }
    }
}

/// What a program said, as far as it is told.
#[derive(Default)]
struct Said {
    last: VecDeque<String>,
    warnings: Vec<String>,
}

async fn listen(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<Said> {
    let mut said = Said::default();
    let Some(stream) = stream else { return Ok(said) };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.contains("warning:") && said.warnings.len() < TOLD {
            said.warnings.push(text.clone());
        }
        if said.last.len() == TOLD {
            said.last.pop_front();
        }
        said.last.push_back(text);
        line.clear();
    }
    Ok(said)
}
