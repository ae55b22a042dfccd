//! What a pass has to copy: decided before the first byte, of what the volume says and of what the snapshot says.

use osm_vmware::{ChangeId, Delta, FrozenDisk};

use super::record::{Record, State};

/// What brings the copy of a disk to the point of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pass {
    /// A first copy, from its beginning.
    First,
    /// The rest of a first copy: what changed before the watermark, and everything from there on.
    Rest {
        /// What is there before the watermark.
        since: ChangeId,
        /// Where it goes on.
        from: u64,
    },
    /// What changed.
    Areas {
        /// What is there.
        since: ChangeId,
    },
    /// Nothing: it is there already.
    Nothing,
    /// Every block is compared, for a reason that is told.
    Compare(String),
}

/// What is to be copied. `snapshots` is the hash of other people's snapshots; `trust_kit` believes what the kit says
/// of its volumes.
pub(super) fn decide(known: &Record, frozen: &FrozenDisk, snapshots: Option<&str>, trust_kit: bool) -> Pass {
    if let Some(doubt) = doubt(known, frozen, snapshots, trust_kit) {
        return match known.state {
            // Nothing was copied that could be worth a comparison.
            State::Seeding if known.seed.as_ref().is_none_or(|(_, from)| *from == 0) && known.passes == 0 => {
                Pass::First
            }
            _ => Pass::Compare(doubt),
        };
    }
    let Some(now) = &frozen.change_id else {
        return match known.state {
            State::Seeding if known.passes == 0 => Pass::First,
            _ => Pass::Compare("vSphere keeps no record of the disk's changes".to_owned()),
        };
    };
    match (known.state, &known.seed, &known.content) {
        (State::Seeding, Some((since, from)), _) => match now.delta_since(Some(since)) {
            Delta::Everything if *from == 0 => Pass::First,
            Delta::Everything => Pass::Compare(anew(since, now)),
            Delta::Nothing | Delta::Areas => Pass::Rest { since: since.clone(), from: *from },
        },
        (State::Seeding, None, _) if known.passes == 0 => Pass::First,
        (State::Synced, _, Some(since)) => match now.delta_since(Some(since)) {
            Delta::Nothing => Pass::Nothing,
            Delta::Areas => Pass::Areas { since: since.clone() },
            Delta::Everything => Pass::Compare(anew(since, now)),
        },
        (State::Converting | State::Converted, ..) => {
            Pass::Compare("the conversion of its guest was begun and has not ended".to_owned())
        }
        _ => Pass::Compare("the volume does not say what its copy contains".to_owned()),
    }
}

/// Why what a volume says is not believed, whatever it is.
fn doubt(known: &Record, frozen: &FrozenDisk, snapshots: Option<&str>, trust_kit: bool) -> Option<String> {
    if known.of_kit {
        // The kit writes a change id before the first byte, and never another.
        let doubt = "the migration kit made the volume, which says nothing of what it has copied";
        return (!trust_kit || known.content.is_none()).then(|| doubt.to_owned());
    }
    let capacity = frozen.disk.capacity;
    if let Some(was) = known.capacity.filter(|was| *was != capacity) {
        return Some(format!("the disk had {was} bytes, and has {capacity} now"));
    }
    if known.backing.is_some() && known.backing != frozen.disk.uuid {
        return Some("the disk was replaced by another one".to_owned());
    }
    let has_content = known.passes > 0 || known.seed.is_some();
    let reverted = has_content && known.snapshots.as_deref() != snapshots;
    reverted
        .then(|| "the machine has other snapshots than then, and may have been reverted to one".to_owned())
}

fn anew(since: &ChangeId, now: &ChangeId) -> String {
    format!("the record of its changes was begun anew: the copy contains {since}, the disk is at {now}")
}

#[cfg(test)]
mod tests {
    use osm_openstack::block_storage::Volume;
    use osm_vmware::VirtualDisk;

    use super::super::record::*;
    use super::*;

    fn frozen(id: Option<&str>, capacity: u64) -> FrozenDisk {
        let disk = VirtualDisk {
            key: 2000,
            label: "Hard disk 1".into(),
            capacity,
            place: String::new(),
            file: None,
            backing: "FlatVer2".into(),
            mode: None,
            uuid: Some("6000C29".into()),
            shared: false,
            parents: 0,
        };
        FrozenDisk { disk, change_id: id.map(|id| id.parse().unwrap()) }
    }

