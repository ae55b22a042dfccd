//! TLS connections, with a switch each.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::api::listener::{LabStream, Wire};

/// How long a client may take to agree on a session.
const HANDSHAKE: Duration = Duration::from_secs(20);

type Stream = LabStream<TlsStream<TcpStream>>;

/// Hands out connections once they are encrypted: a client that is slow at that keeps nobody waiting.
pub(super) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl TlsListener {
    pub(super) fn start(listener: std::net::TcpListener, tls: ServerConfig) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (sender, ready) = mpsc::channel(64);
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let (acceptor, sender) = (acceptor.clone(), sender.clone());
                        tokio::spawn(async move {
                            // Small answers should not wait for the peer's acknowledgement.
                            let _ = stream.set_nodelay(true);
                            // Whoever does not trust us, or says nothing, is let go.
                            let accepted = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
                            if let Ok(Ok(stream)) = accepted {
                                let _ = sender.send((LabStream::new(stream), peer)).await;
                            }
                        });
                    }
                    // Out of files, or a connection that died while waiting: neither ends the service.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Ok(Self { address, ready })
    }
}

impl Listener for TlsListener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.io().wire()
    }
}
