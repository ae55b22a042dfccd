//! Import: from resource files to a cloud. Workloads are not imported but migrated.

mod finish;
mod order;
mod room;

use osm_model::{FilterSet, Kind, Resource};
use osm_openstack::Session;
use osm_openstack::import::{ImportOptions, Importer};

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
    room::check(session, &importer, kinds, filters, data_dir, events).await?;
    for &kind in Kind::IN_ORDER.iter().filter(|kind| kinds.contains(kind)) {
        let Some(file) = data_dir.read(kind)? else { continue };
        let wanted = |resource: &&Resource| resource.is_of(kind) && filters.lets_pass(kind, resource);
        let chosen: Vec<&Resource> = file.resources.iter().filter(wanted).collect();
        let may: Vec<&Resource> =
            chosen.iter().copied().filter(|resource| failed.blocker(resource).is_none()).collect();
        let rules = match kinds.contains(&Kind::SecurityGroupRule) && kind == Kind::SecurityGroup {
            true => finish::chosen(data_dir, filters, Kind::SecurityGroupRule)?,
            false => Vec::new(),
        };
        importer.prepare(kind, &may, &rules.iter().collect::<Vec<_>>()).await?;
        for resource in parents_first(chosen) {
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
    finish::finish(&importer, kinds, filters, data_dir, events, &mut summary).await?;
    Ok(summary)
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
