//! What stands in the way of a machine, and what happens to it between two passes.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use std::time::Duration;

use machines::*;
use osm_lab::vcenter::{DiskKind, DiskSeed, MachineSeed, VFault, VFaultKind};

/// Seeding a machine like this is refused before anything is made; what is said.
fn is_refused(seed: MachineSeed) -> String {
    let stage = Stage::new([seed]);
    let vm = stage.vm("app01");
    let said = stage.fails("seed", &[]);
    assert_eq!(stage.calls("CreateSnapshot_Task").len(), 0, "{said}");
    stage.at_rest(&vm);
    said
}

fn with_disk(change: impl FnOnce(&mut DiskSeed)) -> MachineSeed {
    let mut seed = app01();
    change(&mut seed.disks[1]);
    seed
}

#[test]
fn disks_that_no_snapshot_covers_are_refused() {
    let said = is_refused(with_disk(|disk| disk.mode = "independent_persistent".to_owned()));
    assert!(said.contains("(2001) is independent"), "{said}");
    let said = is_refused(with_disk(|disk| disk.sharing = Some("sharingMultiWriter".to_owned())));
    assert!(said.contains("(2001) is shared"), "{said}");
    let said = is_refused(with_disk(|disk| disk.kind = DiskKind::RdmPhysical));
    assert!(said.contains("(2001)"), "{said}");
    let said = is_refused(with_disk(|disk| disk.kind = DiskKind::FlatVer1));
    assert!(said.contains("no record of its changes"), "{said}");
    let said = is_refused(MachineSeed { hw_version: "vmx-04".to_owned(), ..app01() });
    assert!(said.contains("older than version 7"), "{said}");
    let said = is_refused(MachineSeed { disks: Vec::new(), ..app01() });
    assert!(said.contains("it has no disk"), "{said}");
}

#[tokio::test]
async fn a_disk_that_is_no_plain_file_is_told_with_the_other_way() {
    let stage = Stage::new([with_disk(|disk| disk.kind = DiskKind::SeSparse)]);
    let vm = stage.vm("app01");
    let said = stage.fails("seed", &[]);
    assert!(said.contains("SeSparse has no file of plain bytes"), "{said}");
    stage.at_rest(&vm);
    assert!(!stage.metadata("app01-2001").await.contains_key("changeID"));
}

#[tokio::test]
async fn a_snapshot_that_fails_leaves_nothing_and_says_why() {
    let cases = [
        ("NoDiskSpace", "Insufficient disk space on datastore 'ds'."),
        ("TooManySnapshotLevels", "Snapshot hierarchy is too deep."),
        ("TaskInProgress", "Another task is already in progress."),
    ];
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    for (kind, message) in cases {
        let fails = VFaultKind::TaskFails { kind: kind.to_owned(), message: message.to_owned() };
        stage.vcenter.fault(VFault::new("CreateSnapshot_Task", fails));
        let said = stage.fails("seed", &[]);
        assert!(said.contains(kind) && said.contains(message), "{said}");
        stage.at_rest(&vm);
    }
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn a_snapshot_that_is_never_made_is_given_up() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.vcenter.fault(VFault::new("CreateSnapshot_Task", VFaultKind::TaskSticks));
    let said = stage.fails("seed", &["--snapshot-wait", "1"]);
    assert!(said.contains("has not made a snapshot within 1 s"), "{said}");
    stage.at_rest(&vm);
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn a_guest_that_cannot_be_quiesced_is_copied_all_the_same() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let message = "The guest OS has reported an error during quiescing.".to_owned();
    let fails = VFaultKind::TaskFails { kind: "ApplicationQuiesceFault".to_owned(), message };
    stage.vcenter.fault(VFault::new("CreateSnapshot_Task", fails));
    let lines = stage.succeeds("seed", &[]);
    assert!(warnings(&lines).contains("could not be quiesced"), "{}", warnings(&lines));
    let asked: Vec<bool> =
        stage.calls("CreateSnapshot_Task").iter().map(|call| call.body.contains("<quiesce>true")).collect();
    assert_eq!(asked, [true, false]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_removed_is_removed_by_the_next_run() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let fails = VFaultKind::TaskFails { kind: "InvalidState".to_owned(), message: "not now".to_owned() };
    stage.vcenter.fault(VFault::new("RemoveSnapshot_Task", fails).times(3));
    let said = stage.fails("seed", &[]);
    assert!(said.contains("InvalidState"), "{said}");
    assert_eq!(stage.vcenter.snapshots(&vm).len(), 1);
    let first = stage.metadata("app01-2000").await["changeID"].clone();
    stage.vcenter.clear_faults();
    stage.guest_write(&vm, BOOT, MIB, &noise(5, 4096));
    let lines = stage.succeeds("seed", &[]);
    assert!(warnings(&lines).contains("of a run that has ended is removed"), "{}", warnings(&lines));
    assert_ne!(stage.metadata("app01-2000").await["changeID"], first);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.at_rest(&vm);
}

#[tokio::test]
async fn snapshots_of_others_stay() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let theirs = stage.vcenter.take_snapshot(&vm, "osm").unwrap();
    stage.fails("seed", &[]);
    assert_eq!(stage.vcenter.snapshots(&vm), [(theirs, "osm".to_owned())], "the name alone is not ours");
}

