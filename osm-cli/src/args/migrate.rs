//! What `osm-cli migrate` can be told.

use clap::Args;

use super::DataDirectory;

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The workloads to move; none: all in workloads.yml.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Those whose name this regular expression finds as well; can be given several times.
    #[arg(long = "regex", value_name = "REGEX")]
    pub(crate) regexes: Vec<String>,
    /// Move the volumes of detached_volumes.yml instead; each NAME is a volume's.
    #[arg(long)]
    pub(crate) detached_volumes: bool,
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    /// The cloud to move from.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) src: Option<String>,
    /// The cloud to move to.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) dst: Option<String>,
    /// The conversion host of the source: `ssh:SERVER[,user=U][,key=FILE][,address=A]...` or
    /// `local:SERVER[,devices=DIR]`; when not given `ssh:os_migrate_conv_src`.
    #[arg(long, value_name = "HOST", env = "OSM_SRC_HOST")]
    pub(crate) src_host: Option<String>,
    /// The conversion host of the destination; when not given `ssh:os_migrate_conv_dst`.
    #[arg(long, value_name = "HOST", env = "OSM_DST_HOST")]
    pub(crate) dst_host: Option<String>,
    /// Only look: whether everything is there and has room, and what would differ. Nothing is changed.
    #[arg(long)]
    pub(crate) check: bool,
    /// Refuse to move a server that is not stopped, instead of stopping it.
    #[arg(long)]
    pub(crate) no_stop: bool,
    /// How many workloads move at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) workloads: usize,
    /// How many disks of a workload are copied at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) disks: usize,
    /// Compress disks on their way, where the link is slower than the processors: for sites far apart.
    #[arg(long)]
    pub(crate) compress: bool,
    /// After a failure, delete the unfinished copies instead of keeping them for the next run.
    #[arg(long)]
    pub(crate) cleanup: bool,
    /// How many seconds a cloud may take for one thing: a volume to attach, a server to start; 600 when
    /// not given.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) guest: Guest,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// What the source calls otherwise than the destination.
#[derive(Debug, Default, Args)]
pub(crate) struct Places {
    /// Volumes of this type become volumes of that type (empty: the destination's default); can be
    /// given several times.
    #[arg(long = "volume-type-map", value_name = "SRC=DST", value_parser = pair)]
    pub(crate) volume_types: Vec<(String, String)>,
    /// Servers and volumes of this availability zone go to that one (empty: the cloud chooses); can be
    /// given several times.
    #[arg(long = "zone-map", value_name = "SRC=DST", value_parser = pair)]
    pub(crate) zones: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((source, destination)) if !source.is_empty() => Ok((source.to_owned(), destination.to_owned())),
        _ => Err("write SRC=DST, the name in the source and the name in the destination".to_owned()),
    }
}

/// What the guests are run with in the destination.
#[derive(Debug, Default, Args)]
pub(crate) struct Guest {
    /// Give everything that can be booted from this machine type (pc, q35, ...), whatever its image or
    /// volume says; `_migration_params.hw_machine_type` of a workload is stronger. Empty: none.
    #[arg(long, value_name = "TYPE", env = "OSM_MACHINE_TYPE")]
    pub(crate) machine_type: Option<String>,
    /// The machine type of boot disks of which neither files, volumes nor images tell one.
    #[arg(long, value_name = "TYPE", env = "OSM_DEFAULT_MACHINE_TYPE")]
    pub(crate) default_machine_type: Option<String>,
    /// The machine types that the destination supports, separated by commas, `*` at the end for anything:
    /// another one is refused before any data moves.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', env = "OSM_MACHINE_TYPES")]
    pub(crate) machine_types: Option<Vec<String>>,
    /// Warn instead of failing when the destination does not take image metadata that nobody asked for.
    #[arg(long)]
    pub(crate) tolerate_image_metadata: bool,
    /// Refuse workloads that the destination would give another flavor or image than they have now; the
    /// differences are told either way.
    #[arg(long)]
    pub(crate) fail_on_drift: bool,
}
