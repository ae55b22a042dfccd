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
}
