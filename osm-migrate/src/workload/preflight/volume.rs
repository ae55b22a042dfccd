//! The volumes that a workload gets in the destination, and whether there is a place for them.

use std::collections::BTreeSet;

use osm_model::Server as Workload;

use super::super::MigrationOptions;
use super::super::place::Place;
use super::super::side::Side;
use super::guest::boot_volume;
use super::zone::Zones;
use crate::Result;

/// A volume to be made in the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workload) struct NewVolume {
    pub(in crate::workload) place: Place,
    pub(in crate::workload) gigabytes: u64,
}

/// The volumes that a workload's copies need; `root_gib` is the size of a boot disk that is no volume.
pub(in crate::workload) fn new_volumes(
    workload: &Workload,
    options: &MigrationOptions,
    root_gib: u64,
) -> Vec<NewVolume> {
    let how = &workload.migration_params;
    if !how.data_copy {
        return Vec::new();
    }
    let boot = boot_volume(workload);
    let copy = |volume: &osm_model::Volume| {
        let boots = boot.is_some_and(|boot| std::ptr::eq(boot, volume));
        NewVolume {
            place: Place::of(options, boots.then_some(&how.boot_volume_params), Some(&volume.params)),
            gigabytes: volume.info.size.unwrap_or(0),
        }
    };
    let mut volumes: Vec<NewVolume> = workload.params.volumes.iter().map(copy).collect();
    if boot.is_none() && how.boot_disk_copy {
        let place = Place::of(options, Some(&how.boot_volume_params), None);
        volumes.push(NewVolume { place, gigabytes: root_gib });
    }
    volumes
}

/// The volume types and zones of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::workload) struct VolumePlaces {
    types: BTreeSet<String>,
    /// The type of volumes that name none; none when the cloud does not tell.
    pub(super) default_type: Option<String>,
    pub(super) zones: Zones,
}

impl VolumePlaces {
    pub(in crate::workload) async fn of(side: &Side) -> Result<Self> {
        let types = side.storage.volume_types().await?;
        let default_type = side.storage.default_volume_type().await?;
        Ok(Self {
            types: types.into_iter().map(|known| known.name).collect(),
            default_type: default_type.map(|known| known.name),
            zones: Zones::of(side).await?,
        })
    }

    /// What to say of a place that is not there.
    pub(in crate::workload) fn lacks(&self, place: &Place) -> Vec<String> {
        let mut lacks = Vec::new();
        if let Some(name) = place.volume_type.as_ref().filter(|name| !self.types.contains(*name)) {
            let known: Vec<&str> = self.types.iter().map(String::as_str).collect();
            lacks.push(format!(
                "the destination has no volume type `{name}`; it has {}: edit volume_type, or map it with \
                 --volume-type-map {name}=NAME (an empty name is the destination's default)",
                known.join(", ")
            ));
        }
        if let Some(zone) = &place.zone {
            lacks.extend(self.zones.lacks_storage(zone));
        }
        lacks
    }

    /// The type that a volume will be of, as far as the cloud tells.
    pub(super) fn type_of<'a>(&'a self, place: &'a Place) -> Option<&'a str> {
        place.volume_type.as_deref().or(self.default_type.as_deref())
    }
}
