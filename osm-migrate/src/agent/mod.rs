//! What runs on a conversion host: `osm-cli agent ...`.
//!
//! ```text
//!   orchestrator: one unix socket pair
//!     one end  = stdin + stdout of  agent export DEVICE             our NBD server, read-only
//!     other    = stdin + stdout of  agent pull DEVICE --size N      our NBD client and engine
//! ```
//!
//! With `--link`, the two agree over that stream on TLS connections from host to host, and speak NBD there; where
//! the hosts cannot reach each other, they go on over the stream.
//!
//! An agent says what it does on standard error, one JSON [`Report`] a line, and writes a heartbeat
//! at least every 250 ms. One that cannot, or whose leash is gone, ends: an orchestrator that was
//! killed leaves no copier behind.

mod convert;
mod delta;
mod device;
mod disk;
mod domain;
mod fetch;
mod link;
mod order;
mod probe;
mod report;
mod stdio;
mod vddk;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::Result;

pub use self::convert::{ConvertDisk, ConvertOrder, ConvertStep, VirtV2v};
pub use self::device::DeviceSearch;
pub use self::link::LINK_PORTS;
pub(crate) use self::order::GO_ON;
pub use self::order::{FetchOrder, RemoteDisk, Secret, Vsphere};
pub use self::report::Report;

/// Names a file; an agent ends when the file does. For hosts behind SSH, where a reader that went
/// away is not noticed.
pub const LEASH: &str = "OSM_AGENT_LEASH";

/// Both agents of a disk get it, or neither.
const COMPRESS: &str = "--compress";
/// Likewise.
const DELTA: &str = "--delta";
/// Likewise; the one that dials gets the addresses of the other's host with it.
const LINK: &str = "--link";

/// Which volume a device must be once it is open. Between looking for it and opening it, the host may
/// have given its name to another volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the volume.
    pub volume: String,
    /// Where udev names devices by id, when not in the usual place.
    pub devices: Option<PathBuf>,
}

/// Arguments of `agent export`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportArgs {
    /// The device or file to serve, read-only.
    pub device: PathBuf,
    /// The volume that it must be.
    pub identity: Option<Identity>,
    /// What goes to the other agent is compressed where that pays.
    pub compress: bool,
    /// Hash the device first and tell the other agent the digests.
    pub delta: bool,
    /// Let the other agent come to this host by itself.
    pub link: bool,
}

/// Arguments of `agent pull`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullArgs {
    /// The device or file to write.
    pub device: PathBuf,
    /// How many bytes the served disk must have.
    pub size: u64,
    /// The volume that it must be.
    pub identity: Option<Identity>,
    /// What comes from the other agent is compressed.
    pub compress: bool,
    /// The device has an older state of the disk: compare digests first, and copy what differs.
    pub delta: bool,
    /// Where the other agent's host may be reached; none: what is served comes by standard input.
    pub link: Vec<String>,
}

/// Arguments of `agent fetch`; what it fetches stands in the [`FetchOrder`] on its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchArgs {
    /// The device or file to write.
    pub device: PathBuf,
    /// The volume that it must be.
    pub identity: Option<Identity>,
}

/// Arguments of `agent hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashArgs {
    /// The device or file to hash.
    pub device: PathBuf,
    /// How many bytes from its start.
    pub size: u64,
    /// The volume that it must be.
    pub identity: Option<Identity>,
}

/// Arguments of `agent device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceArgs {
    /// The ids of the volumes.
    pub volumes: Vec<String>,
    /// Where udev names devices by id, when not in the usual place.
    pub devices: Option<PathBuf>,
    /// How long the devices may take to appear.
    pub wait: Duration,
}

/// Arguments of `agent probe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeArgs {
    /// The addresses of the server.
    pub addresses: Vec<String>,
    /// The TCP port that one of them must answer on.
    pub port: u16,
    /// How long that may take.
    pub wait: Duration,
}

/// Arguments of `agent link`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkArgs {
    /// Where the other agent's host may be reached; none: wait for the other one.
    pub addresses: Vec<String>,
}

/// What an agent is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentCommand {
    /// Serve a device over NBD on standard input and output.
    Export(ExportArgs),
    /// Copy what standard input serves to a device.
    Pull(PullArgs),
    /// Convert a guest, as standard input orders.
    Convert,
    /// Copy a disk of a machine of vSphere to a device, as standard input orders.
    Fetch(FetchArgs),
    /// Hash the first bytes of a device.
    Hash(HashArgs),
    /// Find the devices of volumes.
    Device(DeviceArgs),
    /// See whether two hosts reach each other.
    Link(LinkArgs),
    /// See whether a server answers on a port.
    Probe(ProbeArgs),
}

impl Identity {
    fn words(identity: Option<&Self>) -> Vec<OsString> {
        let Some(Self { volume, devices }) = identity else { return Vec::new() };
        let mut words: Vec<OsString> = vec!["--volume".into(), volume.into()];
        if let Some(devices) = devices {
            words.extend(["--devices".into(), devices.into()]);
        }
        words
    }

    /// Whether the device at `path`, which is open, is the volume. While it is open, its name is not
    /// given to another.
    ///
    /// # Errors
    /// It is not.
    fn check(identity: Option<&Self>, path: &std::path::Path) -> Result<()> {
        match identity {
            Some(Self { volume, devices }) => DeviceSearch::new(devices.clone()).check(volume, path),
            None => Ok(()),
        }
    }
}

