//! What `osm-cli vmware` can be told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is done with a vSphere.
#[derive(Debug, Subcommand)]
pub(crate) enum Vmware {
    /// Tell which machines there are, with their disks and network cards, and what stands in the way of migrating them.
    /// Nothing is changed.
    Inventory(Vsphere),
}

/// How a vSphere is reached.
#[derive(Debug, Args)]
pub(crate) struct Vsphere {
    /// The vCenter or ESXi host: its name, or https://HOST:PORT/sdk.
    #[arg(long, value_name = "HOST", env = "OSM_VSPHERE_SERVER")]
    pub(crate) server: String,
    /// The user, such as administrator@vsphere.local.
    #[arg(long, value_name = "USER", env = "OSM_VSPHERE_USER")]
    pub(crate) user: String,
    /// A file with its password, which is never an argument; `-`: standard input.
    #[arg(long, value_name = "FILE", env = "OSM_VSPHERE_PASSWORD_FILE")]
    pub(crate) password_file: PathBuf,
    /// A PEM file with the authority that has signed the server's certificate, when the system does not know it.
    #[arg(long, value_name = "FILE", env = "OSM_VSPHERE_CA")]
    pub(crate) ca: Option<PathBuf>,
}
