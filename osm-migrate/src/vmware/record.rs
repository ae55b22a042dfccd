//! What a volume says of the copy in it, by its metadata: the keys of the VMware migration kit, and ours.

use std::collections::BTreeMap;

use osm_openstack::block_storage::Volume;
use osm_vmware::ChangeId;

use crate::workload::tag::pairs;
use crate::{Error, ErrorKind, Result};

/// The mark of the kit and of ours: `true`.
pub(super) const OSM: &str = "osm";
/// Whether the guest is converted: `true` or `false`.
pub(super) const CONVERTED: &str = "converted";
/// What a complete copy contains.
pub(super) const CHANGE_ID: &str = "changeID";
/// Which of our keys are there; a volume without it is the kit's.
pub(super) const SCHEMA: &str = "osm_schema";
/// Its one value so far.
pub(super) const VERSION: &str = "2";
/// How far a copy is.
pub(super) const STATE: &str = "osm_state";
/// The machine's instance UUID.
pub(super) const MACHINE: &str = "osm_vm_uuid";
/// The key of the disk within the machine.
pub(super) const KEY: &str = "osm_disk_key";
/// What backed the disk when it was copied.
pub(super) const BACKING: &str = "osm_disk_uuid";
/// How many bytes it had.
pub(super) const CAPACITY: &str = "osm_capacity";
/// Of a first copy that is not complete: what is before the watermark contains this change.
pub(super) const SEED_ID: &str = "osm_seed_change_id";
/// Of a first copy that is not complete: everything before this byte is copied.
pub(super) const WATERMARK: &str = "osm_seed_watermark";
/// How many passes the copy has had.
pub(super) const PASSES: &str = "osm_passes";
/// How many bytes the last pass has read.
pub(super) const LAST_BYTES: &str = "osm_last_bytes";
/// The snapshots of other people that the machine had then, as a hash.
pub(super) const SNAPSHOTS: &str = "osm_snapshots";

/// The most characters that a value may have.
const LONGEST: usize = 255;

/// How far the copy of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It may lack bytes.
    Seeding,
    /// It is what the disk was at the point of its last pass.
    Synced,
    /// Its guest is being converted: it may be neither.
    Converting,
    /// Its guest is converted.
    Converted,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Seeding => "seeding",
            Self::Synced => "synced",
            Self::Converting => "converting",
            Self::Converted => "converted",
        }
    }

    fn of(word: &str) -> Option<Self> {
        let all = [Self::Seeding, Self::Synced, Self::Converting, Self::Converted];
        all.into_iter().find(|state| state.word() == word)
    }
}

/// What is known of the copy in a volume.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) volume: Volume,
    pub(super) converted: bool,
    pub(super) state: State,
    /// Whether the kit made it.
    pub(super) of_kit: bool,
    /// What the copy contains; none when nothing is said, or nothing that can be understood.
    pub(super) content: Option<ChangeId>,
    /// How far a first copy is: what is before the watermark, and the watermark.
    pub(super) seed: Option<(ChangeId, u64)>,
    pub(super) capacity: Option<u64>,
    pub(super) backing: Option<String>,
    pub(super) snapshots: Option<String>,
    pub(super) passes: u32,
}

impl Record {
    /// Reads what a volume says.
    ///
    /// # Errors
    /// `Data`: `converted` is neither true nor false.
    pub(super) fn read(volume: Volume) -> Result<Self> {
        let text = |key: &str| volume.metadata.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let converted = text(CONVERTED).map_or(Some(false), flag).ok_or_else(|| {
            let value = text(CONVERTED).unwrap_or_default();
            let message = format!("its metadata `{CONVERTED}` is `{value}`, neither true nor false");
            Error::new(ErrorKind::Data, message)
                .with_object(format!("volume {}", volume.id))
                .with_hint("set it to true if the guest in the volume is converted, else to false")
        })?;
        // Edited by hand, or cut off: it is not believed, and the copy is compared.
        let id =
            |key: &str| text(key).filter(|text| text.len() <= LONGEST).and_then(|text| text.parse().ok());
        let of_kit = text(SCHEMA).is_none();
        let told = text(STATE).and_then(State::of);
        let state = match (converted, told) {
            (true, _) => State::Converted,
            (false, Some(state)) => state,
            (false, None) if of_kit => State::Synced,
            (false, None) => State::Seeding,
        };
        let watermark = text(WATERMARK).and_then(|text| text.parse().ok());
        Ok(Self {
            converted,
            state,
            of_kit,
            content: id(CHANGE_ID),
            seed: id(SEED_ID).zip(watermark),
            capacity: text(CAPACITY).and_then(|text| text.parse().ok()),
            backing: text(BACKING).map(str::to_owned),
            snapshots: text(SNAPSHOTS).map(str::to_owned),
            passes: text(PASSES).and_then(|text| text.parse().ok()).unwrap_or(0),
            volume,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.volume.id
    }
}

/// A truth as Go's `ParseBool` and Ansible write it.
fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What all volumes of a machine carry.
pub(super) fn of_machine(uuid: &str) -> BTreeMap<String, String> {
    pairs([(OSM, "true"), (MACHINE, uuid)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(metadata: &[(&str, &str)]) -> Result<Record> {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Record::read(Volume { metadata, ..Volume::default() })
    }

    #[test]
    fn converted_is_read_as_the_kit_reads_it() {
        for (text, converted) in [("true", true), ("True", true), ("1", true), ("t", true), ("false", false)]
        {
            assert_eq!(record(&[(CONVERTED, text)]).unwrap().converted, converted);
        }
        assert!(!record(&[]).unwrap().converted);
        let error = record(&[(CONVERTED, "maybe")]).unwrap_err();
        assert!(error.to_string().contains("`converted` is `maybe`"), "{error}");
    }

    #[test]
    fn a_change_id_that_cannot_be_one_is_none() {
        let long = format!("{}/3", "5".repeat(300));
        for text in ["", "52 de", "/3", "52/p7", long.as_str()] {
            assert_eq!(record(&[(CHANGE_ID, text)]).unwrap().content, None, "{text}");
        }
        assert!(record(&[(CHANGE_ID, "52 de/3")]).unwrap().content.is_some());
        let half = record(&[(SEED_ID, "52 de/3"), (SCHEMA, "2")]).unwrap();
        assert_eq!((half.seed, half.state), (None, State::Seeding));
    }

    #[test]
    fn a_volume_of_the_kit_is_known_by_what_it_lacks() {
        let kit = record(&[(OSM, "true"), (CHANGE_ID, "52 de/3"), (CONVERTED, "false")]).unwrap();
        assert!(kit.of_kit && kit.content.is_some());
        assert!(!record(&[(SCHEMA, "2"), (STATE, "synced")]).unwrap().of_kit);
    }
}
