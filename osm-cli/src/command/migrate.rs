//! `osm-cli migrate`, `seed` and `cutover`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use osm_migrate::host::NoHost;
use osm_migrate::state::JobStatus;
use osm_migrate::{
    BootCheck, Cancel, ConversionHost, EventSink, HostPair, MigrationOptions, RehearsalOptions, SeedOptions,
    Summary, Vars, Way, WorkloadMigration,
};
use osm_model::Kind;
use osm_openstack::Session;
use tokio::signal;

use super::setup::{Setup, Side};
use super::{Globals, flows};
use crate::{args, exit, output};

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Migrate) -> Result<ExitCode> {
    let args::Migrate { workloads, cut, detached_volumes, no_stop } = arguments;
    let work = if detached_volumes { Work::DetachedVolumes } else { Work::Move };
    let adjust = |options: &mut MigrationOptions| {
        options.stop &= !no_stop;
        cut_as(options, cut);
    };
    told(globals, workloads, work, adjust).await
}

pub(crate) async fn plan(globals: &Globals<'_>, arguments: args::Migrate) -> Result<ExitCode> {
    let mut arguments = arguments;
    arguments.workloads.check = true;
    run(globals, arguments).await
}

pub(crate) async fn seed(globals: &Globals<'_>, arguments: args::Seed) -> Result<ExitCode> {
    let max_downtime = arguments.max_downtime.map(Duration::from_secs);
    let most = if max_downtime.is_some() { SeedOptions::MANY_PASSES } else { 1 };
    let seed = SeedOptions { passes: arguments.passes.unwrap_or(most), max_downtime };
    told(globals, arguments.workloads, Work::Seed(seed), |_| {}).await
}

pub(crate) async fn cutover(globals: &Globals<'_>, arguments: args::Cutover) -> Result<ExitCode> {
    told(globals, arguments.workloads, Work::CutOver, |options| cut_as(options, arguments.cut)).await
}

pub(crate) async fn rehearse(globals: &Globals<'_>, arguments: args::Rehearse) -> Result<ExitCode> {
    let args::Rehearse { workloads, check_console: console, check_wait, keep } = arguments;
    let check = BootCheck { console, port: None, wait: Duration::from_secs(check_wait) };
    let work = Work::Rehearse(RehearsalOptions { keep });
    told(globals, workloads, work, |options| options.boot_check = Some(check)).await
}

pub(crate) async fn cleanup(globals: &Globals<'_>, arguments: args::Cleanup) -> Result<ExitCode> {
    told(globals, arguments.workloads, Work::CleanUp, |options| options.cleanup = true).await
}

/// Repeats each workload's last run that did not end well.
pub(crate) async fn retry(globals: &Globals<'_>, arguments: args::Retry) -> Result<ExitCode> {
    let args::Retry { mut workloads, cut, failed: _ } = arguments;
    let setup = Setup::new(globals, &workloads.data)?;
    let events = output::event_sink(globals.output);
    setup.warn(events.as_ref());
    let mut options = options(setup.vars.as_ref(), &workloads);
    cut_as(&mut options, cut);
    let wanted = flows::named(&workloads.names, &workloads.regexes)?;
    let failed: Vec<_> = osm_migrate::status(setup.data_dir())
        .await?
        .into_iter()
        .filter(|known| known.job.status == JobStatus::Failed)
        .filter(|known| wanted.as_ref().is_none_or(|filter| filter.matches(&known.job.workload)))
        .collect();
    let mut total = Summary::default();
    for (verb, work) in [
        ("seed", Work::Seed(SeedOptions::default())),
        ("cutover", Work::CutOver),
        ("migrate", Work::Move),
        ("detached volume", Work::DetachedVolumes),
        ("cleanup", Work::CleanUp),
    ] {
        let of_verb = failed.iter().filter(|known| known.errand.as_deref() == Some(verb));
        workloads.names = of_verb.map(|known| known.job.workload.clone()).collect();
        workloads.regexes.clear();
        if !workloads.names.is_empty() {
            total.add(perform(&setup, &workloads, options.clone(), work, Arc::clone(&events)).await?);
        }
    }
    Ok(flows::closed(&total, events.as_ref()))
}

fn cut_as(options: &mut MigrationOptions, cut: args::Cut) {
    options.window = cut.window();
    options.boot_check = cut.boot_check();
    options.hooks = cut.hooks;
}

/// What is to be done.
pub(super) enum Work {
    Move,
    DetachedVolumes,
    Seed(SeedOptions),
    CutOver,
    Rehearse(RehearsalOptions),
    CleanUp,
}

