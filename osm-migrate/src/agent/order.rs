//! What `agent fetch` is to do, as one line of JSON on its standard input. It holds secrets, so it is no argument.

use std::path::PathBuf;

use osm_transfer::block::ByteRange;
use osm_vmware::VirtualDisk;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::{Error, ErrorKind, Result};

/// Says that the volume has been told what it may lack from now on: it may be written.
pub(crate) const GO_ON: u8 = b'+';

/// The longest order: a million areas have some 30 MiB.
const LONGEST: u64 = 256 << 20;

/// A secret on its way to an agent. Only its serialised form tells it; `Debug` does not.
#[derive(Debug, Clone)]
pub struct Secret(pub SecretString);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.into()))
    }
}

/// How a vSphere is reached from the conversion host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Vsphere {
    /// The vCenter or ESXi host.
    pub server: String,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Authorities that are trusted besides those of the system, as PEM text.
    pub authorities: Option<String>,
    /// The SHA-256 fingerprint of the server's certificate.
    pub thumbprint: Option<String>,
}

/// A way to the bytes of a frozen disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum RemoteDisk {
    /// Its file, over HTTPS.
    Datastore {
        /// Whose datastore.
        vsphere: Vsphere,
        /// The machine: `vm-42`.
        machine: String,
        /// The disk as its snapshot has it.
        disk: Box<VirtualDisk>,
    },
    /// VMware's own library, in a process of its own.
    Vddk {
        /// Where the library is: the folder that holds `lib64`.
        libdir: PathBuf,
        /// Whose machine.
        vsphere: Vsphere,
        /// The machine: `vm-42`.
        machine: String,
        /// The snapshot: `snapshot-7`.
        snapshot: String,
        /// The disk's file at that point: `[datastore] folder/disk.vmdk`.
        file: String,
    },
    /// The protocol that VDDK speaks with ESXi hosts, by ourselves.
    Nfc {
        /// Whose machine.
        vsphere: Vsphere,
        /// The machine: `vm-42`.
        machine: String,
        /// The disk as its snapshot has it.
        disk: Box<VirtualDisk>,
    },
    /// An NBD server that serves it.
    Nbd {
        /// Where: `nbd+unix:///?socket=/run/app01-2000.sock`.
        uri: String,
    },
}

impl RemoteDisk {
    /// Its word, for messages.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Datastore { .. } => "datastore",
            Self::Vddk { .. } => "vddk",
            Self::Nfc { .. } => "nfc",
            Self::Nbd { .. } => "nbd",
        }
    }
}

/// What is to be fetched, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchOrder {
    /// The ways to the disk; the first that opens is taken.
    pub ways: Vec<RemoteDisk>,
    /// Bytes of the disk.
    pub size: u64,
    /// Areas to be copied again, as offset and length: what has changed in what is there.
    pub changed: Vec<(u64, u64)>,
    /// Where the first copy goes on; the size of the disk when it is complete.
    pub from: u64,
    /// Areas that have data, all else being zeroes; without it everything is read.
    pub allocated: Option<Vec<(u64, u64)>>,
    /// Nothing of what is there is trusted: everything is read, and what differs is written.
    pub compare: bool,
    /// Zeroes are written as bytes: the volume is encrypted.
    pub dense: bool,
    /// What was written is read back.
    pub prove: bool,
    /// After how many bytes of a first copy it is flushed, and that reported.
    pub segment: u64,
}

impl FetchOrder {
    /// Whether nothing is to be fetched.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.from >= self.size && !self.compare
    }
}

/// Reads what an agent is told: one line of JSON.
pub(super) async fn read_order<T: DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin)) -> Result<T> {
    let mut line = Vec::new();
    from.take(LONGEST).read_until(b'\n', &mut line).await?;
    serde_json::from_slice(&line).map_err(|error| {
        // Not the source: it may quote the line.
        let at = format!("line {} column {}", error.line(), error.column());
        Error::new(ErrorKind::Agent, format!("the order on standard input cannot be read at {at}"))
    })
}

/// Areas as the engine has them.
pub(super) fn ranges(areas: &[(u64, u64)]) -> Vec<ByteRange> {
    areas.iter().map(|(offset, len)| ByteRange::new(*offset, *len)).collect()
}
