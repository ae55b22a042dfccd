//! What goes out, and what befalls it.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::host::Host;

pub(super) struct Outlet<W> {
    host: Arc<Host>,
    writer: W,
}

impl<W: AsyncWrite + Unpin> Outlet<W> {
    pub(super) fn new(host: Arc<Host>, writer: W) -> Self {
        Self { host, writer }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The client has gone, or the connection shall end.
    pub(super) async fn send(&mut self, mut message: Vec<u8>) -> io::Result<()> {
        let ends = self.host.befalls_message(&mut message);
        self.writer.write_all(&message).await?;
        self.writer.flush().await?;
        if ends { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}