impl AgentCommand {
    /// The words after `osm-cli`.
    pub fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["agent".into()];
        match self {
            Self::Export(args) => {
                words.extend(["export".into(), args.device.clone().into()]);
                words.extend(Identity::words(args.identity.as_ref()));
                words.extend(args.compress.then(|| COMPRESS.into()));
                words.extend(args.delta.then(|| DELTA.into()));
                words.extend(args.link.then(|| LINK.into()));
            }
            Self::Pull(args) => {
                words.extend(["pull".into(), args.device.clone().into()]);
                words.extend(["--size".into(), args.size.to_string().into()]);
                words.extend(Identity::words(args.identity.as_ref()));
                words.extend(args.compress.then(|| COMPRESS.into()));
                words.extend(args.delta.then(|| DELTA.into()));
                words.extend(args.link.iter().flat_map(|address| [LINK.into(), address.into()]));
            }
            Self::Convert => words.push("convert".into()),
            Self::Fetch(args) => {
                words.extend(["fetch".into(), args.device.clone().into()]);
                words.extend(Identity::words(args.identity.as_ref()));
            }
            Self::Hash(args) => {
                words.extend(["hash".into(), args.device.clone().into()]);
                words.extend(["--size".into(), args.size.to_string().into()]);
                words.extend(Identity::words(args.identity.as_ref()));
            }
            Self::Device(args) => {
                words.push("device".into());
                words.extend(args.volumes.iter().map(OsString::from));
                words.extend(["--wait".into(), args.wait.as_secs().to_string().into()]);
                if let Some(devices) = &args.devices {
                    words.extend(["--devices".into(), devices.clone().into()]);
                }
            }
            Self::Link(args) => {
                words.push("link".into());
                words.extend(args.addresses.iter().map(OsString::from));
            }
            Self::Probe(args) => {
                words.push("probe".into());
                words.extend(args.addresses.iter().map(OsString::from));
                words.extend(["--port".into(), args.port.to_string().into()]);
                words.extend(["--wait".into(), args.wait.as_secs().to_string().into()]);
            }
        }
        words
    }

    /// Its verb, for messages.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Export(_) => "agent export",
            Self::Pull(_) => "agent pull",
            Self::Convert => "agent convert",
            Self::Fetch(_) => "agent fetch",
            Self::Hash(_) => "agent hash",
            Self::Device(_) => "agent device",
            Self::Link(_) => "agent link",
            Self::Probe(_) => "agent probe",
        }
    }
}

/// The device of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its path on the host.
    pub path: PathBuf,
    /// How many bytes it has.
    pub size: u64,
}

/// Serves a device, read-only, on standard input and output until the client leaves, and hashes it.
///
/// # Errors
/// The device cannot be read, the client broke the protocol, or nobody hears the agent any more.
pub async fn export(args: ExportArgs) -> Result<()> {
    let (reader, writer) = stdio::open()?;
    report::alive(|reporter| disk::serve(args, reader, writer, reporter)).await
}

/// Copies what standard input and output serve to a device, and hashes the copy.
///
/// # Errors
/// The device cannot be written, is in use or too small, the server failed, or nobody hears the
/// agent any more.
pub async fn pull(args: PullArgs) -> Result<()> {
    let (reader, writer) = stdio::open()?;
    report::alive(|reporter| disk::pull(args, reader, writer, reporter)).await
}

/// Makes a guest fit for the destination, or sees whether it can be.
///
/// # Errors
/// The order cannot be read, a program is not there or fails, or nobody hears the agent any more.
pub async fn convert() -> Result<()> {
    let (reader, _writer) = stdio::open()?;
    report::alive(|reporter| convert::run(reader, reporter)).await
}

/// Copies a disk of a machine of vSphere to a device.
///
/// # Errors
/// The order cannot be read, the disk or the device cannot be used, what is read back is not what was written, or
/// nobody hears the agent any more.
pub async fn fetch(args: FetchArgs) -> Result<()> {
    let (reader, _writer) = stdio::open()?;
    report::alive(|reporter| fetch::run(args, reader, reporter)).await
}

/// Opens a disk by VMware's library, as standard input orders, and serves it there. To be started by `agent fetch`, with
/// the library's folder in `LD_LIBRARY_PATH`.
///
/// # Errors
/// The library cannot be loaded, or the disk not be opened; the client broke the protocol.
pub async fn vddk() -> Result<()> {
    let (reader, writer) = stdio::open()?;
    vddk::serve(reader, writer).await
}

/// Hashes the first bytes of a device.
///
/// # Errors
/// The device cannot be read or is too small, or nobody hears the agent any more.
pub async fn hash(args: HashArgs) -> Result<()> {
    report::alive(|reporter| disk::hash(args, reporter)).await
}

/// Finds the devices of volumes.
///
/// # Errors
/// One does not appear in time, is ambiguous, or nobody hears the agent any more.
pub async fn device(args: DeviceArgs) -> Result<()> {
    report::alive(|reporter| async move {
        let search = DeviceSearch::new(args.devices);
        let found = args.volumes.iter().map(|volume| search.wait(volume, args.wait));
        reporter.say(Report::Devices { devices: try_join_all(found).await? });
        Ok(())
    })
    .await
}

/// Sees whether two hosts reach each other; what comes of it, the one that dials tells.
///
/// # Errors
/// The other agent is gone, or nobody hears this one any more.
pub async fn link(args: LinkArgs) -> Result<()> {
    let (reader, writer) = stdio::open()?;
    report::alive(|reporter| async move {
        match args.addresses.is_empty() {
            true => link::offer(reader, writer).await.map(drop),
            false => link::reach(&args.addresses, reader, writer, &reporter).await.map(drop),
        }
    })
    .await
}

/// Sees whether a server answers on a port.
///
/// # Errors
/// Nobody hears the agent any more.
pub async fn probe(args: ProbeArgs) -> Result<()> {
    report::alive(|reporter| async move {
        let answers = probe::reach(&args.addresses, args.port, args.wait).await;
        reporter.say(Report::Probed { answers });
        Ok(())
    })
    .await
}
