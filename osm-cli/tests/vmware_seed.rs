//! AC1 and AC2: machines are seeded while they run, and the volumes say what they contain.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use machines::*;

#[tokio::test]
async fn ac1_01_a_first_run_copies_all_disks_of_a_machine_that_runs() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let lines = stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.holds_last_snapshot(&vm, "app01", DATA).await;
    assert!(stage.runs(&vm));
    stage.power_untouched();
    stage.at_rest(&vm);
    assert_eq!(stage.calls("CreateSnapshot_Task").len(), 1, "one snapshot for all disks");
    for key in [BOOT, DATA] {
        let volume = stage.volume(&format!("app01-{key}")).await;
        assert_eq!((volume.status.as_str(), volume.size), ("available", 1));
        assert_eq!(volume.metadata["converted"], "false");
    }
    assert_eq!(events(&lines, "workload_done")[0]["outcome"], "seeded");
    let ids = [stage.volume("app01-2000").await.id, stage.volume("app01-2001").await.id];
    assert_eq!(events(&lines, "machine_volumes")[0]["volumes"], serde_json::json!(ids));
    // What was never written is not read.
    assert!(copied(&lines) < 8 * MIB, "{} bytes were read", copied(&lines));
}

#[tokio::test]
async fn ac1_02_a_second_run_reads_what_has_changed_and_nothing_else() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.guest_write(&vm, BOOT, 4 * MIB, &noise(7, 5 * MIB));
    stage.guest_write(&vm, BOOT, 64 << 10, &noise(8, 64 << 10));
    stage.guest_write(&vm, BOOT, 24 * MIB - 512, &noise(9, 512));
    stage.vcenter.clear_calls();
    let lines = stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.holds_last_snapshot(&vm, "app01", DATA).await;
    let read = copied(&lines);
    assert!((5 * MIB..6 * MIB).contains(&read), "{read} bytes were read");
    assert!(
        !stage
            .vcenter
            .calls()
            .iter()
            .any(|call| call.method == "GET /folder" && call.object.contains("app01_1"))
    );
    stage.at_rest(&vm);
}

#[tokio::test]
async fn ac1_03_each_of_five_rounds_reads_its_own_changes_only() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    for round in 0..5_u64 {
        for write in 0..4 {
            let at = (round * 4 + write) * MIB + 4096;
            stage.guest_write(&vm, BOOT, at, &noise(100 + at, 64 << 10));
        }
        let lines = stage.succeeds("seed", &[]);
        let read = copied(&lines);
        // 64 KiB that begin within a block touch two.
        assert!((256 << 10..=512 << 10).contains(&read), "round {round} read {read} bytes");
        stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    }
    assert_eq!(stage.metadata("app01-2000").await["osm_passes"], "6");
}

