//! Export: from a cloud to resource files.

use std::collections::BTreeSet;

use osm_model::{FilterSet, Kind, Resource, ResourceFile, Upsert};
use osm_openstack::Session;
use osm_openstack::export::Exporter;

use crate::{DataDir, Error, ErrorKind, Event, EventSink, Item, Outcome, Result, Summary};

/// What an export does besides reading the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Write the data of images, too.
    pub image_data: bool,
    /// What workloads shall say of copying their boot disk, when not what suits the server.
    pub boot_disk_copy: Option<bool>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { image_data: true, boot_disk_copy: None }
    }
}

/// Writes the resources of `kinds` that pass the filters to their files.
///
/// What the files hold besides is kept: exports never remove a resource. A kind or an image that
/// cannot be exported does not stop the others; the summary says why it failed. With a
/// [`DataDir::read_only`] directory it is a check: nothing is written, the outcomes are what would
/// come of it.
///
/// # Errors
/// The credentials are refused.
pub async fn export(
    session: &Session,
    kinds: &[Kind],
    filters: &FilterSet,
    data_dir: &DataDir,
    events: &dyn EventSink,
    options: &ExportOptions,
) -> Result<Summary> {
    let mut summary = Summary::default();
    let exporter = Exporter::new(session);
    let flow = Flow { session, exporter: &exporter, data_dir, events, options };
    for &kind in Kind::IN_ORDER.iter().filter(|kind| kinds.contains(kind)) {
        match flow.export_kind(kind, filters, &mut summary).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
            Err(error) => {
                let item = Item::new(kind, Outcome::Failed).failed(&error);
                summary.fail(item.title(), &error);
                events.emit(&Event::Exported(item));
            }
        }
    }
    Ok(summary)
}

/// One export, kind after kind.
struct Flow<'a> {
    session: &'a Session,
    exporter: &'a Exporter,
    data_dir: &'a DataDir,
    events: &'a dyn EventSink,
    options: &'a ExportOptions,
}

impl Flow<'_> {
    async fn export_kind(&self, kind: Kind, filters: &FilterSet, summary: &mut Summary) -> Result<()> {
        let resources = self.exporter.export_filtered(kind, filters).await?;
        let writes = !self.data_dir.is_read_only();
        let mut supplement = self.data_dir.read_supplement()?;
        let supplemented = supplement.merge(&self.exporter.supplement());
        if !supplemented.is_empty() && writes {
            self.data_dir.write_supplement(&supplement)?;
        }
        let there = self.data_dir.read(kind)?;
        let mut changed = there.is_none();
        let mut file = there.unwrap_or_else(ResourceFile::new);
        let mut items = Vec::new();
        for mut resource in resources {
            if let (Resource::Server(server), Some(copy)) = (&mut resource, self.options.boot_disk_copy) {
                server.migration_params.boot_disk_copy = copy;
            }
            let blob = self.export_blob(&resource).await;
            let item = Item::of(kind, &resource, Outcome::Unchanged);
            let beside = matches!(blob, Ok(true)) || is_among(&resource, &supplemented);
            let outcome = match file.upsert(resource) {
                Upsert::Appended => Outcome::Written,
                Upsert::Replaced => Outcome::Updated,
                Upsert::Unchanged => Outcome::Unchanged,
            };
            changed |= outcome != Outcome::Unchanged;
            let outcome = if outcome == Outcome::Unchanged && beside { Outcome::Updated } else { outcome };
            items.push((item.ended(outcome), blob));
        }
        if changed && writes {
            self.data_dir.write(kind, &file)?;
        }
        // Only what is on disk was exported.
        for (item, blob) in items {
            match blob {
                Ok(_) => {
                    summary.count(item.outcome);
                    self.events.emit(&Event::Exported(item));
                }
                Err(error) => {
                    summary.fail(item.title(), &error);
                    self.events.emit(&Event::Exported(item.failed(&error)));
                }
            }
        }
        Ok(())
    }

    /// Writes an image's data beside the files, unless it is there already. Returns whether it did, or
    /// would have.
    async fn export_blob(&self, resource: &Resource) -> Result<bool> {
        let Resource::Image(image) = resource else { return Ok(false) };
        if !self.options.image_data {
            return Ok(false);
        }
        let Some(id) = &image.info.id else {
            return Err(Error::new(ErrorKind::Data, "the image has no id"));
        };
        let path = self.data_dir.image_blob(id, image.params.name.as_deref().unwrap_or_default());
        if self.data_dir.is_read_only() {
            // An image without data has no size.
            return Ok(image.info.size.is_some() && !path.is_file());
        }
        self.data_dir.create_parent(&path)?;
        Ok(osm_openstack::export::export_image_data(self.session, id, &path).await?)
    }
}

/// Whether the resource, or a port of it, is one of these.
fn is_among(resource: &Resource, ids: &BTreeSet<String>) -> bool {
    let is = |id: Option<&str>| id.is_some_and(|id| ids.contains(id));
    match resource {
        Resource::Server(server) => server.params.ports.iter().any(|port| is(port.info.id.as_deref())),
        _ => is(resource.id()),
    }
}