#[tokio::test]
async fn a_vcenter_that_restarts_is_logged_in_to_again() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_millis(500))).times(4));
    let run = stage.start("seed", &[]);
    while stage.calls("GET /folder").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.vcenter.restart();
    success(&run.wait_with_output().unwrap());
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn a_machine_that_was_renamed_or_moved_is_the_same_machine() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.vcenter.rename(&vm, "renamed");
    stage.guest_write(&vm, BOOT, MIB, &noise(5, 4096));
    let lines = stage.succeeds("seed", &["app01"]);
    assert!(copied(&lines) < MIB, "its volumes were found");
    stage.holds("app01", BOOT, &stage.vcenter.last_frozen(&vm, BOOT).unwrap()).await;
    stage.vcenter.move_storage(&vm, "other");
    stage.guest_write(&vm, BOOT, 2 * MIB, &noise(6, 4096));
    let lines = stage.succeeds("seed", &["app01"]);
    assert!(warnings(&lines).contains("is compared"), "{}", warnings(&lines));
    stage.holds("app01", BOOT, &stage.vcenter.last_frozen(&vm, BOOT).unwrap()).await;
}

#[tokio::test]
async fn a_machine_that_is_gone_and_a_name_that_nobody_has_are_told() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let said = stage.fails("seed", &["app02"]);
    assert!(said.contains("no machine of the plan has the name app02"), "{said}");
    stage.vcenter.delete_machine(&vm);
    let said = stage.fails("seed", &[]);
    assert!(said.contains("any more") && said.contains("take the inventory again"), "{said}");
}

#[tokio::test]
async fn a_plan_that_is_incomplete_or_wrong_is_told_by_machine_and_field() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let with = |from: &str, to: &str, verb: &str| {
        stage.edit(from, to);
        let said = stage.fails(verb, &[]);
        stage.edit(to, from);
        said
    };
    let said = with("network: small-net", "network: null", "cutover");
    assert!(said.contains("params.nics: network of 00:50:56:01:02:03 is empty"), "{said}");
    let said = with("network: small-net", "network: no-net", "cutover");
    assert!(said.contains("the destination has no `no-net`"), "{said}");
    let said = with("flavor: null", "flavor: huge", "cutover");
    assert!(said.contains("the destination has no `huge`") && said.contains("params.flavor"), "{said}");
    let said = with("key_name: null", "keyname: mine\n    key_name: null", "seed");
    assert!(said.contains("app01.params.keyname"), "{said}");
    let said = with("conversion: null", "conversion: magic", "cutover");
    assert!(said.contains("there is no conversion `magic`"), "{said}");
    let said = with("boot_disk: null", "boot_disk: 2009", "cutover");
    assert!(said.contains("no disk 2009 to boot from"), "{said}");
    assert!(stage.runs(&vm), "nothing of this stops the machine");
    stage.power_untouched();
}

#[tokio::test]
async fn a_plan_of_another_vcenter_is_refused() {
    let stage = Stage::new([app01()]);
    let path = stage.data_dir().join("machines.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (rest, _) = text.split_once("\nvcenter:").unwrap();
    std::fs::write(&path, format!("{rest}\nvcenter: 00000000-0000-0000-0000-000000000000\n")).unwrap();
    let said = stage.fails("seed", &[]);
    assert!(said.contains("the plan is of the vCenter 00000000"), "{said}");
    std::fs::remove_file(&path).unwrap();
    let said = stage.fails("seed", &[]);
    assert!(said.contains("there is no machines.yml") && said.contains("vmware inventory"), "{said}");
}

#[tokio::test]
async fn areas_that_contradict_the_disk_are_refused() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let before = stage.metadata("app01-2000").await["changeID"].clone();
    stage.guest_write(&vm, BOOT, MIB, &noise(5, 4096));
    let wrong = |property: &str, kind: &str| VFaultKind::Soap {
        kind: kind.to_owned(),
        key: None,
        message: format!("A specified parameter was not correct: {property}"),
        detail: vec![("invalidProperty".to_owned(), property.to_owned())],
    };
    stage
        .vcenter
        .fault(VFault::new("QueryChangedDiskAreas", wrong("startOffset", "InvalidArgument")).times(9));
    let said = stage.fails("seed", &[]);
    assert!(said.contains("startOffset"), "{said}");
    stage.vcenter.clear_faults();
    assert_eq!(stage.metadata("app01-2000").await["changeID"], before);
    stage.vcenter.fault(VFault::new("QueryChangedDiskAreas", wrong("changeId", "InvalidArgument")).times(9));
    let lines = stage.succeeds("seed", &[]);
    assert!(warnings(&lines).contains("is compared"), "{}", warnings(&lines));
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn a_check_changes_nothing() {
    let stage = Stage::new([app01()]);
    for verb in ["seed", "cutover", "migrate"] {
        stage.lab.dst().clear_requests();
        stage.succeeds(verb, &["--check"]);
        let changes: Vec<_> = stage
            .lab
            .dst()
            .requests()
            .into_iter()
            .filter(|it| it.method != "GET" && !it.path.contains("/auth/tokens"))
            .collect();
        assert!(changes.is_empty(), "{verb}: {changes:?}");
    }
    let read_only =
        ["RetrieveServiceContent", "Login", "Logout", "FindByUuid", "RetrievePropertiesEx", "CurrentTime"];
    let others: Vec<_> =
        stage.vcenter.calls().into_iter().filter(|call| !read_only.contains(&call.method.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
}