#[tokio::test]
async fn ac1_04_thousands_of_areas_and_a_stretch_without_any_are_all_copied() {
    const SIZE: u64 = 3 << 30;
    let large = osm_lab::vcenter::MachineSeed {
        disks: vec![osm_lab::vcenter::DiskSeed::new(BOOT, SIZE).with(0, noise(1, MIB))],
        ..app01()
    };
    let stage = Stage::with(
        |options| osm_lab::vcenter::VCenterOptions { empty_pages: true, page_areas: 1000, ..options },
        [large],
    );
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    // Every other block, so that each is an area of its own; then 2 GiB without a change.
    for area in 0..2100_u64 {
        stage.guest_write(&vm, BOOT, area * (128 << 10), &noise(area + 1, 512));
    }
    stage.guest_write(&vm, BOOT, SIZE - 512, &noise(9, 512));
    stage.vcenter.clear_calls();
    stage.succeeds("seed", &[]);
    assert!(stage.calls("QueryChangedDiskAreas").len() >= 4, "three pages of areas, and one without");
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn ac1_05_what_was_zeroed_reads_as_zeroes() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.guest_write(&vm, BOOT, 0, &vec![0; 2 * MIB as usize]);
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    assert!(stage.read("app01", BOOT, 0, 2 << 20).await.iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn ac1_06_ac6_01_a_windows_machine_is_not_stopped_either() {
    let stage = Stage::new([windows()]);
    let vm = stage.vm("app01");
    for _ in 0..2 {
        stage.succeeds("seed", &[]);
        stage.guest_write(&vm, BOOT, MIB, &noise(3, 4096));
    }
    stage.power_untouched();
    assert!(stage.runs(&vm));
}

#[tokio::test]
async fn ac1_07_tracking_begins_only_when_allowed_and_without_snapshots() {
    let stage = Stage::new([osm_lab::vcenter::MachineSeed { tracking: false, ..app01() }]);
    let vm = stage.vm("app01");
    let said = stage.fails("seed", &[]);
    assert!(said.contains("changed block tracking") && said.contains("--enable-cbt"), "{said}");
    assert_eq!(stage.volumes("app01-2000").await.len(), 0);
    let foreign = stage.vcenter.take_snapshot(&vm, "before the upgrade").unwrap();
    let said = stage.fails("seed", &["--enable-cbt"]);
    assert!(said.contains("before the upgrade"), "{said}");
    stage.vcenter.remove_snapshot(&foreign);
    stage.succeeds("seed", &["--enable-cbt"]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.at_rest(&vm);
    stage.guest_write(&vm, BOOT, MIB, &noise(3, 4096));
    let lines = stage.succeeds("seed", &[]);
    assert!(copied(&lines) < MIB, "the second pass is a delta");
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn ac1_10_a_record_that_was_begun_anew_means_a_comparison() {
    use osm_lab::vcenter::{VFault, VFaultKind};
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let cases: [(&str, &dyn Fn()); 3] = [
        ("begun anew", &|| stage.vcenter.reset_cbt(&vm, BOOT)),
        ("cannotGetChanges", &|| {
            stage.vcenter.fault(cbt_fault("cannotGetChanges").times(10));
        }),
        ("noTrack", &|| stage.vcenter.fault(cbt_fault("noTrack").times(10))),
    ];
    fn cbt_fault(key: &str) -> VFault {
        let kind = VFaultKind::Soap {
            kind: "FileFault".to_owned(),
            key: Some(format!("vim.hostd.vmsvc.cbt.{key}")),
            message: format!("Error caused by file /vmfs/volumes/ds/app01.vmdk ({key})"),
            detail: vec![("file".to_owned(), "/vmfs/volumes/ds/app01.vmdk".to_owned())],
        };
        VFault::new("QueryChangedDiskAreas", kind)
    }
    for (reason, happens) in cases {
        let before = stage.metadata("app01-2000").await["changeID"].clone();
        stage.guest_write(
            &vm,
            BOOT,
            5 * MIB,
            &noise(before.len() as u64 + u64::from(reason.len() as u32), 128 << 10),
        );
        stage.vcenter.write_untracked(&vm, BOOT, 7 * MIB, &noise(77, 4096));
        happens();
        let lines = stage.succeeds("seed", &[]);
        stage.vcenter.clear_faults();
        assert!(warnings(&lines).contains(reason), "{reason}: {}", warnings(&lines));
        stage.holds_last_snapshot(&vm, "app01", BOOT).await;
        assert_ne!(stage.metadata("app01-2000").await["changeID"], before);
        stage.at_rest(&vm);
    }
}

#[tokio::test]
async fn ac1_11_disks_that_grow_come_and_go() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.vcenter.extend_disk(&vm, BOOT, (1 << 30) + 8 * MIB);
    stage.guest_write(&vm, BOOT, (1 << 30) + MIB, &noise(3, 4096));
    let lines = stage.succeeds("seed", &[]);
    assert!(warnings(&lines).contains("had 25165824 bytes"), "{}", warnings(&lines));
    assert_eq!(stage.volume("app01-2000").await.size, 2);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.vcenter.add_disk(&vm, osm_lab::vcenter::DiskSeed::new(2002, 4 * MIB).with(0, noise(5, MIB)));
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", 2002).await;
    stage.vcenter.remove_disk(&vm, DATA);
    let said = stage.fails("seed", &[]);
    assert!(said.contains("no disk 2001 any more"), "{said}");
}

#[tokio::test]
async fn ac1_12_a_session_that_ends_and_a_network_that_breaks_are_survived() {
    use osm_lab::vcenter::{VFault, VFaultKind};
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let breaks = || {
        stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Expire).skip(2));
        stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::CutBody(1000)).skip(3).times(2));
        stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Drop).skip(5));
        stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Status(503)).skip(6));
        stage.vcenter.fault(VFault::new("QueryChangedDiskAreas", VFaultKind::Expire));
    };
    breaks();
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    let before = stage.metadata("app01-2000").await["changeID"].clone();
    stage.guest_write(&vm, BOOT, MIB, &noise(3, 4 * MIB));
    stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Status(503)).times(1000));
    let said = stage.fails("seed", &[]);
    assert!(said.contains("503"), "{said}");
    assert_eq!(stage.metadata("app01-2000").await["changeID"], before);
    stage.at_rest(&vm);
    stage.vcenter.clear_faults();
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn ac1_13_two_runs_on_one_machine_do_not_meet() {
    use osm_lab::vcenter::{VFault, VFaultKind};
    use std::time::Duration;
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_secs(2))).times(4));
    let first = stage.start("seed", &[]);
    while stage.calls("GET /folder").is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = stage.fails("seed", &[]);
    assert!(said.contains("claimed") || said.contains("works on it"), "{said}");
    let first = first.wait_with_output().unwrap();
    success(&first);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn ac1_14_a_volume_of_somebody_else_is_not_touched() {
    use osm_openstack::block_storage::CreateVolume;
    let stage = Stage::new([app01()]);
    let storage = stage.session().await.block_storage().await.unwrap();
    let theirs = CreateVolume { name: Some("app01-2001".into()), size: 1, ..CreateVolume::default() };
    storage.create_volume(&theirs).await.unwrap();
    let said = stage.fails("seed", &[]);
    assert!(said.contains("volume `app01-2001`"), "{said}");
    assert_eq!(stage.volumes("app01-2000").await.len(), 0, "looked at before anything is made");
    assert_eq!(stage.calls("CreateSnapshot_Task").len(), 0);
}

