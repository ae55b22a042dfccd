//! A vCenter on loopback, over TLS.
//!
//! It speaks vSphere's SOAP at `/sdk` as far as a migration needs it: sessions, views, the property collector,
//! searches, tasks, snapshots, power, and `QueryChangedDiskAreas`; it serves the bytes of disks at `/folder`, and its
//! host serves them over NFC: [`VCenter::nfc`].
//! Disks are sparse files that a guest can be made to write to, and their changes are tracked by a real model:
//! see [`VCenter::guest_write`].
//!
//! The live file of a disk always holds all of it. A snapshot freezes a copy; the chain of descriptors that a real
//! vSphere writes to is told in the configuration only.
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use osm_lab::vcenter::{MachineSeed, VCenter, VCenterOptions};
//!
//! let vcenter = VCenter::start(VCenterOptions::new("/tmp/vcenter"))?;
//! let machine = vcenter.add_machine(MachineSeed::new("app01"))?;
//! vcenter.guest_write(&machine, 2000, 0, b"a guest was here")?;
//! println!("{}", vcenter.url());
//! # Ok(())
//! # }
//! ```

mod api;
mod certificate;
mod core;
mod fault;
mod guest;
mod nfc;
mod operator;
mod options;
mod seed;
mod world;
mod xml;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use self::certificate::Certificate;
use self::core::Core;
use crate::runtime::Runtime;

pub use self::core::Call;
pub use self::fault::{VFault, VFaultKind};
pub use self::options::VCenterOptions;
pub use self::seed::{DiskKind, DiskSeed, MachineSeed, NicSeed, Power};

/// A vCenter that answers until it is dropped.
///
/// Where a method takes a machine, it takes its id (`vm-42`) or its name. A machine, disk or snapshot that is not
/// there is an error where the method can tell one, and nothing otherwise.
pub struct VCenter {
    core: Arc<Core>,
    address: SocketAddr,
    certificate: Certificate,
    /// What serves it; it ends with the vCenter.
    _runtime: Runtime,
}

impl VCenter {
    /// The one user.
    pub const USER: &'static str = "administrator@vsphere.local";
    /// Its password; not fit for XML as it is.
    pub const PASSWORD: &'static str = "lab&vcenter<7Zq";

    /// Opens a vCenter without machines. It runs on threads of its own, so this may be called with or without an
    /// async runtime.
    ///
    /// # Errors
    /// No port can be opened, or the folder cannot be written.
    pub fn start(options: VCenterOptions) -> io::Result<Self> {
        let runtime = Runtime::start()?;
        let core = Core::new(options, runtime.handle())?;
        nfc::serve(&core, &runtime.handle())?;
        let certificate = Certificate::new(core.options.address)?;
        let listener = TcpListener::bind((core.options.address, 0))?;
        let address = listener.local_addr()?;
        {
            let handle = runtime.handle();
            let _entered = handle.enter();
            api::serve(&core, listener, certificate.server_config()?)?;
        }
        Ok(Self { core, address, certificate, _runtime: runtime })
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that its own is signed by, to be trusted by clients. The server's is for its
    /// address and localhost.
    pub fn ca_pem(&self) -> &str {
        self.certificate.authority_pem()
    }

    /// Writes [`VCenter::ca_pem`] to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_ca(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.ca_pem())
    }

    /// SHA-256 of the server's certificate: `AA:BB:...`.
    pub fn thumbprint(&self) -> String {
        self.certificate.thumbprint()
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: VFault) {
        self.core.add_fault(fault);
    }

    /// Forgets all faults that have not hit yet.
    pub fn clear_faults(&self) {
        self.core.clear_faults();
    }

    /// Everything it was asked so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.core.calls()
    }

    /// Forgets what it was asked so far, and how many bytes it served.
    pub fn clear_calls(&self) {
        self.core.clear_calls();
    }

    /// How many bytes of disks it served since it began, or since [`VCenter::clear_calls`].
    pub fn folder_bytes(&self) -> u64 {
        self.core.folder_bytes()
    }

    /// All sessions end.
    pub fn expire_sessions(&self) {
        self.core.change(world::World::end_sessions);
    }

    /// It restarts: all sessions end, and tasks that are done are forgotten. The host goes on with those under way.
    pub fn restart(&self) {
        self.core.change(|world| {
            world.end_sessions();
            world.tasks.retain(|task| matches!(task.state, world::TaskState::Running));
        });
    }
}

impl fmt::Debug for VCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VCenter").field("address", &self.address).finish_non_exhaustive()
    }
}
