//! Endpoints: what a person writes for a disk, a path or an NBD URI.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::block::{BlockSink, BlockSource};
use crate::decorate::{Patience, Reconnect};
use crate::file::FileDisk;
use crate::nbd::{Client, ClientOptions, Uri};
use crate::{Error, ErrorKind, Result};

/// Where a disk is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A regular file or a block device.
    File(PathBuf),
    /// An export of an NBD server.
    Nbd(Uri),
}

/// How an [`Endpoint`] is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// How many connections to open to an NBD server that allows several.
    pub connections: usize,
    /// How long an NBD server may stand still before it is given up.
    pub timeout: Duration,
    /// How long to wait for another process to let go of a file that is to be written.
    pub lock_wait: Duration,
    /// How long a server that is read from may be gone; without it not at all.
    pub patience: Option<Patience>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let ClientOptions { connections, timeout, .. } = ClientOptions::default();
        Self { connections, timeout, lock_wait: Duration::ZERO, patience: None }
    }
}

impl Endpoint {
    /// Opens the disk for reading; it is never written through what is returned.
    ///
    /// # Errors
    /// It does not exist, cannot be read, or its server cannot be reached.
    pub async fn open_source(&self, options: &OpenOptions) -> Result<Arc<dyn BlockSource>> {
        match self {
            Self::File(path) => Ok(Arc::new(FileDisk::open_source(path).await?)),
            Self::Nbd(uri) => {
                let (uri, client) = (uri.clone(), options.client());
                let open = move || {
                    let (uri, client) = (uri.clone(), client.clone());
                    async move {
                        let disk: Arc<dyn BlockSource> = Arc::new(Client::connect(&uri, &client).await?);
                        Ok(disk)
                    }
                    .boxed()
                };
                match options.patience {
                    Some(patience) => Ok(Arc::new(Reconnect::open(open, patience).await?)),
                    None => open().await,
                }
            }
        }
    }

    /// Opens the disk for writing a copy of `size` bytes. A file that does not exist is made.
    ///
    /// # Errors
    /// It is smaller than `size`, refuses writes, is being written by somebody else, or its server
    /// cannot be reached.
    pub async fn open_sink(&self, size: u64, options: &OpenOptions) -> Result<Arc<dyn BlockSink>> {
        match self {
            Self::File(path) => {
                Ok(Arc::new(FileDisk::open_sink_within(path, size, options.lock_wait).await?))
            }
            Self::Nbd(uri) => {
                let client = Client::connect(uri, &options.client()).await?;
                if let Err(error) = accepts(&client, size) {
                    // The refusal is what the caller must hear, not how the goodbye went.
                    let _ = client.close().await;
                    return Err(error.with_endpoint(uri.to_string()));
                }
                Ok(Arc::new(client))
            }
        }
    }
}

impl Endpoint {
    /// A name for a journal that is another one once the bytes may be others: for a file its place on
    /// the file system and the time of its last change.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn identity_as_source(&self) -> Result<String> {
        self.identity(true)
    }

    /// A name for a journal that stays the same while the disk is written.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn identity_as_sink(&self) -> Result<String> {
        self.identity(false)
    }

    fn identity(&self, with_time: bool) -> Result<String> {
        let Self::File(path) = self else { return Ok(self.to_string()) };
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::from(error).with_endpoint(path.display().to_string()).with_operation("identify")
        })?;
        // A device keeps its name, not its number, when it is attached anew.
        if !metadata.is_file() {
            return Ok(path.display().to_string());
        }
        let (device, inode) = (metadata.dev(), metadata.ino());
        let time = match with_time {
            true => format!(", changed {}.{:09}", metadata.mtime(), metadata.mtime_nsec()),
            false => String::new(),
        };
        Ok(format!("{} (file {device}:{inode}{time})", path.display()))
    }
}

fn accepts(client: &Client, size: u64) -> Result<()> {
    if client.read_only() {
        return Err(Error::new(ErrorKind::ReadOnly, "the export refuses writes"));
    }
    if client.size() < size {
        return Err(too_small(client.size(), size));
    }
    Ok(())
}

/// The refusal of a target of `target` bytes for a source of `source` bytes.
pub(crate) fn too_small(target: u64, source: u64) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("target is smaller than source: it has {target} bytes, the source {source}"),
    )
}

impl OpenOptions {
    fn client(&self) -> ClientOptions {
        ClientOptions { connections: self.connections, timeout: self.timeout, ..ClientOptions::default() }
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// A text that starts with an NBD scheme is a URI, everything else is a path.
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Config, "an endpoint is a path or an NBD URI, not nothing"));
        }
        match text.split_once("://") {
            Some(("nbd" | "nbds" | "nbd+unix" | "nbds+unix", _)) => Ok(Self::Nbd(text.parse()?)),
            Some((scheme, _)) if is_scheme(scheme) => Err(Error::new(
                ErrorKind::Config,
                format!("`{scheme}` is no scheme of a disk: write a path, nbd:// or nbd+unix://"),
            )
            .with_endpoint(text)),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Nbd(uri) => write!(f, "{uri}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_round_trip() {
        for text in ["disk.img", "/dev/disk/by-id/virtio-0", "nbd://host:10810/x", "nbd+unix:///?socket=/s"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("./a://b".parse::<Endpoint>().unwrap(), Endpoint::File("./a://b".into()));
    }

    #[test]
    fn a_foreign_scheme_is_a_config_error() {
        for text in ["", "http://host/disk", "ssh://host", "nbd:///x"] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
    }
}
