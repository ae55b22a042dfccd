//! Import: from resource files to a cloud. Workloads are not imported but migrated.

mod files;
mod finish;
mod order;
mod room;

use std::sync::Arc;

use osm_model::{FilterSet, Kind, Resource};
use osm_openstack::Session;
use osm_openstack::import::{ImportOptions, Importer};

use self::files::Files;
use self::order::{Failed, Key, parents_first};
use crate::{DataDir, Error, ErrorKind, Event, EventSink, Item, Moved, Outcome, Result, Summary};

/// The kinds that other files refer to.
const REFERRED_TO: [Kind; 6] =
    [Kind::Project, Kind::User, Kind::Network, Kind::Subnet, Kind::SecurityGroup, Kind::Router];

/// Creates or updates what the files describe, in the order of dependencies.
///
/// A resource that cannot be imported does not stop the others, except those that refer to it: they
/// fail with that reason. Workloads and detached volumes have disks, and are skipped here.
///
/// With a [`Session::read_only`] session it is a check: nothing is written, the outcomes are what would
/// come of it. What the files of other kinds would make counts as made.
///
/// # Errors
/// The credentials are refused, or a file cannot be used.
pub async fn import(
    session: &Session,
    kinds: &[Kind],
    filters: &FilterSet,
    data_dir: &DataDir,
    events: &dyn EventSink,
) -> Result<Summary> {
    let mut moved = Vec::new();
    let result = import_all(session, kinds, filters, data_dir, events, &mut moved).await;
    // Also of an import that ended early.
    if !session.is_read_only() {
        data_dir.note_moved(moved, events);
    }
    result
}

async fn import_all(
    session: &Session,
    kinds: &[Kind],
    filters: &FilterSet,
    data_dir: &DataDir,
    events: &dyn EventSink,
    moved: &mut Vec<Moved>,
) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut failed = Failed::default();
    let options =
        ImportOptions { image_blobs: data_dir.image_blobs(), supplement: data_dir.read_supplement()? };
    let importer = Importer::new(session, &options);
    let mut files = Files::new(data_dir, filters);
    room::check(session, &importer, kinds, &mut files, events).await?;
    let last = kinds.iter().max().copied();
    for kind in Kind::IN_ORDER.into_iter().filter(|kind| Some(*kind) <= last) {
        if !kinds.contains(&kind) {
            if session.is_read_only() && REFERRED_TO.contains(&kind) {
                foresee(&importer, &files.chosen(kind)?).await;
            }
            continue;
        }
        let chosen = files.chosen(kind)?;
        let may: Vec<&Resource> =
            chosen.iter().filter(|resource| failed.blocker(resource).is_none()).collect();
        let brings_rules = kind == Kind::SecurityGroup && kinds.contains(&Kind::SecurityGroupRule);
        let rules = if brings_rules { files.chosen(Kind::SecurityGroupRule)? } else { Arc::default() };
        if !may.is_empty() {
            prepare(&importer, kind, &may, &rules.iter().collect::<Vec<_>>(), events).await?;
        }
        for resource in parents_first(chosen.iter().collect()) {
            if matches!(kind, Kind::Workload | Kind::DetachedVolume) {
                summary.count(Outcome::Skipped);
                events.emit(&Event::Imported(Item::of(kind, resource, Outcome::Skipped)));
                continue;
            }
            let result = match failed.blocker(resource) {
                Some(blocker) => Err(blocked(&blocker)),
                None => importer.import(resource).await.map_err(Error::from),
            };
            match result {
                Ok(imported) => {
                    let outcome = match imported.outcome {
                        osm_openstack::import::Outcome::Created => Outcome::Created,
                        osm_openstack::import::Outcome::Updated => Outcome::Updated,
                        osm_openstack::import::Outcome::Unchanged => Outcome::Unchanged,
                    };
                    summary.count(outcome);
                    moved.push(Moved::of(kind, resource, &imported.id));
                    let item = Item::of(kind, resource, outcome).at_destination(imported.id);
                    events.emit(&Event::Imported(item));
                }
                Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
                Err(error) => {
                    failed.add(resource);
                    let item = Item::of(kind, resource, Outcome::Failed).failed(&error);
                    summary.fail(item.title(), &error);
                    events.emit(&Event::Imported(item));
                }
            }
        }
    }
    finish::finish(&importer, kinds, &mut files, events, &mut summary).await?;
    Ok(summary)
}

/// Lets a check know what the import of a kind makes that was not asked for, and that others refer to.
async fn foresee(importer: &Importer, resources: &[Resource]) {
    for resource in parents_first(resources.iter().collect()) {
        if let Err(error) = importer.import(resource).await {
            tracing::debug!(%error, "not foreseen");
        }
    }
}

/// Makes at once what can be. What cannot is told, and left to the import of each resource.
async fn prepare(
    importer: &Importer,
    kind: Kind,
    resources: &[&Resource],
    rules: &[&Resource],
    events: &dyn EventSink,
) -> Result<()> {
    match importer.prepare(kind, resources, rules).await.map_err(Error::from) {
        Err(error) if error.kind() == ErrorKind::Auth => Err(error),
        Err(error) => {
            let message = format!("{} could not be prepared together: {}", kind.word(), error.chain());
            events.emit(&Event::Warning { workload: None, message });
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn blocked(blocker: &Key) -> Error {
    let Key { kind, name, .. } = blocker;
    Error::new(ErrorKind::Blocked, format!("it needs `{name}` of {}, which failed", kind.word()))
        .with_hint("see why that one failed, then import again")
}
