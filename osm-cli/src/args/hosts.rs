//! What `osm-cli hosts` can be told.

use clap::{Args, Subcommand};

use super::DataDirectory;

/// What is done with conversion hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum Hosts {
    /// Make what is missing, wait until the hosts answer, put the agent there, and see whether they reach each
    /// other.
    Deploy(Box<Deploy>),
    /// See whether the hosts run, answer and reach each other.
    Check(Which),
    /// Delete what was made for the hosts, and nothing else; the key stays.
    Delete(Which),
}

/// Which hosts, of which clouds.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    /// The cloud to move from; without it only the host of the other cloud is meant.
    #[arg(long, value_name = "CLOUD")]
    pub(crate) src: Option<String>,
    /// The cloud to move to; likewise.
    #[arg(long, value_name = "CLOUD")]
    pub(crate) dst: Option<String>,
    /// The source's host, as for migrate; when not given `ssh:os_migrate_conv_src`. User, key and file of known
    /// hosts are `cloud-user` and what is in the folder `conversion` of the data directory, unless said here.
    #[arg(long, value_name = "HOST", env = "OSM_SRC_HOST")]
    pub(crate) src_host: Option<String>,
    /// The destination's host; when not given `ssh:os_migrate_conv_dst`.
    #[arg(long, value_name = "HOST", env = "OSM_DST_HOST")]
    pub(crate) dst_host: Option<String>,
    /// The network beyond the router, where floating IPs come from.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) external_network: Option<String>,
    /// A network that is there, instead of one made for the host.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Do without a floating IP: the host is reached in its network.
    #[arg(long)]
    pub(crate) no_floating_ip: bool,
    /// How many seconds a host may take to come up or to go; 600 when not given.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
}

/// What hosts are to be.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The image: any small Linux with cloud-init; when not given `os_migrate_conv`.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// The flavor.
    #[arg(long, value_name = "FLAVOR")]
    pub(crate) flavor: Option<String>,
    /// Boot from a volume of so many GiB.
    #[arg(long, value_name = "GIB")]
    pub(crate) boot_volume: Option<u64>,
    /// The availability zone.
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Let SSH in from these addresses only, as CIDR; can be given several times; when not given from anywhere.
    #[arg(long, value_name = "CIDR")]
    pub(crate) ssh_from: Vec<String>,
    /// Let agents of the other host in from these addresses as well, as CIDR; can be given several times. What is
    /// known of the other host is let in anyway when both are deployed at once.
    #[arg(long, value_name = "CIDR")]
    pub(crate) link_from: Vec<String>,
}
