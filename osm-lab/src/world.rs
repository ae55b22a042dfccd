//! Everything one cloud knows.

use crate::cinder::BlockStorage;
use crate::glance::Images;
use crate::keystone::Identity;
use crate::neutron::Networking;
use crate::nova::Compute;
use crate::quota::Quotas;

/// The state of a cloud, behind the cloud's one lock.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) keystone: Identity,
    pub(crate) nova: Compute,
    pub(crate) neutron: Networking,
    pub(crate) cinder: BlockStorage,
    pub(crate) glance: Images,
    pub(crate) quotas: Quotas,
    /// The availability zones of servers and volumes.
    pub(crate) zones: Zones,
}

/// Names of availability zones; a cloud that nobody changed has the one that all have.
#[derive(Debug)]
pub(crate) struct Zones(pub(crate) Vec<String>);

impl Default for Zones {
    fn default() -> Self {
        Self(vec!["nova".to_owned()])
    }
}

impl Zones {
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|zone| zone == name)
    }
}
