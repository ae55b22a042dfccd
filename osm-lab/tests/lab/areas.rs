//! Changed Block Tracking: what `QueryChangedDiskAreas` answers, against the bytes that snapshots froze.

use std::path::Path;

use osm_lab::vcenter::{DiskSeed, MachineSeed};
use proptest::prelude::*;

use crate::soap::{Areas, Site, element, fault_of, site, site_with};

const BLOCK: u64 = 64 << 10;
const CAPACITY: u64 = 4 << 20;

/// What a guest does before the next snapshot: offsets and lengths of writes.
type Round = Vec<(u64, u64)>;

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let write = (0..CAPACITY, 1..200_000_u64).prop_map(|(at, length)| (at, length.min(CAPACITY - at)));
    proptest::collection::vec(proptest::collection::vec(write, 0..5), 2..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn areas_are_the_blocks_that_were_written_between_two_snapshots(rounds in rounds()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(play(&rounds));
    }
}

async fn play(rounds: &[Round]) {
    let site = site_with(|options| options.page_areas = 2).await;
    let vm = site.machine(|seed| seed.disks = vec![DiskSeed::new(2000, CAPACITY)]);
    // Change id, the bytes as they were frozen, and what the guest wrote before.
    let mut moments: Vec<(String, Vec<u8>, Round)> = Vec::new();
    for (number, round) in (1_u8..).zip(rounds) {
        for (offset, length) in round {
            let bytes = vec![number; usize::try_from(*length).unwrap()];
            assert!(site.vcenter.guest_write(&vm, 2000, *offset, &bytes).unwrap());
        }
        let snapshot = site.snapshot(&vm, "s").await;
        let frozen = read(&site.vcenter.last_frozen(&vm, 2000).unwrap());
        let config = site.properties("VirtualMachineSnapshot", &snapshot, &["config.hardware.device"]).await;
        let change_id = element(&config, "changeId").unwrap().to_owned();
        assert_eq!(site.vcenter.change_id(&vm, 2000).unwrap(), change_id);
        moments.push((change_id, frozen.clone(), round.clone()));
        for (index, (since, before, _)) in moments.iter().enumerate() {
            let areas = site.areas(&vm, &snapshot, 2000, since, CAPACITY).await;
            let written = moments[index + 1..].iter().flat_map(|(_, _, round)| round);
            check(&areas, before, &frozen, written);
        }
        let ever = site.areas(&vm, &snapshot, 2000, "*", CAPACITY).await;
        let written = moments.iter().flat_map(|(_, _, round)| round);
        check(&ever, &vec![0; frozen.len()], &frozen, written);
        site.remove(&snapshot).await;
        assert_eq!(read(&site.vcenter.last_frozen(&vm, 2000).unwrap()), frozen);
    }
}

