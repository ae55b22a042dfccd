//! What `osm-cli vmware` can be told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use osm_transfer::nbd::Fingerprint;

use super::DataDirectory;

/// What is done with a vSphere.
#[derive(Debug, Subcommand)]
pub(crate) enum Vmware {
    /// Tell which machines there are, with their disks and network cards, and what stands in the way of migrating them.
    /// Nothing is changed there. With --data-dir, machines.yml gets them, to be edited; what was edited stays.
    Inventory(Box<Inventory>),
    /// Copy the disks of machines while they run; again, it copies what has changed since.
    Seed(Box<Machines>),
    /// Move machines that have been seeded: stop, copy what has changed, convert, create the server.
    Cutover(Box<Machines>),
    /// Move machines without a seed, stopped while they are copied; or as two switches of the VMware migration kit say.
    Migrate(Box<MigrateMachines>),
}

/// Which machines are told.
#[derive(Debug, Args)]
pub(crate) struct Inventory {
    /// Which machines, by name; none: all.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Those whose name this regular expression finds as well; can be given several times.
    #[arg(long = "regex", value_name = "REGEX")]
    pub(crate) regexes: Vec<String>,
    /// Write them to machines.yml in this folder.
    #[arg(long, value_name = "DIR", env = "OSM_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A variables file of OS Migrate or of the VMware migration kit (docs/variables.md); can be given several times, a
    /// later one counts more. What is typed counts more than any.
    #[arg(long, value_name = "FILE")]
    pub(crate) vars: Vec<PathBuf>,
    /// Only tell: no file is written.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) vsphere: Vsphere,
}

/// What `vmware migrate` can be told.
#[derive(Debug, Args)]
pub(crate) struct MigrateMachines {
    #[command(flatten)]
    pub(crate) machines: Machines,
    /// Bring copies that are there up to date by changed block tracking; without it, a copy that is there is an error. When
    /// not given, what `cbt_sync` in --vars says.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) cbt_sync: Option<bool>,
    /// With --cbt-sync: stop the machines, and create their servers. When not given, what `cutover` in --vars says.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) cutover: Option<bool>,
}

