//! The client: one or several connections to an export.

use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Uri;
use crate::block::{BlockSink, BlockSource, Buffer, ByteRange, Capabilities, Extent, ZeroMode};
use crate::{Error, ErrorKind, Result};

/// How a [`Client`] connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// How many connections to open when the server allows several.
    pub connections: usize,
    /// Ask for structured replies.
    pub structured: bool,
    /// Ask for block status (`base:allocation`); needs structured replies.
    pub meta_context: bool,
    /// How long the peer may stand still before the connection is given up.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { connections: 4, structured: true, meta_context: true, timeout: Duration::from_secs(60) }
    }
}

/// What a server says of one of its exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportInfo {
    /// Its name.
    pub name: String,
    /// What the server's operator says of it.
    pub description: String,
    /// How many bytes it has, if the server told.
    pub size: Option<u64>,
    /// Whether it refuses writes, if the server told.
    pub read_only: Option<bool>,
}

/// One or several connections to an export.
#[derive(Debug)]
pub struct Client {}

fn later() -> Error {
    Error::new(ErrorKind::PeerUnsupported, "not built yet")
}

/// The exports of a server.
///
/// # Errors
/// The server cannot be reached or does not list its exports.
pub async fn list(_uri: &Uri, _options: &ClientOptions) -> Result<Vec<ExportInfo>> {
    Err(later())
}

impl Client {
    /// Connects to the export that `uri` names.
    ///
    /// # Errors
    /// The server cannot be reached, has no such export, or breaks the protocol.
    pub async fn connect(_uri: &Uri, _options: &ClientOptions) -> Result<Self> {
        Err(later())
    }

    /// Speaks over one ready stream.
    ///
    /// # Errors
    /// As for `connect`.
    pub async fn over(
        _reader: impl AsyncRead + Send + Unpin + 'static,
        _writer: impl AsyncWrite + Send + Unpin + 'static,
        _export: &str,
        _options: &ClientOptions,
    ) -> Result<Self> {
        Err(later())
    }

    /// How many bytes the export has.
    pub fn size(&self) -> u64 {
        0
    }

    /// Whether the export refuses writes.
    pub fn read_only(&self) -> bool {
        true
    }

    /// Says goodbye and closes every connection.
    ///
    /// # Errors
    /// A connection was gone already.
    pub async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl BlockSource for Client {
    fn size(&self) -> u64 {
        0
    }
    fn capabilities(&self) -> Capabilities {
        unreachable!()
    }
    async fn read(&self, _offset: u64, _buffer: Buffer) -> Result<Buffer> {
        Err(later())
    }
    async fn extents(&self, _range: ByteRange) -> Result<Vec<Extent>> {
        Err(later())
    }
}

#[async_trait]
impl BlockSink for Client {
    fn size(&self) -> u64 {
        0
    }
    fn capabilities(&self) -> Capabilities {
        unreachable!()
    }
    async fn write(&self, _offset: u64, _buffer: Buffer) -> Result<Buffer> {
        Err(later())
    }
    async fn zero(&self, _range: ByteRange, _mode: ZeroMode) -> Result<()> {
        Err(later())
    }
    async fn flush(&self) -> Result<()> {
        Err(later())
    }
}
