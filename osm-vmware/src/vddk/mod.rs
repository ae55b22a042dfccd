//! Disks read by VDDK, VMware's own library (`libvixDiskLib`), where the operator has it.
//!
//! ```text
//!   options      what is to be read, and where the library is
//!   Vddk         a connection to vSphere for one snapshot
//!   VddkDisk     one of its disks: a `BlockSource`
//!   control      the thread that loads, connects, opens, closes
//!   worker       the thread of each open disk, which alone reads it
//!   allocation   which parts of a disk are allocated
//!   code         what VDDK says when it fails
//!   library, ffi    its functions, and its C interface: the only unsafe code of this crate
//! ```
//!
//! VDDK is not ours to ship, so that nothing needs it to be built, and it is loaded when it is asked for. It brings its own
//! OpenSSL and C++ library, finds them by `LD_LIBRARY_PATH` alone, and takes the whole process along when it crashes:
//! better it is loaded by a process of its own, one a machine, that is started with that variable.
//!
//! The invariant: no two threads call VDDK for one disk at once, a disk is closed after all its reads, and the connection
//! after all its disks.

pub(crate) mod allocation;
mod code;
mod control;
mod disk;
#[allow(unsafe_code, reason = "VDDK's C interface")]
mod ffi;
#[allow(unsafe_code, reason = "VDDK's C interface")]
mod library;
mod options;
mod worker;

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use self::control::Control;
pub use self::disk::VddkDisk;
use self::library::Connection;
pub use self::options::{VddkCompression, VddkOptions, library_path};
use crate::{Error, ErrorKind, Result};

/// A connection to vSphere that reads a snapshot of a machine. It ends when it and all its disks are dropped.
pub struct Vddk {
    link: Arc<Link>,
    server: String,
    machine: String,
    compression: VddkCompression,
    /// Answers when the connection has ended.
    gone: oneshot::Receiver<()>,
}

/// A connection and who may end it.
struct Link {
    control: Control,
    /// None once it is to end.
    connection: Option<Connection>,
    gone: Option<oneshot::Sender<()>>,
}

impl Vddk {
    /// Loads the library and connects. The library stays loaded until the process ends: a second connection uses the
    /// same one.
    ///
    /// This blocks until vSphere has answered; asynchronous code calls it on a thread that may block.
    ///
    /// # Errors
    /// `Config`: there is no library, it cannot be loaded, another one is, or an option cannot be used. `Unsupported`:
    /// it is too old, or this is no x86-64 Linux. `Auth`, `NotFound`, `Unreachable`, `Refused`: what VDDK answers. A thumbprint
    /// that is wrong may be told by [`Vddk::open`] only.
    pub fn load(options: VddkOptions) -> Result<Self> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(Error::new(ErrorKind::Unsupported, "VDDK is for x86-64 Linux alone"));
        }
        if cfg!(target_feature = "crt-static") {
            let message = "this osm-cli is linked statically, and so can load no library";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("name one that is not in OSM_AGENT_BINARY, or let disks be read in another way"));
        }
        let control = Control::start(&options.libdir)?;
        let (server, machine, compression) =
            (options.server.clone(), options.machine.clone(), options.compression);
        let connection = control.call(move |library| library.connect(&options))??;
        let (sender, gone) = oneshot::channel();
        let link = Link { control, connection: Some(connection), gone: Some(sender) };
        Ok(Self { link: Arc::new(link), server, machine, compression, gone })
    }

    /// Opens a disk by the path of its backing: `[datastore1] web/web-000001.vmdk`.
    ///
    /// # Errors
    /// `NotFound`: there is no such disk. `Auth`, `Unreachable`, `Refused`: what VDDK answers; `Refused` with the code 1 may
    /// mean that the thumbprint is wrong.
    pub async fn open(&self, path: &str) -> Result<VddkDisk> {
        let (reply, answer) = oneshot::channel();
        let (link, path, compression) = (Arc::clone(&self.link), path.to_owned(), self.compression);
        // Should nobody wait for the disk any more, it is dropped, and so closed.
        self.link.control.post(move |_| drop(reply.send(VddkDisk::open(&link, &path, compression))));
        answer.await.map_err(|_| control::ended())?
    }

    /// Ends the connection, and returns when that is done. Waits for all disks to be dropped and closed: after it the
    /// snapshot is nobody's any more.
    pub async fn disconnect(self) {
        let Self { link, gone, .. } = self;
        drop(link);
        // An error says the same: whoever could answer is gone.
        drop(gone.await);
    }
}

impl fmt::Debug for Vddk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, machine, .. } = self;
        f.debug_struct("Vddk").field("server", server).field("machine", machine).finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let (connection, gone) = (self.connection.take(), self.gone.take());
        self.control.post(move |_| {
            if let Some(Err(failure)) = connection.map(Connection::disconnect) {
                tracing::warn!(%failure, "a connection does not end as it should");
            }
            if let Some(gone) = gone {
                // Maybe nobody waits for it.
                gone.send(()).ok();
            }
        });
    }
}
