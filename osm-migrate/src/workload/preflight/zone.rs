//! Availability zones of the destination.

use std::collections::BTreeSet;

use osm_openstack::{ErrorKind, Method, Service};
use serde::Deserialize;

use super::super::side::Side;
use crate::Result;

/// The availability zones of a cloud; a service that does not tell has every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::workload) struct Zones {
    compute: Option<BTreeSet<String>>,
    storage: Option<BTreeSet<String>>,
}

impl Zones {
    pub(super) async fn of(side: &Side) -> Result<Self> {
        let compute = zones(side.compute.service()).await?;
        let storage = zones(side.storage.service()).await?;
        Ok(Self { compute, storage })
    }

    pub(super) fn has_compute(&self, zone: &str) -> bool {
        self.compute.as_ref().is_none_or(|zones| zones.contains(zone))
    }

    pub(super) fn has_storage(&self, zone: &str) -> bool {
        self.storage.as_ref().is_none_or(|zones| zones.contains(zone))
    }
}

async fn zones(service: &Service) -> Result<Option<BTreeSet<String>>> {
    #[derive(Deserialize)]
    struct Zone {
        #[serde(rename = "zoneName")]
        name: String,
    }
    let request = service.request("list availability zones", Method::GET, "os-availability-zone");
    match request.keyed::<Vec<Zone>>("availabilityZoneInfo").await {
        Ok(zones) => Ok(Some(zones.into_iter().map(|zone| zone.name).collect())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
