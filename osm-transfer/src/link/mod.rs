//! Several TLS 1.3 connections between two programs that already share one trusted stream.
//!
//! ```text
//!   A   one-off certificate a                B   one-off certificate b
//!   fingerprints and a port over the trusted stream (an SSH channel, say)
//!   Listener::bind(ports, a, pin b)          dial(addresses, port, b, pin a)
//!   accept(n)           <==== n connections ====        n connections
//! ```
//!
//! Each end shows a certificate that was made for this link, and accepts the one of the other end and no
//! other, whoever else finds the port. Keys never leave the memory of their process.

mod one_off;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

pub use self::one_off::OneOff;
pub use crate::nbd::Fingerprint;
use crate::{Error, ErrorKind, Result, runtime};

/// How long a connection that was accepted may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many strangers may be in the midst of a handshake; the next one waits.
const STRANGERS: usize = 64;

/// The name in every certificate. Nobody looks at it: the fingerprint decides.
const NAME: &str = "osm";

/// One connection of a link.
pub type Stream = TlsStream<TcpStream>;

/// Waits for the connections of the other end.
pub struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    port: u16,
}

impl Listener {
    /// Listens on the first of `ports` that is free, on every address; only `peer` will be let in.
    ///
    /// # Errors
    /// None of the ports can be had.
    pub async fn bind(ports: RangeInclusive<u16>, own: &OneOff, peer: Fingerprint) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(own.server(peer)?));
        runtime::run(async move {
            let mut refused = None;
            for port in ports {
                match bind(port).await {
                    Ok(listener) => {
                        let port = listener.local_addr()?.port();
                        return Ok(Self { listener, acceptor, port });
                    }
                    Err(error) => refused = Some(error),
                }
            }
            let error = Error::new(ErrorKind::Io, "no port to listen on can be had");
            Err(match refused {
                Some(refused) => error.with_source(refused),
                None => error,
            })
        })
        .await
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The `count` connections of one [`dial`], in the dialler's order. Whoever else comes is turned away.
    ///
    /// # Errors
    /// The listener failed. That nobody comes is no error: this waits.
    ///
    /// # Cancel safety
    /// When it is dropped, what was accepted is closed.
    pub async fn accept(self, count: usize) -> Result<Vec<Stream>> {
        runtime::run(async move {
            let mut streams = BTreeMap::new();
            let mut handshakes = JoinSet::new();
            while streams.len() < count {
                tokio::select! {
                    accepted = self.listener.accept(), if handshakes.len() < STRANGERS => {
                        let (socket, from) = accepted?;
                        let acceptor = self.acceptor.clone();
                        handshakes.spawn(async move {
                            let entered = timeout(HANDSHAKE, enter(acceptor, socket)).await;
                            (from, entered.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())))
                        });
                    }
                    Some(entered) = handshakes.join_next() => match entered {
                        Ok((_, Ok((index, stream)))) => drop(streams.insert(index, stream)),
                        Ok((from, Err(error))) => tracing::warn!(%from, %error, "a connection was turned away"),
                        Err(error) => tracing::warn!(%error, "a handshake ended early"),
                    },
                }
            }
            Ok(streams.into_values().collect())
        })
        .await
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Both protocols where the system has both.
async fn bind(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

/// The handshake, and which of the connections it is.
async fn enter(acceptor: TlsAcceptor, socket: TcpStream) -> std::io::Result<(u8, Stream)> {
    socket.set_nodelay(true)?;
    let mut session = acceptor.accept(socket).await?;
    let index = session.read_u8().await?;
    Ok((index, session.into()))
}

/// Opens `count` connections to the listener of `peer`, at the first of its addresses where it answers within
/// `wait`; gives that address, too.
///
/// # Errors
/// It answers at none of them, or something else does: the message names each.
///
/// # Cancel safety
/// When it is dropped, what was opened is closed.
pub async fn dial(
    addresses: &[String],
    port: u16,
    count: u8,
    own: &OneOff,
    peer: Fingerprint,
    wait: Duration,
) -> Result<(Vec<Stream>, SocketAddr)> {
    let connector = TlsConnector::from(Arc::new(own.client(peer)?));
    let addresses = addresses.to_vec();
    runtime::run(async move {
        let mut failures = Vec::new();
        for address in &addresses {
            match timeout(wait, knock(&connector, address, port, count)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => failures.push(format!("{address}: {error}")),
                Err(_) => failures.push(format!("{address}: no answer within {} s", wait.as_secs_f32())),
            }
        }
        let message = format!("port {port} cannot be reached: {}", failures.join("; "));
        Err(Error::new(ErrorKind::Io, message))
    })
    .await
}

async fn knock(
    connector: &TlsConnector,
    address: &str,
    port: u16,
    count: u8,
) -> std::io::Result<(Vec<Stream>, SocketAddr)> {
    let first = TcpStream::connect((address, port)).await?;
    let at = first.peer_addr()?;
    let mut streams = vec![introduce(connector, first, 0).await?];
    for index in 1..count {
        streams.push(introduce(connector, TcpStream::connect(at).await?, index).await?);
    }
    Ok((streams, at))
}

async fn introduce(connector: &TlsConnector, socket: TcpStream, index: u8) -> std::io::Result<Stream> {
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
    let mut session = connector.connect(name, socket).await?;
    session.write_u8(index).await?;
    session.flush().await?;
    Ok(session.into())
}
