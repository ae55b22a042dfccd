//! The client: one or several connections to an export.

mod connection;
mod cover;
mod disk;
mod failure;
mod handshake;
mod pending;
mod receive;
mod send;
mod table;
mod watch;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use self::connection::{Connection, Unclaimed};
use self::handshake::{Negotiated, Ready};
use self::pending::Outcome;
use self::table::Operation;
use super::transport::{self, Reader, Writer};
use super::uri::{Address, Uri};
use super::wire::PeerMisbehaved;
use super::wire::consts::TransmissionFlags;
use crate::{Error, ErrorKind, Result, Retry, runtime};

/// How a [`Client`] connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// How many connections to open when the server allows several.
    pub connections: usize,
    /// Ask for structured replies.
    pub structured: bool,
    /// Ask for block status (`base:allocation`); needs structured replies.
    pub meta_context: bool,
    /// How long the server may stand still, in the handshake or with requests under way, before
    /// the connection is given up.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { connections: 2, structured: true, meta_context: true, timeout: Duration::from_secs(60) }
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
///
/// A request goes over the connection with the fewest under way. Any number of requests may be
/// under way at once; each takes its buffer and gives it back with the result. A request whose
/// future is dropped is still carried out, and if it fails, the next flush says so.
#[derive(Debug)]
pub struct Client {
    connections: Vec<Connection>,
    /// Every connection is a socket and nothing is between it and the bytes.
    plain: bool,
    negotiated: Negotiated,
    unclaimed: Unclaimed,
    endpoint: String,
}

/// The exports of a server.
///
/// # Errors
/// The server cannot be reached or does not list its exports.
pub async fn list(uri: &Uri) -> Result<Vec<ExportInfo>> {
    let options = ClientOptions::default();
    let listing = async { handshake::list(dial(uri).await?, uri.secure()).await };
    within(options.timeout, listing).await.map_err(|error| error.with_endpoint(uri.to_string()))
}

impl Client {
    /// Connects to the export that `uri` names; with several connections when the server says
    /// that they see the same bytes (`NBD_FLAG_CAN_MULTI_CONN`).
    ///
    /// # Errors
    /// The server cannot be reached, has no such export, or breaks the protocol.
    pub async fn connect(uri: &Uri, options: &ClientOptions) -> Result<Self> {
        let (uri, options) = (uri.clone(), options.clone());
        // The sockets belong to the threads that move data.
        runtime::run(async move { Self::connect_here(&uri, &options).await }).await
    }

    async fn connect_here(uri: &Uri, options: &ClientOptions) -> Result<Self> {
        let endpoint = uri.to_string();
        let one = || async {
            let entering =
                async { handshake::enter(dial(uri).await?, uri.secure(), uri.export(), options).await };
            within(options.timeout, entering).await.map_err(|error| error.with_endpoint(&endpoint))
        };
        let mut client = Self::start(one().await?, endpoint.clone(), options);
        if client.can(TransmissionFlags::NBD_FLAG_CAN_MULTI_CONN) {
            while client.connections.len() < options.connections {
                client.join(one().await?, options)?;
            }
        }
        Ok(client)
    }

    /// Speaks over one ready stream: pipes, a socket pair, a TLS session.
    ///
    /// A stream that was made while [`runtime::handle`] was entered costs least.
    ///
    /// # Errors
    /// As for `connect`.
    pub async fn over(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        export: &str,
        options: &ClientOptions,
    ) -> Result<Self> {
        Self::over_all(vec![(Box::new(reader), Box::new(writer))], export, options).await
    }

    /// The same over several streams to one server, all of which are used if it says that they see the same
    /// bytes (`NBD_FLAG_CAN_MULTI_CONN`), and the first alone if not.
    ///
    /// # Errors
    /// As for `connect`; there is no stream.
    pub async fn over_all(
        streams: Vec<(Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>)>,
        export: &str,
        options: &ClientOptions,
    ) -> Result<Self> {
        let endpoint = format!("export `{export}` over a stream");
        let (export, options) = (export.to_owned(), options.clone());
        runtime::run(async move {
            let mut client: Option<Self> = None;
            for (reader, writer) in streams {
                let entering = handshake::enter(transport::stream(reader, writer), None, &export, &options);
                let entered = within(options.timeout, entering).await;
                let ready = entered.map_err(|error| error.with_endpoint(&endpoint))?;
                match &mut client {
                    None => client = Some(Self::start(ready, endpoint.clone(), &options)),
                    Some(client) => client.join(ready, &options)?,
                }
                if !client.as_ref().is_some_and(|first| first.can(TransmissionFlags::NBD_FLAG_CAN_MULTI_CONN))
                {
                    break;
                }
            }
            client.ok_or_else(|| Error::new(ErrorKind::Config, "there is no stream to the server"))
        })
        .await
    }

