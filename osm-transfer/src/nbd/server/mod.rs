//! The server: named exports over unix sockets, TCP or a ready stream.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::Result;
use crate::block::{BlockSink, BlockSource};

/// A disk under a name.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// A line for those who list the exports.
    pub description: String,
    /// What is read.
    pub source: Arc<dyn BlockSource>,
    /// What is written; without it the export is read-only.
    pub sink: Option<Arc<dyn BlockSink>>,
}

impl Export {
    /// A read-only export.
    pub fn read_only(name: impl Into<String>, source: Arc<dyn BlockSource>) -> Self {
        Self { name: name.into(), description: String::new(), source, sink: None }
    }

    /// An export that can be read and written; `disk` is both.
    pub fn writable(name: impl Into<String>, source: Arc<dyn BlockSource>, sink: Arc<dyn BlockSink>) -> Self {
        Self { name: name.into(), description: String::new(), source, sink: Some(sink) }
    }
}

/// Limits of a [`Server`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// How many connections are served at once; more are closed at once.
    pub connections: usize,
    /// How many payload bytes one connection may have under way.
    pub in_flight: usize,
    /// How many requests one connection may have under way.
    pub requests: usize,
    /// Offer structured replies, and with them block status.
    pub structured: bool,
    /// How long a peer may stand still in the middle of a message.
    pub timeout: Duration,
    /// How long requests under way may take to end at shutdown.
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
    _exports: Arc<Vec<Export>>,
    _options: ServerOptions,
}

impl Server {
    /// A server of `exports`.
    pub fn new(exports: Vec<Export>, options: ServerOptions) -> Self {
        Self { _exports: Arc::new(exports), _options: options }
    }

    /// Serves every connection of `listener` until `shutdown` is ready.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve_unix(
        &self,
        _listener: UnixListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        shutdown.await;
        Ok(())
    }

    /// The same over TCP.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve_tcp(
        &self,
        _listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        shutdown.await;
        Ok(())
    }

    /// Serves one ready stream until the client leaves.
    ///
    /// # Errors
    /// The client broke the protocol or the stream failed.
    pub async fn serve_stream(
        &self,
        _reader: impl AsyncRead + Send + Unpin + 'static,
        _writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<()> {
        Ok(())
    }
}