#[tokio::test]
async fn ac2_01_02_each_volume_says_the_change_id_of_its_disk_after_each_pass() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let mut before = Default::default();
    for pass in 1..=3 {
        stage.succeeds("seed", &[]);
        let mut ids = Vec::new();
        for key in [BOOT, DATA] {
            let metadata = stage.metadata(&format!("app01-{key}")).await;
            assert_eq!(
                Some(&metadata["changeID"]),
                stage.vcenter.change_id(&vm, key).as_ref(),
                "pass {pass}"
            );
            assert_eq!((metadata["osm"].as_str(), metadata["converted"].as_str()), ("true", "false"));
            assert!(!metadata.contains_key("osm_seed_watermark"));
            ids.push(metadata["changeID"].clone());
        }
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids, before, "also of a disk that has not changed");
        before = ids;
    }
}

#[tokio::test]
async fn ac2_04_what_others_wrote_on_a_volume_stays() {
    let stage = Stage::new([app01()]);
    stage.succeeds("seed", &[]);
    stage.set_metadata("app01-2000", "billing", "department 7").await;
    stage.succeeds("seed", &[]);
    assert_eq!(stage.metadata("app01-2000").await["billing"], "department 7");
}

#[tokio::test]
async fn ac2_05_a_cloud_that_does_not_take_the_change_id_fails_the_pass_and_the_next_one_converges() {
    use osm_lab::{Fault, FaultKind, Service};
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let before = stage.metadata("app01-2000").await["changeID"].clone();
    stage.guest_write(&vm, BOOT, MIB, &noise(3, 4096));
    let refused = Fault::new(Service::Cinder, FaultKind::Status(500, None)).method("POST").path("/metadata");
    stage.lab.dst().fault(refused.skip(1).times(100));
    stage.fails("seed", &[]);
    stage.lab.dst().clear_faults();
    assert_eq!(stage.metadata("app01-2000").await["changeID"], before);
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    assert_ne!(stage.metadata("app01-2000").await["changeID"], before);
}

#[tokio::test]
async fn ac2_06_a_change_id_that_is_none_or_was_lost_means_a_comparison() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    for wrong in ["no id at all", "/", ""] {
        stage.set_metadata("app01-2000", "changeID", wrong).await;
        stage.guest_write(&vm, BOOT, MIB, &noise(3 + wrong.len() as u64, 4096));
        let lines = stage.succeeds("seed", &[]);
        assert!(warnings(&lines).contains("does not say"), "{wrong}: {}", warnings(&lines));
        stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    }
}

