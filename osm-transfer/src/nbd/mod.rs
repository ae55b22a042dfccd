//! Network block device: the protocol, a client and a server.

mod client;
pub mod compat;
mod pipe;
mod server;
mod tls;
mod transport;
mod uri;
mod wire;

pub use self::client::{Client, ClientOptions, ExportInfo, list};
pub use self::server::{Export, Server, ServerOptions};
pub(crate) use self::tls::Pinned;
pub use self::tls::{ClientTls, Fingerprint, ServerTls};
pub use self::uri::{Address, Uri};
pub use self::wire::{MalformedMessage, PeerIncompatible, PeerMisbehaved};
