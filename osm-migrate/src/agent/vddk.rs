//! `agent vddk`: VMware's library in a process of its own, whose disk is served over NBD.
//!
//! ```text
//!   agent fetch                                   agent vddk, LD_LIBRARY_PATH = the library's folder
//!     one JSON line: what to open    ------->     load, connect, open
//!     one JSON line: opened, or why not  <---
//!     NBD client                     <------>     NBD server, read-only
//! ```
//!
//! The library brings an OpenSSL and a C++ runtime of its own, and is known to crash: neither shall happen to the agent.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use osm_transfer::block::{BlockSource, Buffer, ByteRange, Capabilities, Extent};
use osm_transfer::nbd::{Client, ClientOptions, Export, Server, ServerOptions};
use osm_vmware::vddk::{Vddk, VddkCompression, VddkOptions};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::order::Secret;
use super::stdio::{Reader, Writer};
use crate::{Error, ErrorKind, Result};

/// The longest line before NBD begins.
const LONGEST: u64 = 64 << 10;

/// A disk that VDDK is to open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VddkOrder {
    pub(super) libdir: PathBuf,
    pub(super) server: String,
    pub(super) port: u16,
    pub(super) thumbprint: String,
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) machine: String,
    pub(super) snapshot: String,
    pub(super) file: String,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Opened {
    Yes,
    No(String),
}

/// Opens the disk and serves it until the client leaves.
pub(super) async fn serve(reader: Reader, mut writer: Writer) -> Result<()> {
    let mut reader = BufReader::new(reader);
    let order: VddkOrder = line(&mut reader).await?;
    let (vddk, disk) = match open(order).await {
        Ok(opened) => opened,
        Err(error) => {
            say(&mut writer, &Opened::No(error.chain())).await?;
            return Err(error);
        }
    };
    say(&mut writer, &Opened::Yes).await?;
    let server = Server::new(vec![Export::read_only("", disk)], ServerOptions::default());
    let served = server.serve_stream(Box::new(reader), writer).await;
    drop(server);
    vddk.disconnect().await;
    Ok(served?)
}

async fn open(order: VddkOrder) -> Result<(Vddk, Arc<dyn BlockSource>)> {
    let options = VddkOptions {
        libdir: order.libdir,
        server: order.server,
        port: Some(order.port),
        nfc_port: None,
        thumbprint: order.thumbprint,
        user: order.user,
        password: order.password.0,
        machine: order.machine,
        snapshot: order.snapshot,
        transports: None,
        compression: VddkCompression::default(),
    };
    let vddk = tokio::task::spawn_blocking(|| Vddk::load(options)).await.map_err(std::io::Error::other)??;
    let disk = vddk.open(&order.file).await?;
    Ok((vddk, Arc::new(disk)))
}

/// A disk of VDDK's, and the process that has it.
#[derive(Debug)]
pub(super) struct Served {
    disk: Client,
    /// It ends with the connection; it is killed when this is dropped.
    _process: Child,
}

#[async_trait]
impl BlockSource for Served {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { splice: false, ..self.disk.capabilities() }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> osm_transfer::Result<Buffer> {
        self.disk.read(offset, buffer).await
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        self.disk.extents(range).await
    }
}

/// Starts the process, and opens the disk through it.
pub(super) async fn open_in_child(order: &VddkOrder) -> Result<Served> {
    osm_vmware::vddk::library_path(&order.libdir)?;
    let (near, far) = UnixStream::pair()?;
    let far = OwnedFd::from(far);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["agent", "vddk"]).env("LD_LIBRARY_PATH", library_folders(&order.libdir));
    command.stdin(Stdio::from(far.try_clone()?)).stdout(Stdio::from(far)).stderr(Stdio::inherit());
    let mut process = command.kill_on_drop(true).spawn()?;
    // It holds the other end of the socket: a process that dies must be noticed.
    drop(command);
    near.set_nonblocking(true)?;
    let (reader, mut writer) = tokio::net::UnixStream::from_std(near)?.into_split();
    let mut reader = BufReader::new(reader);
    let opened = async {
        say(&mut writer, order).await?;
        line::<Opened>(&mut reader).await
    };
    match opened.await {
        Ok(Opened::Yes) => {}
        Ok(Opened::No(why)) => return Err(Error::new(ErrorKind::Agent, why)),
        Err(_) => {
            let status = process.wait().await?;
            let message = format!("VDDK's process ended before the disk was open: {status}");
            return Err(Error::new(ErrorKind::Agent, message)
                .with_object(order.libdir.display().to_string())
                .with_hint("see whether the library is complete, and made for this system"));
        }
    }
    let streams: Vec<(Reader, Writer)> = vec![(Box::new(reader), Box::new(writer))];
    let disk = Client::over_all(streams, "", &ClientOptions::default()).await?;
    Ok(Served { disk, _process: process })
}

/// Where the library finds what it came with, before what the system has.
fn library_folders(libdir: &Path) -> OsString {
    let mut folders = libdir.join("lib64").into_os_string();
    if let Some(others) = std::env::var_os("LD_LIBRARY_PATH").filter(|others| !others.is_empty()) {
        folders.push(":");
        folders.push(others);
    }
    folders
}

async fn say<T: Serialize>(writer: &mut (impl tokio::io::AsyncWrite + Unpin), what: &T) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    Ok(writer.flush().await?)
}

async fn line<T: for<'de> Deserialize<'de>>(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin),
) -> Result<T> {
    let mut text = Vec::new();
    reader.take(LONGEST).read_until(b'\n', &mut text).await?;
    // Not the source: it may quote the line.
    serde_json::from_slice(&text)
        .map_err(|_| Error::new(ErrorKind::Agent, "the line before NBD cannot be read"))
}
