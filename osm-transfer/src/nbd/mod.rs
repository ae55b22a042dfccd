//! Network block device: the protocol, a client and a server.

mod client;
mod server;
mod uri;

pub use self::client::{Client, ClientOptions, ExportInfo, list};
pub use self::server::{Export, Server, ServerOptions};
pub use self::uri::{Address, Uri};
