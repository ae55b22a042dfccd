//! Nova flavors.

use std::collections::BTreeMap;

use super::{Entry, Params};
use crate::record::record;

/// A flavor; only administrators can create one.
pub type Flavor = Entry<FlavorParams, FlavorInfo>;

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

impl Params for FlavorParams {
    const TYPE: &'static str = "openstack.compute.Flavor";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
