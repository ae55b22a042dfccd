//! What `osm-cli agent` can be told: by an orchestrator, not by people.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// Refuse the device unless it is this volume's once it is open.
    #[arg(long, value_name = "ID")]
    volume: Option<String>,
    /// The folder where udev names devices by id.
    #[arg(long, value_name = "DIR", requires = "volume")]
    devices: Option<PathBuf>,
}

impl From<Identity> for Option<osm_migrate::agent::Identity> {
    fn from(Identity { volume, devices }: Identity) -> Self {
        volume.map(|volume| osm_migrate::agent::Identity { volume, devices })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Serve a device, read-only, over NBD on standard input and output.
    Export {
        device: PathBuf,
        #[command(flatten)]
        identity: Identity,
        /// Compress what goes between the agents where that pays; both must, or neither.
        #[arg(long)]
        compress: bool,
        /// Compare digests first, and copy only what differs; both must, or neither.
        #[arg(long)]
        delta: bool,
        /// Let the other agent come over TLS; both must, or neither.
        #[arg(long)]
        link: bool,
    },
    /// Copy what standard input serves to a device; events go to standard error.
    Pull {
        device: PathBuf,
        /// How many bytes to copy.
        #[arg(long)]
        size: u64,
        #[command(flatten)]
        identity: Identity,
        /// Compress what goes between the agents where that pays; both must, or neither.
        #[arg(long)]
        compress: bool,
        /// Compare digests first, and copy only what differs; both must, or neither.
        #[arg(long)]
        delta: bool,
        /// Go to the other agent over TLS, at the first of these addresses that answers; can be given several
        /// times.
        #[arg(long, value_name = "ADDRESS")]
        link: Vec<String>,
    },
    /// Convert a guest by virt-v2v; what and how, one line of JSON on standard input says.
    Convert,
    /// Copy a disk of a machine of vSphere to a device; what and how, one line of JSON on standard input says.
    Fetch {
        device: PathBuf,
        #[command(flatten)]
        identity: Identity,
    },
    /// Serve a disk that VMware's library opens, on standard input and output; what, one line of JSON there says.
    Vddk,
    /// Hash the first bytes of a device.
    Hash {
        device: PathBuf,
        /// How many bytes to hash.
        #[arg(long)]
        size: u64,
        #[command(flatten)]
        identity: Identity,
    },
    /// Find the devices of attached volumes.
    Device {
        /// The volumes' ids.
        #[arg(required = true)]
        volumes: Vec<String>,
        /// The folder where udev names devices by id.
        #[arg(long, value_name = "DIR")]
        devices: Option<PathBuf>,
        /// How many seconds to wait for them.
        #[arg(long, default_value_t = 60)]
        wait: u64,
    },
    /// See whether the hosts of two agents reach each other.
    Link {
        /// Where the other agent's host may be; none: wait for the other agent.
        addresses: Vec<String>,
    },
    /// See whether a server answers on a port.
    Probe {
        /// Its addresses; one that answers suffices.
        #[arg(required = true)]
        addresses: Vec<String>,
        /// The TCP port.
        #[arg(long)]
        port: u16,
        /// How many seconds that may take.
        #[arg(long, default_value_t = 60)]
        wait: u64,
    },
}
