//! Nova flavors.

use std::collections::BTreeMap;

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A flavor; only administrators can create one.
pub type Flavor = Entry<FlavorParams, FlavorInfo, FlavorMigrationParams>;

record! {
    /// What of a flavor is imported.
    #[derive(Default)]
    pub struct FlavorParams: Params {
        /// Free text.
        description: Option<String>,
        /// Root disk, in GiB.
        disk: Option<u64>,
        /// Ephemeral disk, in GiB.
        ephemeral: Option<u64>,
        /// Extra specs.
        extra_specs: BTreeMap<String, String>,
        /// Whether all projects may use it.
        is_public: Option<bool>,
        /// Name, by which it is found again.
        name: Option<String>,
        /// Memory, in MiB.
        ram: Option<u64>,
        /// Share of the network bandwidth.
        rxtx_factor: Option<f64>,
        /// Swap disk, in MiB.
        swap: Option<u64>,
        /// Virtual CPUs.
        vcpus: Option<u64>,
    }
}

record! {
    /// What the source said of a flavor.
    #[derive(Default)]
    pub struct FlavorInfo: Info {
        /// Source id.
        id: Option<String>,
        /// `OS-FLV-DISABLED:disabled`
        is_disabled: Option<bool>,
    }
}

record! {
    /// How to migrate a flavor.
    #[derive(Default)]
    pub struct FlavorMigrationParams: Migration {}
    optional {
        /// Projects that may use a private flavor. OS Migrate does not know this member, and lets
        /// it be: it neither compares nor checks what stands here.
        access_refs: Option<Vec<Reference>>,
    }
}

impl Params for FlavorParams {
    const TYPE: &'static str = "openstack.compute.Flavor";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
