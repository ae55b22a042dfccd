//! The server: named exports over unix sockets, TCP or a ready stream.
//!
//! ```text
//!   listener -> handshake -> export
//!                              |
//!   request loop -> one task per request -> reply, whole, in the order of completion
//!        '--- waits while too many bytes or requests are under way
//! ```
//!
//! All connections to an export share its source and its sink, so that a flush on one covers what
//! was written over all: every export advertises `NBD_FLAG_CAN_MULTI_CONN`.

mod connection;
mod handshake;
mod listen;
mod outbox;
mod reply;
mod work;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::tls::ServerTls;
use super::transport;
use super::wire::consts::{MAX_PAYLOAD, TransmissionFlags};
use crate::Result;
use crate::block::{BlockSink, BlockSize, BlockSource};

/// A disk under a name.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// A line for those who list the exports.
    pub description: String,
    /// What is read.
    pub source: Arc<dyn BlockSource>,
    /// What is written, the same disk as the source; without it the export is read-only.
    pub sink: Option<Arc<dyn BlockSink>>,
}

/// Limits of a [`Server`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// How many connections are served at once; further ones are closed as they come.
    pub connections: usize,
    /// How many payload bytes one connection may have under way.
    pub in_flight: usize,
    /// How many requests one connection may have under way.
    pub requests: usize,
    /// Offer structured replies, and with them block status.
    pub structured: bool,
    /// How long the handshake may take, and how long a client may stand still in the middle of a
    /// message. Between messages it may be idle for ever.
    pub timeout: Duration,
    /// How long requests under way may take to end when the client leaves or the server shuts
    /// down.
    pub drain: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections: 64,
            in_flight: 64 << 20,
            requests: 64,
            structured: true,
            timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves exports; the empty name means the first.
#[derive(Debug, Clone)]
pub struct Server {
    exports: Arc<Vec<Export>>,
    options: ServerOptions,
    tls: Option<ServerTls>,
}

impl Export {
    /// A read-only export.
    pub fn read_only(name: impl Into<String>, source: Arc<dyn BlockSource>) -> Self {
        Self { name: name.into(), description: String::new(), source, sink: None }
    }

    /// An export that can be read and written; both ends are the same disk.
    pub fn writable(name: impl Into<String>, source: Arc<dyn BlockSource>, sink: Arc<dyn BlockSink>) -> Self {
        Self { name: name.into(), description: String::new(), source, sink: Some(sink) }
    }

    /// What the export can do, as the protocol says it.
    fn flags(&self, structured: bool) -> TransmissionFlags {
        let mut flags = TransmissionFlags::NBD_FLAG_HAS_FLAGS | TransmissionFlags::NBD_FLAG_CAN_MULTI_CONN;
        flags.set(TransmissionFlags::NBD_FLAG_SEND_DF, structured);
        let Some(sink) = &self.sink else {
            return flags | TransmissionFlags::NBD_FLAG_READ_ONLY;
        };
        let capabilities = sink.capabilities();
        flags |= TransmissionFlags::NBD_FLAG_SEND_FLUSH
            | TransmissionFlags::NBD_FLAG_SEND_FUA
            | TransmissionFlags::NBD_FLAG_SEND_WRITE_ZEROES;
        flags.set(TransmissionFlags::NBD_FLAG_SEND_TRIM, capabilities.trim);
        flags.set(TransmissionFlags::NBD_FLAG_SEND_FAST_ZERO, capabilities.fast_zero);
        flags
    }

    /// The sizes of requests, as the protocol wants them: powers of two, none above the portable
    /// maximum.
    fn block_size(&self) -> BlockSize {
        let source = self.source.capabilities().block_size;
        let sink = self.sink.as_ref().map_or(source, |sink| sink.capabilities().block_size);
        let power = |size: u32| size.clamp(1, MAX_PAYLOAD).next_power_of_two();
        let minimum = power(source.minimum.max(sink.minimum));
        let preferred = power(source.preferred.max(sink.preferred)).max(minimum);
        let maximum = source.maximum.min(sink.maximum).min(MAX_PAYLOAD);
        BlockSize { minimum, preferred, maximum: (maximum / minimum * minimum).max(preferred) }
    }
}

impl Server {
    /// A server of `exports`.
    pub fn new(exports: Vec<Export>, options: ServerOptions) -> Self {
        Self { exports: Arc::new(exports), options, tls: None }
    }

    /// The same server, which tells nothing outside TLS.
    #[must_use]
    pub fn with_tls(self, tls: ServerTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Serves every connection of `listener` until `shutdown` is ready; then what is under way is
    /// finished, and the clients are disconnected.
    ///
    /// # Errors
    /// The listener failed. A failed connection is logged and concerns nobody else.
    pub async fn serve_unix(
        &self,
        listener: UnixListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        listen::serve(self, shutdown, || async {
            let (stream, _) = listener.accept().await?;
            Ok(transport::unix(stream))
        })
        .await
    }

    /// The same over TCP.
    ///
    /// # Errors
    /// As for `serve_unix`.
    pub async fn serve_tcp(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        listen::serve(self, shutdown, || async {
            let (stream, _) = listener.accept().await?;
            transport::tcp(stream)
        })
        .await
    }

    /// Serves one ready stream until the client leaves: pipes, a socket pair, a TLS session.
    ///
    /// # Errors
    /// The client broke the protocol or the stream failed.
    pub async fn serve_stream(
        &self,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<()> {
        let (reader, writer) = transport::stream(reader, writer);
        // The sender stays: nobody but the client ends this.
        let (_open, mut shutdown) = watch::channel(());
        connection::serve(self, reader, writer, &mut shutdown).await
    }

    /// The export of that name; the empty name means the first.
    fn find(&self, name: &str) -> Option<&Export> {
        let named = self.exports.iter().find(|export| export.name == name);
        named.or_else(|| self.exports.first().filter(|_| name.is_empty()))
    }
}
