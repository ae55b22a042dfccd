//! From a ticket to an open disk.

use std::io;
use std::net::IpAddr;

use osm_transfer::runtime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::open::OpenDisk;
use super::options::NfcOptions;
use super::records::Records;
use super::ticket::Ticket;
use super::{authd, classic, tls};
use crate::{Error, ErrorKind, Result};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens a disk at the ticket's host, on the threads that move data.
///
/// # Errors
/// The host cannot be reached or does not take the ticket, shows another certificate, is too old, or refuses the disk.
pub(super) async fn open(ticket: Ticket, version: u32, path: &str, options: &NfcOptions) -> Result<OpenDisk> {
    let place = format!("{path} at {}:{}", ticket.host, ticket.port);
    let (path, options) = (path.to_owned(), options.clone());
    let data = runtime::handle()
        .map_err(|error| Error::new(ErrorKind::Config, "no threads to move data").with_source(error))?;
    let limit = options.timeout;
    let task = data.spawn(async move {
        let mut stream = connect(&ticket, options.encrypted).await?;
        classic::greet(&mut stream, version).await?;
        OpenDisk::open(stream, &path, &options).await
    });
    let _guard = AbortOnDrop(task.abort_handle());
    let opened = match timeout(limit, task).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            Err(Error::new(ErrorKind::Config, "a task that moves data panicked").with_source(error))
        }
        Err(_) => {
            let message = format!("the host did not open the disk within {} s", limit.as_secs_f32());
            Err(Error::new(ErrorKind::Unreachable, message))
        }
    };
    opened.map_err(|error| error.with_object(place))
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection that NFC is spoken over from here on.
async fn connect(ticket: &Ticket, encrypted: bool) -> Result<Box<dyn Stream>> {
    let mut stream = TcpStream::connect((ticket.host.as_str(), ticket.port)).await.map_err(|error| {
        Error::new(ErrorKind::Unreachable, "the machine's host cannot be reached").with_source(error).with_hint(
            "the bytes come from the ESXi host itself: its name must resolve here, and its port 902 be open to us",
        )
    })?;
    let broken = |error: io::Error| {
        Error::new(ErrorKind::Unreachable, "the connection to the machine's host failed").with_source(error)
    };
    // Requests are small, and each is waited for.
    stream.set_nodelay(true).map_err(broken)?;
    let address: IpAddr = stream.peer_addr().map_err(broken)?.ip();
    let banner = authd::banner(&mut stream).await?;
    if encrypted && !banner.encrypts {
        return Err(Error::new(ErrorKind::Unsupported, "the host does not encrypt NFC")
            .with_hint("without encryption the disks' bytes cross the network as they are"));
    }
    let mut first = tls::connect(ticket.thumbprint, &ticket.host, address, Records::new(stream)).await?;
    authd::hand_over(&mut first, ticket, banner, encrypted).await?;
    // The session is given up without a word: what follows on the connection is none of its records.
    let stream = first.into_inner().0.into_inner();
    let stream = stream.ok_or_else(|| Error::new(ErrorKind::BadResponse, "the host speaks out of turn"))?;
    if !encrypted {
        return Ok(Box::new(stream));
    }
    Ok(Box::new(tls::connect(ticket.thumbprint, &ticket.host, address, stream).await?))
}