    /// Takes one more connection, which must see the same bytes.
    fn join(&mut self, ready: Ready, options: &ClientOptions) -> Result<()> {
        if ready.negotiated.size != self.negotiated.size || ready.negotiated.flags != self.negotiated.flags {
            return Err(Error::from(PeerMisbehaved::ExportChanged).with_endpoint(&self.endpoint));
        }
        self.add(ready, options);
        Ok(())
    }

    fn start(ready: Ready, endpoint: String, options: &ClientOptions) -> Self {
        let negotiated = ready.negotiated;
        let unclaimed = Arc::new(Mutex::new(None));
        let mut client = Self { connections: Vec::new(), plain: true, negotiated, unclaimed, endpoint };
        client.add(ready, options);
        client
    }

    fn add(&mut self, ready: Ready, options: &ClientOptions) {
        let unclaimed = Arc::clone(&self.unclaimed);
        self.plain &= ready.reader.is_socket();
        self.connections.push(Connection::start(ready, options.timeout, unclaimed));
    }

    /// How many bytes the export has.
    pub fn size(&self) -> u64 {
        self.negotiated.size
    }

    /// Whether the export refuses writes.
    pub fn read_only(&self) -> bool {
        self.can(TransmissionFlags::NBD_FLAG_READ_ONLY)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Waits for what is under way, says goodbye and closes every connection; requests made
    /// afterwards fail.
    ///
    /// # Errors
    /// A connection was gone already, or the server stands still.
    pub async fn close(&self) -> Result<()> {
        let mut result = Ok(());
        for connection in &self.connections {
            // Each is closed, whatever befell the others.
            result = result.and(connection.close().await);
        }
        result.map_err(|error| self.located(error, "disconnect"))
    }

    /// Closes every connection, as [`Client::close`] does.
    ///
    /// # Errors
    /// As for `close`.
    pub async fn disconnect(self) -> Result<()> {
        self.close().await
    }

    fn can(&self, flags: TransmissionFlags) -> bool {
        self.negotiated.flags.contains(flags)
    }

    fn located(&self, error: Error, operation: &'static str) -> Error {
        let error = match error.context().endpoint {
            Some(_) => error,
            None => error.with_endpoint(&self.endpoint),
        };
        if error.context().operation.is_some() { error } else { error.with_operation(operation) }
    }

    async fn submit(&self, operation: Operation) -> Result<Outcome> {
        let name = operation.command.name();
        let least = self.connections.iter().filter_map(|one| Some((one.load()?, one))).min_by_key(|it| it.0);
        // When all have ended, the first says why.
        let chosen = least.map(|it| it.1).or(self.connections.first());
        let chosen = chosen.ok_or_else(|| Error::new(ErrorKind::Io, "no NBD connection"))?;
        chosen.submit(operation).await.map_err(|error| self.located(error, name))
    }

    /// The error of a write that nobody waited for.
    fn unclaimed(&self) -> Result<()> {
        match self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.with_endpoint(&self.endpoint)),
            None => Ok(()),
        }
    }
}

async fn dial(uri: &Uri) -> Result<(Reader, Writer)> {
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Io, "cannot connect to the NBD server")
            .with_retry(Retry::Safe)
            .with_source(error)
    };
    match uri.address() {
        Address::Unix(path) => Ok(transport::unix(UnixStream::connect(path).await.map_err(failed)?)),
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            transport::tcp(stream).map_err(failed)
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| error.with_operation("handshake")),
        Err(elapsed) => {
            let message = format!("the NBD server did not answer within {} s", limit.as_secs_f32());
            Err(Error::new(ErrorKind::Io, message)
                .with_retry(Retry::Safe)
                .with_operation("handshake")
                .with_source(elapsed))
        }
    }
}