/// What every work on machines can be told.
#[derive(Debug, Args)]
pub(crate) struct Machines {
    /// Which machines of machines.yml, by their name in vSphere; none: all.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Those whose name this regular expression finds as well; can be given several times.
    #[arg(long = "regex", value_name = "REGEX")]
    pub(crate) regexes: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    #[command(flatten)]
    pub(crate) vsphere: Vsphere,
    /// The cloud to move to.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) dst: Option<String>,
    /// The conversion host of the cloud, which reads the machines' disks: `ssh:SERVER[,user=U][,key=FILE][,address=A]...`
    /// or `local:SERVER[,devices=DIR]`; when not given `ssh:os_migrate_conv_dst`.
    #[arg(long, value_name = "HOST", env = "OSM_DST_HOST")]
    pub(crate) dst_host: Option<String>,
    /// Only look: whether everything is there, and what would be done. Nothing is changed.
    #[arg(long)]
    pub(crate) check: bool,
    /// How many machines are worked on at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) machines: usize,
    /// How many disks of a machine are copied at once; an ESXi host should not be asked for more than 4 or so.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) disks: usize,
    /// How the conversion host reads disks: `vddk` or `vddk:FOLDER` (VMware's library, where it is there), `datastore`
    /// (HTTPS), `nfc` (what VDDK speaks with ESXi, by ourselves; experimental), or the URI of an NBD server with {moref}, {key} and {snapshot} in it. Can be given several times: the first
    /// that works is taken; when not given, vddk, then datastore.
    #[arg(long = "read-by", value_name = "WAY")]
    pub(crate) ways: Vec<osm_migrate::vmware::Way>,
    /// Enable changed block tracking on machines that do not have it.
    #[arg(long)]
    pub(crate) enable_cbt: bool,
    /// How many seconds a guest may take to shut down.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) shutdown_wait: u64,
    /// How many seconds vSphere may take to make a snapshot.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub(crate) snapshot_wait: u64,
    /// Never switch a machine off whose guest does not shut down: fail instead.
    #[arg(long)]
    pub(crate) no_hard_off: bool,
    /// What makes guests fit for the cloud, where the plan does not say: `virt-v2v` on the conversion host, or `none` for
    /// guests that have virtio drivers.
    #[arg(long, value_enum, default_value_t = Convert::VirtV2v)]
    pub(crate) convert: Convert,
    /// virt-v2v-in-place on the conversion host, when it is not where it usually is.
    #[arg(long, value_name = "FILE")]
    pub(crate) virt_v2v: Option<PathBuf>,
    /// A further word for virt-v2v-in-place, such as `--key=all:clevis`; can be given several times.
    #[arg(long = "virt-v2v-word", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) virt_v2v_words: Vec<String>,
    /// The ISO of virtio-win on the conversion host, for guests with Windows.
    #[arg(long, value_name = "FILE")]
    pub(crate) virtio_win: Option<PathBuf>,
    /// The SHA-256 of the ISO, in hex.
    #[arg(long, value_name = "HASH", requires = "virtio_win")]
    pub(crate) virtio_win_sha256: Option<String>,
    /// The folder of the conversion host for what is written while a guest is converted, about 1 GiB a guest; /var/tmp
    /// when not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Only copy the disks: the machine is not stopped, its guest not converted, and there is no server.
    #[arg(long)]
    pub(crate) data_only: bool,
    /// Cut over without bringing the copies up to date; the machine must be off.
    #[arg(long)]
    pub(crate) no_final_sync: bool,
    /// Allow --no-final-sync of a machine that runs: what it has written since its last seed is lost.
    #[arg(long, requires = "no_final_sync")]
    pub(crate) accept_data_loss: bool,
    /// So many passes of a seed, one after the other; with --max-downtime at most so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) passes: Option<u32>,
    /// Seed again and again, until a pass takes no longer than this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_downtime: Option<u64>,
    /// End at this time, wherever the copies are: `2026-11-29T06:00:00Z`, or `06:00`. The next run goes on there.
    #[arg(long, value_name = "TIME", value_parser = super::migrate::time_of)]
    pub(crate) until: Option<Timestamp>,
    /// How many disks of one ESXi host are read at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) per_esxi_host: usize,
    /// How many disks are read at once, all machines together.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) per_vcenter: usize,
    /// Make a flavor where none is large enough; it takes an administrator.
    #[arg(long)]
    pub(crate) create_flavor: bool,
    /// The new server must show this text on its console, such as `login:`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) check_console: Option<String>,
    /// The new server must answer on this TCP port, asked from the conversion host.
    #[arg(long, value_name = "PORT")]
    pub(crate) check_port: Option<u16>,
    /// How many seconds it may take until the new server has come up.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) check_wait: u64,
    /// Do not read back what was written.
    #[arg(long)]
    pub(crate) no_read_back: bool,
    /// Compare every block with the machine's disks, whatever is known of the copies.
    #[arg(long)]
    pub(crate) compare_all: bool,
    /// Believe the change ids that the VMware migration kit has written to its volumes. It writes them before it copies.
    #[arg(long)]
    pub(crate) trust_kit_seed: bool,
    /// The volume type of new volumes; when not given, the cloud's default.
    #[arg(long, value_name = "TYPE")]
    pub(crate) volume_type: Option<String>,
    /// The volume type for disks of a datastore; can be given several times.
    #[arg(long = "volume-type-map", value_name = "DATASTORE=TYPE", value_parser = super::migrate::pair)]
    pub(crate) volume_types: Vec<(String, String)>,
    /// The availability zone of new volumes.
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// How many seconds the cloud may take for one thing; 600 when not given.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// After how many MiB of a first copy it is flushed and noted: so much is copied again after a crash.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub(crate) segment_mib: u64,
}

/// What makes guests fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Convert {
    VirtV2v,
    None,
}

/// How a vSphere is reached.
#[derive(Debug, Args)]
pub(crate) struct Vsphere {
    /// The vCenter or ESXi host: its name, or https://HOST:PORT/sdk.
    #[arg(long, value_name = "HOST", env = "OSM_VSPHERE_SERVER", required_unless_present = "vars")]
    pub(crate) server: Option<String>,
    /// The user, such as administrator@vsphere.local.
    #[arg(long, value_name = "USER", env = "OSM_VSPHERE_USER", required_unless_present = "vars")]
    pub(crate) user: Option<String>,
    /// A file with its password, which is never an argument; `-`: standard input.
    #[arg(long, value_name = "FILE", env = "OSM_VSPHERE_PASSWORD_FILE", required_unless_present = "vars")]
    pub(crate) password_file: Option<PathBuf>,
    /// A PEM file with the authority that has signed the server's certificate, when the system does not know it.
    #[arg(long, value_name = "FILE", env = "OSM_VSPHERE_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// The SHA-256 fingerprint of the server's certificate: it is trusted, and no other.
    #[arg(long, value_name = "AA:BB:..", env = "OSM_VSPHERE_THUMBPRINT", conflicts_with = "ca")]
    pub(crate) thumbprint: Option<Fingerprint>,
}
