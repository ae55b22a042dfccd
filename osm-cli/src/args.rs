//! What can be typed.

mod agent;
mod hosts;
mod migrate;
mod vmware;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limit::Limit;

pub(crate) use self::agent::Agent;
pub(crate) use self::hosts::{Deploy, Hosts, Which};
pub(crate) use self::migrate::{Cleanup, Cut, Cutover, Migrate, Rehearse, Retry, Seed, Via, Workloads};
#[cfg(feature = "demo")]
pub(crate) use self::migrate::{Guest, Places};
pub(crate) use self::vmware::{Convert, Inventory, Machines, MigrateMachines, Vmware, Vsphere};

/// Move tenants between OpenStack clouds, disks included.
#[derive(Debug, Parser)]
#[command(name = "osm-cli", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// How to print: for people, or JSON lines for programs.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, env = "OSM_OUTPUT")]
    pub(crate) output: Output,
    /// Log more to standard error; twice for everything.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Read the clouds from this file instead of looking for clouds.yaml in the usual places.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) clouds: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

impl Output {
    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }
}

/// Whether the arguments, which could not be understood as a whole, ask for JSON lines.
pub(crate) fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut said = std::env::var("OSM_OUTPUT").ok();
    let mut before = OsString::new();
    for argument in arguments {
        if before == "--output" {
            said = argument.to_str().map(str::to_owned);
        } else if let Some(value) = argument.to_str().and_then(|argument| argument.strip_prefix("--output="))
        {
            said = Some(value.to_owned());
        }
        before = argument;
    }
    said.as_deref() == Some("json")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole thing: two clouds on loopback, and a tenant that moves between them.
    #[cfg(feature = "demo")]
    Demo(Demo),
    /// Write a project's resources to files.
    Export(Export),
    /// Check the resource files of a data directory; every error is reported.
    Validate(Validate),
    /// Create what the resource files describe; what is there already is left alone or updated.
    Import(Import),
    /// Move workloads: stop, copy and verify the disks, create the server, put the source back.
    Migrate(Box<Migrate>),
    /// Tell what migrate would do: which workloads, by which hosts, which disks under which limits, and what stands in
    /// the way. As `migrate --check`.
    Plan(Box<Migrate>),
    /// Copy the disks of workloads while their servers run; again, it copies what differs.
    Seed(Box<Seed>),
    /// Boot clones of what was seeded on isolated networks, check that they come up, throw them away.
    Rehearse(Box<Rehearse>),
    /// Move workloads that have been seeded: stop, copy what differs, verify, create the server.
    Cutover(Box<Cutover>),
    /// Do again what failed or was interrupted, each workload as it was begun: seed, cutover or migrate.
    Retry(Box<Retry>),
    /// Give unfinished moves up: remove seeds and whatever else they made, put the sources back.
    Cleanup(Box<Cleanup>),
    /// Make, check and delete conversion hosts.
    #[command(subcommand)]
    Hosts(Hosts),
    /// Take the inventory of a vSphere, seed its machines while they run, and cut them over.
    #[command(subcommand)]
    Vmware(Vmware),
    /// Tell where each workload of a data directory stands.
    Status(Status),
    /// Tell which object of the destination each object of the source became.
    IdMap(IdMap),
    /// Copy a disk.
    Copy(Copy),
    /// Compare two disks by hash and name the ranges that differ.
    Verify(Verify),
    /// Serve a file or block device over NBD.
    Serve(Serve),
    /// What osm runs on conversion hosts; not meant to be typed.
    #[command(subcommand)]
    Agent(Agent),
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the clouds and the exported files here instead of in a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Only start the two clouds, say how to reach them, and run until interrupted.
    #[arg(long)]
    pub(crate) serve: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DataDirectory {
    /// The folder of the resource files.
    #[arg(long, value_name = "DIR", env = "OSM_DATA_DIR", required_unless_present = "vars")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A variables file of OS Migrate (docs/variables.md); can be given several times, a later one counts
    /// more. What is typed counts more than any.
    #[arg(long, value_name = "FILE")]
    pub(crate) vars: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Which kinds (networks, subnets, workloads, ...); none: all that a tenant may read, in the order of
    /// their dependencies.
    #[arg(value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// Instead of a tenant's kinds those of the whole cloud: projects, users,
    /// user_project_role_assignments, users_keypairs, flavors. It takes an administrator's credentials.
    #[arg(long, conflicts_with = "kinds")]
    pub(crate) admin: bool,
    /// Only resources of this name; can be given several times.
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only resources whose name this regular expression finds; can be given several times.
    #[arg(long = "regex", value_name = "REGEX")]
    pub(crate) regexes: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Dry {
    /// Only tell what would be made or changed: nothing is written, neither to the cloud nor to files.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) dry: Dry,
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    /// The cloud to read from: its name in clouds.yaml.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) src: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) data: DataDirectory,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) dry: Dry,
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    /// The cloud to create in: its name in clouds.yaml.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) dst: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) data: DataDirectory,
}

#[derive(Debug, Args)]
pub(crate) struct IdMap {
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    /// How to write it: as the file in the data directory, as a table, or as `import` blocks of Terraform.
    #[arg(long, value_enum, default_value_t = MapFormat::Yaml)]
    pub(crate) format: MapFormat,
}

/// How to write the map of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MapFormat {
    Yaml,
    Csv,
    Terraform,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// A path, `nbd://HOST[:PORT]/EXPORT` or `nbd+unix:///EXPORT?socket=PATH`.
    pub(crate) source: String,
    /// Likewise. A missing file is created; a larger disk keeps its tail.
    pub(crate) destination: String,
    /// Prove the copy: `read-back` reads both disks again and compares their hashes, `inline` hashes the
    /// source while it is copied and reads the destination only.
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
        default_missing_value = "read-back")]
    pub(crate) verify: Option<Proof>,
    /// Keep in this file how far the copy is safe, and continue from there when it is there already.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Hash both disks first, and copy only where they differ.
    #[arg(long, conflicts_with = "journal")]
    pub(crate) delta: bool,
    /// Copy only the areas that this file names, a line `OFFSET LENGTH` each, in bytes.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["journal", "delta"])]
    pub(crate) areas: Option<PathBuf>,
    /// Copy all that can be read of a failing disk, with zeroes for the rest, which is listed; the exit code is 1 then.
    #[arg(long, conflicts_with_all = ["verify", "journal", "delta"])]
    pub(crate) skip_bad: bool,
    /// How many bytes a second are read: `50M`; by the local time: `22:00-06:00=500M,50M`.
    #[arg(long, value_name = "RATE")]
    pub(crate) limit: Option<Limit>,
    /// After how many MiB the target is flushed and the journal told; a crash costs twice that at most.
    #[arg(long, value_name = "MIB", default_value_t = 118, requires = "journal")]
    pub(crate) checkpoint_mib: u64,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
}

