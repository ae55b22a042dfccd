//! `osm-cli migrate`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use osm_migrate::{Cancel, EventSink, MigrationOptions, Summary, Vars, WorkloadMigration};
use osm_model::Kind;
use tokio::signal;

use super::setup::{Setup, Side};
use super::{Globals, flows};
use crate::{args, exit, output};

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Migrate) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    if setup.checks_files() {
        flows::insist_on_valid(globals, setup.data_dir())?;
    }
    let events = output::event_sink(globals.output);
    setup.warn(events.as_ref());
    let summary = migrate(&setup, arguments, Arc::clone(&events)).await?;
    Ok(flows::closed(&summary, events.as_ref()))
}

/// Moves the workloads, and says so to `events`; the summary is the caller's to tell.
pub(super) async fn migrate(
    setup: &Setup<'_>,
    arguments: args::Migrate,
    events: Arc<dyn EventSink>,
) -> Result<Summary> {
    let src_host = setup.host(Side::Src, arguments.src_host.as_deref())?;
    let dst_host = setup.host(Side::Dst, arguments.dst_host.as_deref())?;
    let kind = if arguments.detached_volumes { Kind::DetachedVolume } else { Kind::Workload };
    let filter = match flows::named(&arguments.names, &arguments.regexes)? {
        Some(filter) => filter,
        None => setup.filters().get(kind).clone(),
    };
    let (src, dst) = tokio::try_join!(
        setup.connect(Side::Src, arguments.src.as_deref()),
        setup.connect(Side::Dst, arguments.dst.as_deref()),
    )?;
    let data_dir = setup.data_dir().clone();
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
        options: options(setup.vars.as_ref(), arguments),
        cancel,
    };
    let summary = match kind {
        Kind::DetachedVolume => migration.run_detached(&filter).await,
        _ => migration.run(&filter).await,
    };
    interrupt.abort();
    Ok(summary?)
}

/// What is typed, and what the variables say where nothing is typed.
fn options(vars: Option<&Vars>, arguments: args::Migrate) -> MigrationOptions {
    let timeout = arguments.timeout.map(Duration::from_secs).or(vars.and_then(|vars| vars.timeout));
    MigrationOptions {
        check: arguments.check,
        stop: !arguments.no_stop && vars.and_then(|vars| vars.stop) != Some(false),
        workloads: arguments.workloads,
        disks: arguments.disks,
        compress: arguments.compress,
        cleanup: arguments.cleanup || vars.and_then(|vars| vars.cleanup) == Some(true),
        timeout: timeout.unwrap_or(MigrationOptions::default().timeout),
        machine_type: arguments.guest.machine_type,
        default_machine_type: arguments.guest.default_machine_type,
        machine_types: arguments.guest.machine_types,
        tolerate_image_metadata: arguments.guest.tolerate_image_metadata,
        fail_on_drift: arguments.guest.fail_on_drift,
        volume_types: arguments.places.volume_types.into_iter().collect(),
        zones: arguments.places.zones.into_iter().collect(),
    }
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