/// Does the work, and tells its summary.
async fn told(
    globals: &Globals<'_>,
    arguments: args::Workloads,
    work: Work,
    adjust: impl FnOnce(&mut MigrationOptions),
) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    if setup.checks_files() {
        flows::insist_on_valid(globals, setup.data_dir())?;
    }
    let events = output::event_sink(globals.output);
    setup.warn(events.as_ref());
    let mut options = options(setup.vars.as_ref(), &arguments);
    adjust(&mut options);
    let summary = perform(&setup, &arguments, options, work, Arc::clone(&events)).await?;
    Ok(flows::closed(&summary, events.as_ref()))
}

/// Does the work, and says so to `events`; the summary is the caller's to tell.
pub(super) async fn perform(
    setup: &Setup<'_>,
    arguments: &args::Workloads,
    options: MigrationOptions,
    work: Work,
    events: Arc<dyn EventSink>,
) -> Result<Summary> {
    let kind = if matches!(work, Work::DetachedVolumes) { Kind::DetachedVolume } else { Kind::Workload };
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
        hosts: pairs(
            &hosts(setup, (Side::Src, &src), &arguments.src_host, options.via).await?,
            &hosts(setup, (Side::Dst, &dst), &arguments.dst_host, options.via).await?,
        ),
        src,
        dst,
        state: Arc::new(data_dir.open_state()?),
        data_dir,
        events,
        options,
        cancel,
    };
    let summary = match work {
        Work::Move => migration.run(&filter).await,
        Work::DetachedVolumes => migration.run_detached(&filter).await,
        Work::Seed(seed) => migration.seed(&filter, &seed).await,
        Work::CutOver => migration.cut_over(&filter).await,
        Work::Rehearse(options) => migration.rehearse(&filter, options).await,
        Work::CleanUp => migration.clean_up(&filter).await,
    };
    interrupt.abort();
    Ok(summary?)
}

/// The conversion hosts of a side, where some are used.
async fn hosts(
    setup: &Setup<'_>,
    (side, cloud): (Side, &Session),
    named: &[String],
    via: Way,
) -> Result<Vec<Arc<dyn ConversionHost>>> {
    if via == Way::Images {
        return Ok(vec![Arc::new(NoHost)]);
    }
    let specs = match named {
        [] => vec![setup.host(side, None)?],
        named => named.iter().map(|name| setup.host(side, Some(name))).collect::<Result<_>>()?,
    };
    let mut hosts = Vec::new();
    for spec in specs {
        let host = spec.open(cloud).await;
        hosts.push(host.with_context(|| format!("the conversion host of {}", side.word()))?);
    }
    Ok(hosts)
}

/// The first with the first, the second with the second; where one side has fewer, it begins again.
fn pairs(src: &[Arc<dyn ConversionHost>], dst: &[Arc<dyn ConversionHost>]) -> Vec<HostPair> {
    let count = src.len().max(dst.len());
    let pair = |(src, dst): (&Arc<dyn ConversionHost>, &Arc<dyn ConversionHost>)| HostPair {
        src: Arc::clone(src),
        dst: Arc::clone(dst),
    };
    src.iter().cycle().zip(dst.iter().cycle()).map(pair).take(count).collect()
}

/// What is typed, and what the variables say where nothing is typed.
pub(super) fn options(vars: Option<&Vars>, arguments: &args::Workloads) -> MigrationOptions {
    let timeout = arguments.timeout.map(Duration::from_secs).or(vars.and_then(|vars| vars.timeout));
    let (guest, places) = (&arguments.guest, &arguments.places);
    MigrationOptions {
        check: arguments.check,
        via: match arguments.via {
            args::Via::Hosts => Way::Hosts,
            args::Via::Images => Way::Images,
        },
        stop: vars.and_then(|vars| vars.stop) != Some(false),
        workloads: arguments.workloads,
        disks: arguments.disks,
        limits: arguments.limits.iter().cloned().collect(),
        compress: arguments.compress,
        cleanup: arguments.cleanup || vars.and_then(|vars| vars.cleanup) == Some(true),
        timeout: timeout.unwrap_or(MigrationOptions::default().timeout),
        machine_type: guest.machine_type.clone(),
        default_machine_type: guest.default_machine_type.clone(),
        machine_types: guest.machine_types.clone(),
        tolerate_image_metadata: guest.tolerate_image_metadata,
        fail_on_drift: guest.fail_on_drift,
        volume_types: places.volume_types.iter().cloned().collect(),
        zones: places.zones.iter().cloned().collect(),
        ..MigrationOptions::default()
    }
}

/// The first Ctrl-C puts the sources back and ends; the second ends at once.
pub(super) async fn cancel_on_interrupt(cancel: Cancel) {
    if signal::ctrl_c().await.is_err() {
        return;
    }
    eprintln!("osm-cli: interrupted; putting the sources back (once more to leave at once)");
    cancel.cancel();
    if signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(exit::INTERRUPTED));
    }
}
