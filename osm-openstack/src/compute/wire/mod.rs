//! The bodies of the Compute API.

mod create_server;
mod flavor;
mod keypair;
mod server;

pub use create_server::{BlockDeviceMapping, CreateServer, Networks, ServerNetwork};
pub use flavor::{CreateFlavor, Flavor, Limits, Swap};
pub use keypair::{CreateKeypair, Keypair};
pub use server::{
    Address, AttachedVolume, Fault, GroupName, ImageLink, Server, ServerFilter, ServerFlavor,
    ServerSecurityGroup, VolumeAttachment,
};