    fn pass(metadata: &[(&str, &str)], id: Option<&str>) -> Pass {
        of(metadata, &frozen(id, 100), false)
    }

    fn of(metadata: &[(&str, &str)], frozen: &FrozenDisk, trust: bool) -> Pass {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let record = Record::read(Volume { metadata, ..Volume::default() }).unwrap();
        decide(&record, frozen, None, trust)
    }

    const SYNCED: [(&str, &str); 5] =
        [(SCHEMA, "2"), (STATE, "synced"), (CAPACITY, "100"), (BACKING, "6000C29"), (PASSES, "1")];

    fn synced(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        SYNCED.iter().chain(more).copied().collect()
    }

    fn is_compared(pass: &Pass, why: &str) -> bool {
        matches!(pass, Pass::Compare(told) if told.contains(why))
    }

    #[test]
    fn a_complete_copy_gets_what_changed() {
        let since: ChangeId = "52 de/3".parse().unwrap();
        let copy = synced(&[(CHANGE_ID, "52 de/3")]);
        assert_eq!(pass(&copy, Some("52 de/5")), Pass::Areas { since });
        assert_eq!(pass(&copy, Some("52 de/3")), Pass::Nothing);
        for other in ["52 df/5", "52 de/2"] {
            assert!(is_compared(&pass(&copy, Some(other)), "begun anew"));
        }
        assert!(is_compared(&pass(&synced(&[]), Some("52 de/5")), "does not say"));
        // Two empty ids are not "no change".
        assert!(is_compared(&pass(&synced(&[]), None), "no record"));
        assert!(is_compared(&pass(&copy, None), "no record"));
    }

    #[test]
    fn another_disk_than_then_is_compared() {
        let copy = synced(&[(CHANGE_ID, "52 de/3")]);
        assert!(is_compared(&of(&copy, &frozen(Some("52 de/5"), 200), false), "had 100 bytes"));
        let mut replaced = frozen(Some("52 de/5"), 100);
        replaced.disk.uuid = Some("other".into());
        assert!(is_compared(&of(&copy, &replaced, false), "replaced"));
        let with_snapshots = synced(&[(CHANGE_ID, "52 de/3"), (SNAPSHOTS, "ab")]);
        assert!(is_compared(&pass(&with_snapshots, Some("52 de/5")), "reverted"));
    }

    #[test]
    fn a_first_copy_goes_on_at_its_watermark() {
        let seeding = [(SCHEMA, "2"), (STATE, "seeding"), (CAPACITY, "100")];
        let with =
            |more: &[(&'static str, &'static str)]| seeding.iter().chain(more).copied().collect::<Vec<_>>();
        let half = with(&[(SEED_ID, "52 de/3"), (WATERMARK, "64")]);
        let since: ChangeId = "52 de/3".parse().unwrap();
        assert_eq!(pass(&half, Some("52 de/4")), Pass::Rest { since, from: 64 });
        assert!(is_compared(&pass(&half, Some("53/4")), "begun anew"));
        assert!(is_compared(&of(&half, &frozen(Some("52 de/4"), 200), false), "had 100 bytes"));
        assert_eq!(pass(&with(&[]), Some("52 de/4")), Pass::First);
        assert_eq!(pass(&with(&[]), None), Pass::First);
        let begun = with(&[(SEED_ID, "52 de/3"), (WATERMARK, "0")]);
        assert_eq!(pass(&begun, Some("53/4")), Pass::First);
        assert_eq!(of(&begun, &frozen(Some("53/4"), 200), false), Pass::First);
        // A comparison that was cut off is one again: it has had a pass, and says no change.
        let compared = with(&[(PASSES, "2")]);
        assert!(is_compared(&pass(&compared, Some("52 de/4")), "does not say"));
    }

    #[test]
    fn the_kits_volumes_are_distrusted_unless_told_otherwise() {
        let kit = [(OSM, "true"), (CHANGE_ID, "52 de/3")];
        let now = frozen(Some("52 de/5"), 100);
        assert!(is_compared(&of(&kit, &now, false), "kit"));
        assert!(matches!(of(&kit, &now, true), Pass::Areas { .. }));
        assert!(is_compared(&of(&[(OSM, "true")], &now, true), "kit"));
    }
}
