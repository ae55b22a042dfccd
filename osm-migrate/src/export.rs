//! Export: from a cloud to resource files.

use osm_model::{FilterSet, Kind, Resource, ResourceFile, Upsert};
use osm_openstack::Session;
use osm_openstack::export::Exporter;

use crate::label::label;
use crate::{DataDir, Error, ErrorKind, Event, EventSink, Outcome, Result, Summary};

/// Writes the resources of `kinds` that pass the filters to their files.
///
/// What the files hold besides is kept: exports never remove a resource. A kind or an image that
/// cannot be exported does not stop the others; the summary says why it failed.
///
/// # Errors
/// The credentials are refused.
pub async fn export(
    session: &Session,
    kinds: &[Kind],
    filters: &FilterSet,
    data_dir: &DataDir,
    events: &dyn EventSink,
) -> Result<Summary> {
    let mut summary = Summary::default();
    let exporter = Exporter::new(session);
    for &kind in Kind::IN_ORDER.iter().filter(|kind| kinds.contains(kind)) {
        match export_kind((session, &exporter), kind, filters, data_dir, events, &mut summary).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
            Err(error) => {
                events.emit(&Event::Exported {
                    kind: kind.word().to_owned(),
                    name: None,
                    id: None,
                    outcome: Outcome::Failed,
                    error: Some(error.chain()),
                });
                summary.fail(kind.word(), &error);
            }
        }
    }
    Ok(summary)
}

async fn export_kind(
    (session, exporter): (&Session, &Exporter),
    kind: Kind,
    filters: &FilterSet,
    data_dir: &DataDir,
    events: &dyn EventSink,
    summary: &mut Summary,
) -> Result<()> {
    let resources = exporter.export_filtered(kind, filters).await?;
    let mut supplement = data_dir.read_supplement()?;
    if supplement.merge(&exporter.supplement()) {
        data_dir.write_supplement(&supplement)?;
    }
    let mut file = data_dir.read(kind)?.unwrap_or_else(ResourceFile::new);
    let mut entries = Vec::new();
    for resource in resources {
        let entry = Entry::of(kind, &resource);
        let blob = export_blob(session, &resource, data_dir).await;
        let outcome = match file.upsert(resource) {
            Upsert::Appended => Outcome::Written,
            Upsert::Replaced => Outcome::Updated,
            Upsert::Unchanged => Outcome::Unchanged,
        };
        entries.push((entry, outcome, blob));
    }
    if entries.iter().any(|(_, outcome, _)| *outcome != Outcome::Unchanged) || data_dir.read(kind)?.is_none()
    {
        data_dir.write(kind, &file)?;
    }
    // Only what is on disk was exported.
    for (entry, outcome, blob) in entries {
        match blob {
            Ok(()) => {
                summary.count(outcome);
                events.emit(&entry.event(outcome, None));
            }
            Err(error) => {
                events.emit(&entry.event(Outcome::Failed, Some(error.chain())));
                summary.fail(entry.to_string(), &error);
            }
        }
    }
    Ok(())
}

/// Writes an image's data beside the files, unless it is there already.
async fn export_blob(session: &Session, resource: &Resource, data_dir: &DataDir) -> Result<()> {
    let Resource::Image(image) = resource else { return Ok(()) };
    let Some(id) = &image.info.id else {
        return Err(Error::new(ErrorKind::Data, "the image has no id"));
    };
    let path = data_dir.image_blob(id, image.params.name.as_deref().unwrap_or_default());
    data_dir.create_parent(&path)?;
    Ok(osm_openstack::export::export_image_data(session, id, &path).await?)
}

struct Entry {
    kind: Kind,
    name: Option<String>,
    id: Option<String>,
}

impl Entry {
    fn of(kind: Kind, resource: &Resource) -> Self {
        Self { kind, name: label(resource), id: resource.id().map(str::to_owned) }
    }

    fn event(&self, outcome: Outcome, error: Option<String>) -> Event {
        let (name, id) = (self.name.clone(), self.id.clone());
        Event::Exported { kind: self.kind.word().to_owned(), name, id, outcome, error }
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.as_deref().or(self.id.as_deref()).unwrap_or("without name");
        write!(f, "{} {name}", self.kind.word())
    }
}
