//! What `osm-cli migrate`, `seed` and `cutover` can be told.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::{Timestamp, ToSpan as _, Zoned, civil};
use osm_migrate::{BootCheck, Hook, Window};

use super::DataDirectory;

/// What every work on workloads can be told.
#[derive(Debug, Args)]
pub(crate) struct Workloads {
    /// Which workloads; none: all in workloads.yml.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Those whose name this regular expression finds as well; can be given several times.
    #[arg(long = "regex", value_name = "REGEX")]
    pub(crate) regexes: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataDirectory,
    /// The cloud to move from.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) src: Option<String>,
    /// The cloud to move to.
    #[arg(long, value_name = "CLOUD", required_unless_present = "vars")]
    pub(crate) dst: Option<String>,
    /// The conversion host of the source: `ssh:SERVER[,user=U][,key=FILE][,address=A]...` or
    /// `local:SERVER[,devices=DIR]`; when not given `ssh:os_migrate_conv_src`. Can be given several times: workloads are
    /// spread over the pairs of hosts.
    #[arg(long, value_name = "HOST", env = "OSM_SRC_HOST")]
    pub(crate) src_host: Vec<String>,
    /// The conversion host of the destination, likewise; when not given `ssh:os_migrate_conv_dst`.
    #[arg(long, value_name = "HOST", env = "OSM_DST_HOST")]
    pub(crate) dst_host: Vec<String>,
    /// How the disks travel: through agents on the conversion hosts, or as Glance images, which needs no
    /// hosts and no SSH, is slow, and cannot be seeded.
    #[arg(long, value_enum, default_value_t = Via::Hosts)]
    pub(crate) via: Via,
    /// Only look: whether everything is there and has room, and what would differ. Nothing is changed.
    #[arg(long)]
    pub(crate) check: bool,
    /// How many workloads are worked on at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) workloads: usize,
    /// How many disks of a workload are copied at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) disks: usize,
    /// How many disks with this label travel at once, all workloads together: `copies=8`, `type:ssd=2`, `zone:az1=4`, a
    /// label of `_migration_params.labels`; `attached=20`: how many volumes a conversion host has at once. Can be
    /// given several times.
    #[arg(long = "limit", value_name = "LABEL=N", value_parser = limit_of)]
    pub(crate) limits: Vec<(String, usize)>,
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

/// When and how a server is cut over.
#[derive(Debug, Default, Args)]
pub(crate) struct Cut {
    /// Stop no server before this time: `2026-11-29T02:00:00Z`, or `02:00` for the next time the clocks here
    /// say so.
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    pub(crate) at: Option<Timestamp>,
    /// Stop servers only between these times of the day.
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = span_of, conflicts_with = "at")]
    pub(crate) between: Option<Window>,
    /// Run this before or after a step: `before:stop_source=./drain.sh`; can be given several times
    /// (docs/cutover.md).
    #[arg(long = "hook", value_name = "WHEN:STEP=COMMAND")]
    pub(crate) hooks: Vec<Hook>,
    /// The new server must show this text on its console, such as `login:`; else the source runs again.
    #[arg(long, value_name = "TEXT")]
    pub(crate) check_console: Option<String>,
    /// The new server must answer on this TCP port, asked from the destination's conversion host; else the
    /// source runs again.
    #[arg(long, value_name = "PORT")]
    pub(crate) check_port: Option<u16>,
    /// How many seconds it may take until the new server has come up.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) check_wait: u64,
}

impl Cut {
    pub(crate) fn window(&self) -> Option<Window> {
        self.at.map(|opens| Window { opens, closes: None }).or(self.between)
    }

    pub(crate) fn boot_check(&self) -> Option<BootCheck> {
        let Self { check_console: console, check_port: port, check_wait, .. } = self;
        (console.is_some() || port.is_some()).then(|| BootCheck {
            console: console.clone(),
            port: *port,
            wait: Duration::from_secs(*check_wait),
        })
    }
}

