//! The accept loop and the drain.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::transport::{Reader, Writer};
use super::{Server, connection};
use crate::{Error, ErrorKind, Result};

/// How long to wait when the system is out of descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves what `accept` brings until `shutdown` is ready.
pub(super) async fn serve<A, F>(
    server: &Server,
    shutdown: impl Future<Output = ()>,
    mut accept: A,
) -> Result<()>
where
    A: FnMut() -> F,
    F: Future<Output = io::Result<(Reader, Writer)>>,
{
    let (open, closed) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let result = loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = accept() => match accepted {
                Ok(_) if connections.len() >= server.options.connections => {
                    tracing::warn!(limit = server.options.connections, "too many NBD connections, one is refused");
                }
                Ok((reader, writer)) => {
                    let (server, mut closed) = (server.clone(), closed.clone());
                    connections.spawn(async move {
                        if let Err(error) = connection::serve(&server, reader, writer, &mut closed).await {
                            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "an NBD connection failed");
                        }
                    });
                }
                Err(error) if transient(&error) => sleep(EXHAUSTED).await,
                Err(error) => {
                    break Err(Error::new(ErrorKind::Io, "cannot accept NBD connections").with_source(error));
                }
            },
        }
    };
    drop(open);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Each connection keeps to its own limit; this one is for the unforeseen.
    if timeout(server.options.drain.saturating_mul(2), drained).await.is_err() {
        tracing::warn!("NBD connections did not end in time and are cut");
    }
    connections.shutdown().await;
    result
}

/// Whether the listener itself is still good.
fn transient(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    let exhausted = exhausted.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    exhausted
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::NotConnected
                | io::ErrorKind::Interrupted
        )
}