/// How a copy is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proof {
    ReadBack,
    Inline,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A path or an NBD URI.
    pub(crate) source: String,
    /// Likewise; as long as the source or longer.
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
}

/// How hard to work; the defaults suit most disks.
#[derive(Debug, Args)]
pub(crate) struct Tuning {
    /// How many connections to an NBD server that allows several.
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<usize>,
    /// How often a connection for reading that breaks is opened again, after 1, 2, 4, ... seconds.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) retries: u32,
    /// How many bytes one request asks for, in KiB.
    #[arg(long, value_name = "KIB")]
    pub(crate) request_kib: Option<u32>,
    /// How many bytes may be under way at once, in MiB.
    #[arg(long, value_name = "MIB")]
    pub(crate) in_flight_mib: Option<u32>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("listen").required(true))]
pub(crate) struct Serve {
    /// The file or block device.
    pub(crate) path: PathBuf,
    /// Listen on this unix socket.
    #[arg(long, value_name = "SOCKET", group = "listen")]
    pub(crate) unix: Option<PathBuf>,
    /// Listen on this address; without a certificate there is no encryption, so keep to loopback or a
    /// trusted network then.
    #[arg(long, value_name = "ADDRESS:PORT", group = "listen")]
    pub(crate) tcp: Option<SocketAddr>,
    /// The name of the export.
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// Let clients write.
    #[arg(long)]
    pub(crate) writable: bool,
    /// Speak TLS 1.3 only, with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve only clients with a certificate that this authority has signed (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_client_authority: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_wish_for_json_is_heard_whatever_else_is_wrong() {
        let asks = |arguments: &[&str]| asks_for_json(arguments.iter().map(OsString::from));
        assert!(asks(&["osm-cli", "export", "--output", "json"]));
        assert!(asks(&["osm-cli", "--output=json", "nonsense"]));
        assert!(!asks(&["osm-cli", "export", "--output", "text", "--src", "json"]));
    }

    #[test]
    fn serve_listens_on_one_thing() {
        assert!(Arguments::try_parse_from(["osm-cli", "serve", "disk"]).is_err());
        assert!(Arguments::try_parse_from(["osm-cli", "serve", "disk", "--unix", "s"]).is_ok());
        let both = ["osm-cli", "serve", "disk", "--unix", "s", "--tcp", "127.0.0.1:1"];
        assert!(Arguments::try_parse_from(both).is_err());
    }
}