#[tokio::test]
async fn ac1_08_a_first_copy_that_is_killed_half_way_goes_on_and_never_passes_for_complete() {
    use osm_lab::vcenter::VCenterOptions;
    let slow = |options| VCenterOptions { latency: std::time::Duration::from_millis(20), ..options };
    let full = osm_lab::vcenter::DiskSeed::new(BOOT, 24 * MIB).with(0, noise(1, 24 * MIB));
    let stage = Stage::with(slow, [osm_lab::vcenter::MachineSeed { disks: vec![full], ..app01() }]);
    let vm = stage.vm("app01");
    let words = ["--segment-mib", "2"];
    let mut run = stage.start("seed", &words);
    while stage.vcenter.folder_bytes() < 12 * MIB {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let half = stage.metadata("app01-2000").await;
    assert!(!half.contains_key("changeID") && half["osm_state"] == "seeding", "{half:?}");
    let watermark: u64 = half["osm_seed_watermark"].parse().unwrap();
    assert!(watermark >= 2 * MIB, "{half:?}");
    // Before and after the watermark.
    stage.guest_write(&vm, BOOT, 0, &noise(5, 4096));
    stage.guest_write(&vm, BOOT, 20 * MIB, &noise(6, 4096));
    stage.vcenter.clear_calls();
    stage.succeeds("seed", &words);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    let read = stage.vcenter.folder_bytes();
    assert!(
        read <= 24 * MIB - watermark + MIB,
        "{read} bytes were read again, of which {watermark} were there"
    );
}

#[tokio::test]
async fn ac1_09_a_delta_that_is_killed_is_applied_again_from_the_old_change_id() {
    use osm_lab::vcenter::VCenterOptions;
    let slow = |options| VCenterOptions { latency: std::time::Duration::from_millis(20), ..options };
    let stage = Stage::with(slow, [app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let before = stage.metadata("app01-2000").await["changeID"].clone();
    stage.guest_write(&vm, BOOT, 0, &noise(5, 20 * MIB));
    stage.vcenter.clear_calls();
    let mut run = stage.start("seed", &[]);
    while stage.vcenter.folder_bytes() < 6 * MIB {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(stage.metadata("app01-2000").await["changeID"], before);
    stage.guest_write(&vm, BOOT, 2 * MIB, &noise(6, 4096));
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.at_rest(&vm);
}

#[tokio::test]
async fn ac2_03_a_change_id_stands_on_the_volume_before_the_snapshot_is_removed_and_not_before_its_disk_is_copied()
 {
    use osm_lab::vcenter::{VFault, VFaultKind};
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let sticks = VFault::new("RemoveSnapshot_Task", VFaultKind::Latency(std::time::Duration::from_secs(2)));
    stage.vcenter.fault(sticks);
    stage.vcenter.fault(
        VFault::new("GET /folder", VFaultKind::Latency(std::time::Duration::from_millis(400))).times(4),
    );
    let run = stage.start("seed", &[]);
    while stage.calls("GET /folder").len() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(!stage.metadata("app01-2000").await.contains_key("changeID"));
    while stage.calls("RemoveSnapshot_Task").is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(stage.metadata("app01-2000").await.contains_key("changeID"));
    success(&run.wait_with_output().unwrap());
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn ac2_07_a_volume_that_says_nothing_but_whose_it_is_is_compared() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let session = stage.session().await;
    let storage = session.block_storage().await.unwrap();
    let volume = stage.volume("app01-2000").await;
    for key in volume.metadata.keys().filter(|key| *key != "osm") {
        let path = format!("volumes/{}/metadata/{key}", volume.id);
        storage.service().request("forget", osm_openstack::Method::DELETE, path).empty().await.unwrap();
    }
    stage.guest_write(&vm, BOOT, MIB, &noise(5, 4096));
    let lines = stage.succeeds("seed", &[]);
    assert!(warnings(&lines).contains("the migration kit made the volume"), "{}", warnings(&lines));
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    assert_eq!(stage.volumes("app01-2000").await.len(), 1);
}

#[tokio::test]
async fn a_seed_that_has_no_more_time_goes_on_in_the_next_window() {
    use osm_lab::vcenter::{VFault, VFaultKind};
    let full = osm_lab::vcenter::DiskSeed::new(BOOT, 24 * MIB).with(0, noise(1, 24 * MIB));
    let stage = Stage::new([osm_lab::vcenter::MachineSeed { disks: vec![full], ..app01() }]);
    let vm = stage.vm("app01");
    let late = VFaultKind::Latency(std::time::Duration::from_millis(200));
    stage.vcenter.fault(VFault::new("GET /folder", late).times(10_000));
    let mut windows = 0;
    loop {
        windows += 1;
        assert!(windows < 20, "it gets nowhere");
        let until = (jiff::Timestamp::now() + jiff::Span::new().milliseconds(3500)).to_string();
        let output = stage.work("seed", &["--segment-mib", "1", "--until", &until]).output().unwrap();
        stage.at_rest(&vm);
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), Some(130), "{}", text(&output));
        stage.guest_write(&vm, BOOT, windows * MIB, &noise(windows, 4096));
    }
    assert!(windows > 1, "one window was enough");
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

#[tokio::test]
async fn a_seed_is_repeated_until_a_pass_is_short_enough() {
    let stage = Stage::new([app01()]);
    let lines = stage.succeeds("seed", &["--max-downtime", "60"]);
    assert_eq!(events(&lines, "pass_done").len(), 1);
    let lines = stage.succeeds("seed", &["--passes", "3"]);
    let passes = events(&lines, "pass_done");
    assert_eq!(passes.iter().map(|pass| pass["pass"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(passes[0]["downtime_ms"].is_u64());
}
