//! What is imported: the resources that the filters let pass, of files that are read once.

use std::collections::HashMap;
use std::sync::Arc;

use osm_model::{FilterSet, Kind, Resource};

use crate::{DataDir, Result};

/// The files of a data directory, read when they are asked for.
pub(super) struct Files<'a> {
    data_dir: &'a DataDir,
    filters: &'a FilterSet,
    read: HashMap<Kind, Arc<[Resource]>>,
}

impl<'a> Files<'a> {
    pub(super) fn new(data_dir: &'a DataDir, filters: &'a FilterSet) -> Self {
        Self { data_dir, filters, read: HashMap::new() }
    }

    /// The chosen resources of a kind, in the order of its file; none when there is no file.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(super) fn chosen(&mut self, kind: Kind) -> Result<Arc<[Resource]>> {
        if let Some(known) = self.read.get(&kind) {
            return Ok(Arc::clone(known));
        }
        let file = self.data_dir.read(kind)?;
        let resources = file.into_iter().flat_map(|file| file.resources);
        let wanted = |resource: &Resource| resource.is_of(kind) && self.filters.lets_pass(kind, resource);
        let chosen: Arc<[Resource]> = resources.filter(wanted).collect();
        self.read.insert(kind, Arc::clone(&chosen));
        Ok(chosen)
    }
}
