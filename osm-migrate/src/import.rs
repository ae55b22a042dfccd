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
use crate::label::label;
use crate::{DataDir, Error, ErrorKind, Event, EventSink, Outcome, Result, Summary};

/// Creates or updates what the files describe, in the order of dependencies.
///
/// A resource that cannot be imported does not stop the others, except those that refer to it: they
/// fail with that reason. Workloads and detached volumes have disks, and are skipped here.
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
    let mut summary = Summary::default();
    let mut failed = Failed::default();
    let options =
        ImportOptions { image_blobs: data_dir.image_blobs(), supplement: data_dir.read_supplement()? };
    let importer = Importer::new(session, &options);
    let mut files = Files::new(data_dir, filters);
    room::check(session, &importer, kinds, &mut files, events).await?;
    for &kind in Kind::IN_ORDER.iter().filter(|kind| kinds.contains(kind)) {
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
                events.emit(&event(kind, resource, None, Outcome::Skipped, None));
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
                    events.emit(&event(kind, resource, Some(imported.id), outcome, None));
                }
                Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
                Err(error) => {
                    failed.add(resource);
                    events.emit(&event(kind, resource, None, Outcome::Failed, Some(error.chain())));
                    summary.fail(format!("{} {}", kind.word(), named(resource)), &error);
                }
            }
        }
    }
    finish::finish(&importer, kinds, &mut files, events, &mut summary).await?;
    Ok(summary)
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

fn event(
    kind: Kind,
    resource: &Resource,
    id: Option<String>,
    outcome: Outcome,
    error: Option<String>,
) -> Event {
    let name = label(resource);
    Event::Imported { kind: kind.word().to_owned(), name, id, outcome, error }
}

fn named(resource: &Resource) -> String {
    label(resource).unwrap_or_else(|| "without name".to_owned())
}

fn blocked(blocker: &Key) -> Error {
    let Key { kind, name, .. } = blocker;
    Error::new(ErrorKind::Blocked, format!("it needs `{name}` of {}, which failed", kind.word()))
        .with_hint("see why that one failed, then import again")
}