fn limit_of(text: &str) -> Result<(String, usize), String> {
    let limit = text.rsplit_once('=').filter(|(label, _)| !label.is_empty());
    let limit = limit
        .and_then(|(label, count)| Some((label.to_owned(), count.parse().ok().filter(|count| *count > 0)?)));
    limit.ok_or_else(|| "write a label and how many, at least 1: type:ssd=2".to_owned())
}

pub(super) fn time_of(text: &str) -> Result<Timestamp, String> {
    match text.parse::<Timestamp>() {
        Ok(time) => Ok(time),
        Err(_) => next(text, &Zoned::now())
            .ok_or_else(|| "write a time as 2026-11-29T02:00:00Z, or HH:MM in local time".to_owned()),
    }
}

/// The window that is open now, or the next one.
fn span_of(text: &str) -> Result<Window, String> {
    let now = Zoned::now();
    let span = || {
        let (from, to) = text.split_once('-')?;
        let (opens, closes) = (next(from, &now)?, next(to, &now)?);
        // It has opened already when it closes before it opens again.
        let opens = if closes <= opens { opens - 24.hours() } else { opens };
        Some(Window { opens, closes: Some(closes) })
    };
    span().ok_or_else(|| "write two times of the day, HH:MM-HH:MM".to_owned())
}

/// The next time that it is `HH:MM` where the operator is.
fn next(text: &str, now: &Zoned) -> Option<Timestamp> {
    let (hour, minute) = text.trim().split_once(':')?;
    let time = civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    let today = now.date().to_datetime(time).to_zoned(now.time_zone().clone()).ok()?;
    let next = if today > *now { today } else { today.checked_add(1.day()).ok()? };
    Some(next.timestamp())
}

/// How the disks travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    Hosts,
    Images,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) workloads: Workloads,
    #[command(flatten)]
    pub(crate) cut: Cut,
    /// Move the volumes of detached_volumes.yml instead; each NAME is a volume's.
    #[arg(long)]
    pub(crate) detached_volumes: bool,
    /// Refuse to move a server that is not stopped, instead of stopping it.
    #[arg(long)]
    pub(crate) no_stop: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Seed {
    #[command(flatten)]
    pub(crate) workloads: Workloads,
    /// Copy what differs so many times; 1 when not given, with `--max-downtime` at most 10.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) passes: Option<u32>,
    /// Copy again and again, until a cutover would take no more than so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_downtime: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) workloads: Workloads,
    /// The clone must show this text on its console, such as `login:`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) check_console: Option<String>,
    /// How many seconds it may take until the clone has come up.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) check_wait: u64,
    /// Keep a clone that has come up, to look at it; the next rehearsal, or `cleanup`, removes it.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) workloads: Workloads,
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    pub(crate) workloads: Workloads,
    #[command(flatten)]
    pub(crate) cut: Cut,
    /// Only what failed: said for scripts that want to say it, for nothing else is ever repeated.
    #[arg(long)]
    pub(crate) failed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cutover {
    #[command(flatten)]
    pub(crate) workloads: Workloads,
    #[command(flatten)]
    pub(crate) cut: Cut,
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

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_is_the_next_one() {
        let now: Zoned = "2026-11-28T19:45:00+00:00[UTC]".parse().unwrap();
        let told = |text| next(text, &now).map(|time| time.to_string());
        assert_eq!(told("20:00").unwrap(), "2026-11-28T20:00:00Z");
        assert_eq!(told("19:45").unwrap(), "2026-11-29T19:45:00Z");
        assert_eq!(told("02:30").unwrap(), "2026-11-29T02:30:00Z");
        for wrong in ["", "24:00", "2:60", "noon", "-1:00"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_window_is_open_or_opens_within_a_day() {
        for text in ["00:00-12:00", "12:00-00:00", "22:00-04:00"] {
            let window = span_of(text).unwrap();
            let now = Timestamp::now();
            let closes = window.closes.unwrap();
            assert!(window.opens < closes && closes > now && closes <= now + 48.hours(), "{text}");
        }
        assert!(span_of("22:00").is_err());
    }
}
