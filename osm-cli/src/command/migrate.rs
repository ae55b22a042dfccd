//! `osm-cli migrate`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use osm_migrate::{Cancel, DataDir, EventSink, HostSpec, MigrationOptions, Summary, WorkloadMigration};
use osm_model::NameFilter;
use tokio::signal;

use super::{Globals, flows};
use crate::{args, exit, output};

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Migrate) -> Result<ExitCode> {
    let data_dir = DataDir::new(&arguments.data.data_dir);
    flows::insist_on_valid(globals, &data_dir)?;
    let events = output::event_sink(globals.output);
    let summary = migrate(globals, arguments, data_dir, Arc::clone(&events)).await?;
    Ok(flows::closed(&summary, events.as_ref()))
}

/// Moves the workloads, and says so to `events`; the summary is the caller's to tell.
pub(super) async fn migrate(
    globals: &Globals<'_>,
    arguments: args::Migrate,
    data_dir: DataDir,
    events: Arc<dyn EventSink>,
) -> Result<Summary> {
    let src_host: HostSpec = arguments.src_host.parse().context("--src-host")?;
    let dst_host: HostSpec = arguments.dst_host.parse().context("--dst-host")?;
    let filter = filter(&arguments.names, &arguments.regexes)?;
    let (src, dst) = tokio::try_join!(globals.connect(&arguments.src), globals.connect(&arguments.dst))?;
    let cancel = Cancel::default();
    let interrupt = tokio::spawn(cancel_on_interrupt(cancel.clone()));
    let migration = WorkloadMigration {
        src_host: src_host.open(&src).await.context("the source's conversion host")?,
        dst_host: dst_host.open(&dst).await.context("the destination's conversion host")?,
        src,
        dst,
        state: Arc::new(data_dir.open_state()?),
        data_dir,
        events,
        options: MigrationOptions {
            check: arguments.check,
            stop: !arguments.no_stop,
            workloads: arguments.workloads,
            disks: arguments.disks,
            cleanup: arguments.cleanup,
            timeout: Duration::from_secs(arguments.timeout),
            machine_type: arguments.guest.machine_type,
            default_machine_type: arguments.guest.default_machine_type,
            machine_types: arguments.guest.machine_types,
            tolerate_image_metadata: arguments.guest.tolerate_image_metadata,
            fail_on_drift: arguments.guest.fail_on_drift,
            volume_types: arguments.places.volume_types.into_iter().collect(),
            zones: arguments.places.zones.into_iter().collect(),
        },
        cancel,
    };
    let summary = if arguments.detached_volumes {
        migration.run_detached(&filter).await
    } else {
        migration.run(&filter).await
    };
    interrupt.abort();
    Ok(summary?)
}

/// Which workloads or volumes to move; all when none is named.
fn filter(names: &[String], regexes: &[String]) -> Result<NameFilter> {
    if names.is_empty() && regexes.is_empty() {
        return Ok(NameFilter::all());
    }
    let mut filter = NameFilter::exact(names);
    for pattern in regexes {
        filter = filter.or(NameFilter::regex(pattern)?);
    }
    Ok(filter)
}

/// The first Ctrl-C puts the sources back and ends; the second ends at once.
async fn cancel_on_interrupt(cancel: Cancel) {
    if signal::ctrl_c().await.is_err() {
        return;
    }
    eprintln!("osm-cli: interrupted; putting the sources back (once more to leave at once)");
    cancel.cancel();
    if signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(exit::INTERRUPTED));
    }
}
