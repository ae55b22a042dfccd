//! An ESXi host's port 902 on loopback: the daemon that takes tickets, and NFC behind it, which serves disks.
//!
//! ```text
//!   entry      banner, TLS, SESSION, BANNER, THUMBPRINT_SHA2, PROXY, a second TLS       identity   its certificate
//!   classic    messages of 264 bytes, until several things can be done at once
//!   session    requests and replies: wire       disk   a file that is open       skip   zeroes left out
//!   host       what all connections share: tickets, behaviour, mishaps
//!   outlet     what goes out, and what befalls it
//! ```
//!
//! It answers as such a host does where a client could tell, and is stricter where a client should not find out: reads
//! are of whole sectors, within the disk, and no more at once than there are buffers for.

mod behaviour;
mod classic;
mod disk;
mod entry;
mod host;
mod identity;
mod outlet;
mod session;
mod skip;
mod wire;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;

use self::host::Host;
use self::identity::Identity;
use crate::runtime::Runtime;

pub use self::behaviour::{NfcBehaviour, NfcMishap, NfcRefusal};

/// A host that serves disks until it is dropped.
pub struct NfcServer {
    host: Arc<Host>,
    address: SocketAddr,
    /// What serves it, where that is its own.
    _runtime: Option<Runtime>,
}

/// Leave to connect once, as vSphere hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfcTicket {
    /// Where to.
    pub address: SocketAddr,
    /// SHA-1 of the certificate there: `AA:BB:...`.
    pub thumbprint: String,
    /// What the connection is asked for: `vpxa-nfc`.
    pub service: &'static str,
    /// The secret.
    pub session_id: String,
}

impl NfcServer {
    /// Opens a port on loopback. `files` gives the file with the bytes of a disk, by its path in a datastore:
    /// `[ds] app/app.vmdk`.
    ///
    /// # Errors
    /// No port can be opened.
    pub fn start(
        files: impl Fn(&str) -> Result<PathBuf, NfcRefusal> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let runtime = Runtime::start()?;
        let server = Self::serve(&runtime.handle(), files)?;
        Ok(Self { _runtime: Some(runtime), ..server })
    }

    /// The same on threads of somebody else.
    pub(crate) fn serve(
        handle: &Handle,
        files: impl Fn(&str) -> Result<PathBuf, NfcRefusal> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let host = Arc::new(Host::new(Identity::new()?, Box::new(files))?);
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _entered = handle.enter();
        let listener = TcpListener::from_std(listener)?;
        let served = Arc::clone(&host);
        handle.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        // Small answers should not wait for the peer's acknowledgement.
                        let _ = stream.set_nodelay(true);
                        tokio::spawn(session::connection(Arc::clone(&served), stream));
                    }
                    // Out of files, or a connection that died while waiting: neither ends the service.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Ok(Self { host, address, _runtime: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A ticket for one connection.
    pub fn ticket(&self) -> NfcTicket {
        self.host.ticket(self.address)
    }

    /// How it behaves from now on.
    pub fn behave(&self, behaviour: NfcBehaviour) {
        self.host.behave(behaviour);
    }

    /// Makes something go wrong, once.
    pub fn mishap(&self, mishap: NfcMishap) {
        self.host.add_mishap(mishap);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.host.cuts.send_modify(|count| *count += 1);
    }

    /// How many bytes of disks it served, zeroes that were left out among them.
    pub fn bytes(&self) -> u64 {
        self.host.bytes.load(Ordering::Relaxed)
    }

    /// How many connections came as far as NFC.
    pub fn connections(&self) -> u64 {
        self.host.connections.load(Ordering::Relaxed)
    }

    /// How many connections closed their disks and said goodbye.
    pub fn goodbyes(&self) -> u64 {
        self.host.goodbyes.load(Ordering::Relaxed)
    }

    /// The most reads that were under way at once on one connection.
    pub fn most_reads(&self) -> usize {
        self.host.most_reads.load(Ordering::Relaxed)
    }

    pub(crate) fn forget_bytes(&self) {
        self.host.bytes.store(0, Ordering::Relaxed);
    }
}

impl fmt::Debug for NfcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NfcServer").field("address", &self.address).finish_non_exhaustive()
    }
}
