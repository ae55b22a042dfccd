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

    /// What to say of a zone for servers that is not there.
    pub(super) fn lacks_compute(&self, zone: &str) -> Option<String> {
        // A zone may be named with a host in it: `nova:node-1`.
        lacking(self.compute.as_ref(), zone.split(':').next().unwrap_or(zone), "servers")
    }

    /// What to say of a zone for volumes that is not there.
    pub(super) fn lacks_storage(&self, zone: &str) -> Option<String> {
        lacking(self.storage.as_ref(), zone, "volumes")
    }
}

fn lacking(known: Option<&BTreeSet<String>>, zone: &str, of: &str) -> Option<String> {
    let known = known.filter(|known| !known.contains(zone))?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Some(format!(
        "the destination has no availability zone `{zone}` for {of}; it has {}: edit availability_zone, or map it \
         with --zone-map {zone}=NAME",
        known.join(", ")
    ))
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
