//! Where a new volume goes: its type and its availability zone, as the destination calls them.

use osm_model::{BootVolumeParams, VolumeParams};

use super::MigrationOptions;

/// The place of a new volume; what is `None` the destination chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) volume_type: Option<String>,
    pub(super) zone: Option<String>,
}

impl Place {
    /// The place for the copy of a volume: what a boot volume's params say is meant for the
    /// destination, what the volume itself says is the source's name for it.
    pub(super) fn of(
        options: &MigrationOptions,
        overrides: Option<&BootVolumeParams>,
        volume: Option<&VolumeParams>,
    ) -> Self {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let there = |pick: fn(&BootVolumeParams) -> &Option<String>| overrides.map(pick).and_then(filled);
        let here = |pick: fn(&VolumeParams) -> &Option<String>| volume.map(pick).and_then(filled);
        Self {
            volume_type: there(|wish| &wish.volume_type)
                .or_else(|| here(|given| &given.volume_type).and_then(|name| options.volume_type(&name))),
            zone: there(|wish| &wish.availability_zone)
                .or_else(|| here(|given| &given.availability_zone).and_then(|name| options.zone(&name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(volume_type: &str, zone: &str) -> VolumeParams {
        let (volume_type, availability_zone) = (Some(volume_type.to_owned()), Some(zone.to_owned()));
        VolumeParams { volume_type, availability_zone, ..VolumeParams::default() }
    }

    fn place(volume_type: Option<&str>, zone: Option<&str>) -> Place {
        Place { volume_type: volume_type.map(str::to_owned), zone: zone.map(str::to_owned) }
    }

    #[test]
    fn names_of_the_source_are_mapped_names_of_the_destination_are_not() {
        let options = MigrationOptions {
            volume_types: [("tripleo", "ceph"), ("slow", "")].map(|(a, b)| (a.into(), b.into())).into(),
            zones: [("nova", "az1")].map(|(a, b)| (a.into(), b.into())).into(),
            ..MigrationOptions::default()
        };
        let of = |volume: VolumeParams| Place::of(&options, None, Some(&volume));
        assert_eq!(of(volume("tripleo", "nova")), place(Some("ceph"), Some("az1")));
        assert_eq!(of(volume("slow", "")), place(None, None));
        assert_eq!(of(volume("fast", "az2")), place(Some("fast"), Some("az2")));
        let overrides = BootVolumeParams { volume_type: Some("slow".into()), ..BootVolumeParams::default() };
        let of_boot = Place::of(&options, Some(&overrides), Some(&volume("tripleo", "nova")));
        assert_eq!(of_boot, place(Some("slow"), Some("az1")));
    }
}
