//! Who is logged in, and what they look at.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use crate::vcenter::api::FilterSpec;
use crate::vcenter::xml::Moref;

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) user: String,
    pub(crate) since: Timestamp,
    pub(crate) last_active: Instant,
}

/// A view of what is below a container.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) container: String,
    /// The types that it shows; all, when empty.
    pub(crate) types: Vec<String>,
    pub(crate) recursive: bool,
}

/// Properties that somebody waits for.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) id: String,
    /// The property collector that it belongs to.
    pub(crate) collector: String,
    pub(crate) spec: FilterSpec,
    /// What was told last: objects, and their properties as they were written.
    pub(crate) told: BTreeMap<Moref, BTreeMap<String, String>>,
}