/// The areas cover all that differs, and no block that nobody wrote to.
fn check<'w>(areas: &Areas, before: &[u8], after: &[u8], written: impl Iterator<Item = &'w (u64, u64)>) {
    let written: Vec<(u64, u64)> = written.copied().collect();
    let block = usize::try_from(BLOCK).unwrap();
    for (number, (old, new)) in (0_u64..).zip(before.chunks(block).zip(after.chunks(block))) {
        let begins = number * BLOCK;
        let covered = areas.iter().any(|(start, length)| *start <= begins && begins < start + length);
        let touched = written.iter().any(|(at, length)| *at < begins + BLOCK && at + length > begins);
        assert!(covered || old == new, "block {number} has changed and is not told");
        assert_eq!(covered, touched, "block {number}");
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

#[tokio::test]
async fn a_page_ends_with_its_last_area_and_the_last_one_with_the_disk() {
    let site = site_with(|options| options.page_areas = 3).await;
    let vm = site.machine(|_| {});
    for block in [0, 2, 4, 6, 7] {
        site.vcenter.guest_write(&vm, 2000, block * BLOCK, b"x").unwrap();
    }
    let snapshot = site.snapshot(&vm, "s").await;
    let (areas, end) = site.page(&vm, &snapshot, 2000, 0, "*").await;
    assert_eq!(areas, [(0, BLOCK), (2 * BLOCK, BLOCK), (4 * BLOCK, BLOCK)]);
    assert_eq!(end, 5 * BLOCK);
    let rest = site.page(&vm, &snapshot, 2000, end, "*").await;
    assert_eq!(rest, (vec![(6 * BLOCK, 2 * BLOCK)], 64 << 20));
    // From the middle of an area only what is left of it.
    let middle = site.page(&vm, &snapshot, 2000, 6 * BLOCK + 512, "*").await.0;
    assert_eq!(middle, [(6 * BLOCK + 512, 2 * BLOCK - 512)]);
}

#[tokio::test]
async fn a_long_stretch_without_changes_can_be_a_page_without_areas() {
    let capacity = 3 << 30;
    for empty_pages in [false, true] {
        let site = site_with(|options| options.empty_pages = empty_pages).await;
        let vm = site.machine(|seed| seed.disks = vec![DiskSeed::new(2000, capacity)]);
        site.vcenter.guest_write(&vm, 2000, 0, b"x").unwrap();
        site.vcenter.guest_write(&vm, 2000, 1 << 31, b"x").unwrap();
        let snapshot = site.snapshot(&vm, "s").await;
        let (first, second) = ((0, BLOCK), (1 << 31, BLOCK));
        if empty_pages {
            assert_eq!(site.page(&vm, &snapshot, 2000, 0, "*").await, (vec![first], BLOCK));
            assert_eq!(site.page(&vm, &snapshot, 2000, BLOCK, "*").await, (vec![], 1 << 31));
        } else {
            assert_eq!(site.page(&vm, &snapshot, 2000, 0, "*").await, (vec![first, second], capacity));
        }
        assert_eq!(site.areas(&vm, &snapshot, 2000, "*", capacity).await, [first, second]);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_by_its_fault() {
    let site = site().await;
    let vm = site.machine(|seed| {
        seed.disks.push(DiskSeed { mode: "independent_persistent".into(), ..DiskSeed::new(2001, 1 << 20) });
    });
    let vcenter = &site.vcenter;
    let first = site.snapshot(&vm, "a").await;
    let id = vcenter.change_id(&vm, 2000).unwrap();
    let fault = async |snapshot: &str, key: i32, start: i64, id: &str| {
        let (status, answer) = site.query(&vm, Some(snapshot), key, start, id).await;
        assert_eq!(status, 500, "{answer}");
        let key = element(&answer, "key").or(element(&answer, "invalidProperty")).unwrap_or_default();
        (fault_of(&answer).to_owned(), key.to_owned())
    };
    let argument = |name: &str| ("InvalidArgument".to_owned(), name.to_owned());
    let file = |key: &str| ("FileFault".to_owned(), format!("vim.hostd.vmsvc.cbt.{key}"));
    assert_eq!(fault(&first, 2000, 64 << 20, &id).await, argument("startOffset"));
    assert_eq!(fault(&first, 2000, -1, &id).await, argument("startOffset"));
    assert_eq!(fault(&first, 2000, 0, "nonsense").await, argument("changeId"));
    assert_eq!(fault(&first, 2000, 0, &id.replace('/', "/p")).await, argument("changeId"));
    assert_eq!(fault(&first, 2002, 0, &id).await, argument("deviceKey"));
    assert_eq!(fault(&first, 2001, 0, &id).await, argument("deviceKey"));
    assert_eq!(fault("snapshot-9999", 2000, 0, &id).await.0, "ManagedObjectNotFound");
    site.remove(&first).await;
    assert_eq!(fault(&first, 2000, 0, &id).await.0, "ManagedObjectNotFound");
    let (_, answer) = site.query(&vm, None, 2000, 0, "*").await;
    assert_eq!(fault_of(&answer), "InvalidPowerState");

    vcenter.reset_cbt(&vm, 2000);
    let second = site.snapshot(&vm, "b").await;
    assert_eq!(fault(&second, 2000, 0, &id).await, file("cannotGetChanges"));
    let later = site.snapshot(&vm, "c").await;
    let id = vcenter.change_id(&vm, 2000).unwrap();
    assert_eq!(fault(&second, 2000, 0, &id).await, file("cannotGetChanges"));
    site.remove(&second).await;
    site.remove(&later).await;
    vcenter.set_tracking(&vm, false);
    let third = site.snapshot(&vm, "d").await;
    assert_eq!(fault(&third, 2000, 0, "*").await, file("noTrack"));
    assert_eq!(vcenter.change_id(&vm, 2000), None);
    vcenter.delete_machine(&vm);
    assert_eq!(fault(&third, 2000, 0, "*").await.0, "ManagedObjectNotFound");
}

#[tokio::test]
async fn tracking_of_a_running_machine_begins_when_a_snapshot_is_removed() {
    let site = site().await;
    let machines = [false, true].map(|powered_on| {
        let seed = MachineSeed { powered_on, tracking: false, ..MachineSeed::new(format!("m{powered_on}")) };
        site.vcenter.add_machine(seed).unwrap()
    });
    let spec = "<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>";
    for (vm, effective) in machines.iter().zip([true, false]) {
        site.task("ReconfigVM_Task", "VirtualMachine", vm, spec).await.unwrap();
        let told = site.properties("VirtualMachine", vm, &["config.changeTrackingEnabled"]).await;
        assert_eq!(element(&told, "name"), Some("config.changeTrackingEnabled"));
        assert!(told.contains("<val xsi:type=\"xsd:boolean\">true</val>"), "{told}");
        let snapshot = site.snapshot(vm, "stun").await;
        assert_eq!(site.vcenter.change_id(vm, 2000).is_some(), effective);
        site.remove(&snapshot).await;
        site.snapshot(vm, "next").await;
        assert!(site.vcenter.change_id(vm, 2000).is_some());
    }
}

#[tokio::test]
async fn what_changes_in_secret_is_not_told_until_tracking_begins_anew() {
    let site: Site = site().await;
    let vm = site.machine(|seed| seed.powered_on = false);
    site.vcenter.write_untracked(&vm, 2000, 5 * BLOCK, b"secret");
    site.vcenter.write_off(&vm, 2000, 7 * BLOCK, b"told").unwrap();
    assert!(!site.vcenter.guest_write(&vm, 2000, 0, b"nobody is there").unwrap());
    let snapshot = site.snapshot(&vm, "s").await;
    assert_eq!(site.areas(&vm, &snapshot, 2000, "*", 64 << 20).await, [(7 * BLOCK, BLOCK)]);
    site.remove(&snapshot).await;
    site.vcenter.reset_cbt(&vm, 2000);
    let snapshot = site.snapshot(&vm, "s").await;
    let all = [(5 * BLOCK, BLOCK), (7 * BLOCK, BLOCK)];
    assert_eq!(site.areas(&vm, &snapshot, 2000, "*", 64 << 20).await, all);
    // A move makes another line of it, and knows no id of the old one.
    let old = site.vcenter.change_id(&vm, 2000).unwrap();
    site.remove(&snapshot).await;
    site.vcenter.move_storage(&vm, "other");
    site.vcenter.extend_disk(&vm, 2000, 65 << 20);
    let snapshot = site.snapshot(&vm, "s").await;
    let (_, answer) = site.query(&vm, Some(&snapshot), 2000, 0, &old).await;
    assert_eq!(fault_of(&answer), "FileFault");
    assert_eq!(site.areas(&vm, &snapshot, 2000, "*", 65 << 20).await, all);
    let config = site.properties("VirtualMachineSnapshot", &snapshot, &["config.hardware.device"]).await;
    assert_eq!(element(&config, "fileName"), Some("[other] app/app.vmdk"));
    assert_eq!(element(&config, "capacityInBytes"), Some("68157440"));
}
