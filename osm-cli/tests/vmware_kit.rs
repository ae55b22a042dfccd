//! B1 to B16: where the VMware migration kit loses data or its user, and this must not. Each test describes the kit's
//! behaviour that it fails for.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use machines::*;
use osm_lab::vcenter::{DiskSeed, MachineSeed, VCenterOptions, VFault, VFaultKind};

/// A machine with one disk of 24 MiB that is full of bytes.
fn full() -> MachineSeed {
    MachineSeed { disks: vec![DiskSeed::new(BOOT, 24 * MIB).with(0, noise(1, 24 * MIB))], ..app01() }
}

/// The kit writes the change id when it makes the volume: after a crash, only a delta is copied over a half copy. With
/// `OSM_TRIALS=100` it is killed at every percent.
#[tokio::test]
async fn kit_b01_a_first_copy_that_is_killed_at_any_percent_is_completed() {
    let slow = |options| VCenterOptions { latency: Duration::from_millis(2), ..options };
    let stage = Stage::with(slow, [full()]);
    let vm = stage.vm("app01");
    let words = ["--segment-mib", "2"];
    let storage = stage.session().await.block_storage().await.unwrap();
    let mut killed = 0;
    let trials: u64 = std::env::var("OSM_TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for percent in (1..=trials).map(|trial| trial * 100 / trials) {
        stage.vcenter.clear_calls();
        let mut run = stage.start("seed", &words);
        while stage.vcenter.folder_bytes() < 24 * MIB * percent / 100 && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        killed += u64::from(run.try_wait().unwrap().is_none());
        run.kill().unwrap();
        run.wait().unwrap();
        let half = stage.metadata("app01-2000").await;
        let complete = half["osm_state"] == "synced";
        assert_eq!(half.contains_key("changeID"), complete, "{percent} %: {half:?}");
        stage.guest_write(&vm, BOOT, (percent % 24) * MIB, &noise(percent, 4096));
        stage.succeeds("seed", &words);
        stage.holds_last_snapshot(&vm, "app01", BOOT).await;
        stage.at_rest(&vm);
        let volume = stage.volume("app01-2000").await;
        storage.delete_volume(&volume.id).await.unwrap();
        storage.wait_volume_gone(&volume.id, Duration::from_secs(10)).await.unwrap();
    }
    assert!(killed * 10 >= trials * 9, "only {killed} of {trials} runs were killed before they had ended");
}

/// The kit never writes another change id: each delta begins at the first snapshot.
#[tokio::test]
async fn kit_b02_five_syncs_move_only_new_changes() {
    let stage = Stage::new([full()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let mut read = Vec::new();
    for sync in 0..5 {
        stage.guest_write(&vm, BOOT, sync * 4 * MIB, &noise(sync, MIB));
        read.push(copied(&stage.succeeds("seed", &[])));
    }
    assert_eq!(read, [MIB; 5]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

/// The kit applies a delta whatever became of the record: after a revert it has the wrong areas.
#[tokio::test]
async fn kit_b03_a_machine_that_was_reverted_or_whose_record_began_anew_is_compared() {
    let stage = Stage::new([full()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let before = stage.metadata("app01-2000").await["changeID"].clone();
    let theirs = stage.vcenter.take_snapshot(&vm, "before the upgrade").unwrap();
    stage.guest_write(&vm, BOOT, MIB, &noise(6, 4096));
    // The file that a datastore serves is not what a second snapshot freezes.
    let said = stage.fails("seed", &[]);
    assert!(said.contains("older snapshots hold a part of its bytes"), "{said}");
    assert_eq!(
        stage.vcenter.snapshots(&vm),
        [(theirs.clone(), "before the upgrade".to_owned())],
        "theirs is not touched"
    );
    assert_eq!(stage.metadata("app01-2000").await["changeID"], before);
    stage.vcenter.revert(&vm, &theirs);
    stage.vcenter.remove_snapshot(&theirs);
    stage.vcenter.power_on(&vm);
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.vcenter.reset_cbt(&vm, BOOT);
    stage.vcenter.write_untracked(&vm, BOOT, 3 * MIB, &noise(5, 4096));
    let lines = stage.succeeds("seed", &[]);
    assert!(warnings(&lines).contains("begun anew"), "{}", warnings(&lines));
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    assert_eq!(stage.vcenter.snapshots(&vm).len(), 0);
}

/// The kit reads one area after the other, never flushes, and allocates for each.
#[tokio::test]
async fn kit_b04_many_areas_are_under_way_at_once_and_flushed_before_they_are_noted() {
    const LATENCY: Duration = Duration::from_millis(20);
    let stage = Stage::with(|options| VCenterOptions { latency: LATENCY, ..options }, [full()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    for area in 0..180 {
        stage.guest_write(&vm, BOOT, area * (128 << 10), &noise(area, 512));
    }
    let begun = Instant::now();
    let lines = stage.succeeds("seed", &[]);
    let took = begun.elapsed();
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    let copying = copy_time(&lines).unwrap_or(took);
    assert!(copying < LATENCY * 180 / 4, "180 areas took {copying:?}, one at a time {:?}", LATENCY * 180);
}

/// How long the pass took.
fn copy_time(lines: &[serde_json::Value]) -> Option<Duration> {
    let pass = events(lines, "pass_done").last().copied()?;
    Some(Duration::from_millis(pass["took_ms"].as_u64()?))
}

/// The kit ends at the first page without areas.
#[tokio::test]
async fn kit_b05_a_page_without_areas_is_not_the_end() {
    const SIZE: u64 = 3 << 30;
    let large = MachineSeed { disks: vec![DiskSeed::new(BOOT, SIZE).with(0, noise(1, MIB))], ..app01() };
    let stage = Stage::with(|options| VCenterOptions { empty_pages: true, ..options }, [large]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.guest_write(&vm, BOOT, 0, &noise(2, 4096));
    stage.guest_write(&vm, BOOT, SIZE - 4096, &noise(3, 4096));
    stage.succeeds("seed", &[]);
    assert_eq!(stage.read("app01", BOOT, 0, 4096).await, noise(2, 4096));
    assert_eq!(stage.read("app01", BOOT, SIZE - 4096, 4096).await, noise(3, 4096));
}

/// The kit stops Linux after the last snapshot: what is written in between is lost.
#[tokio::test]
async fn kit_b06_a_counter_that_is_written_until_the_guest_is_off_is_complete() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let ended = AtomicBool::new(false);
    let last = std::thread::scope(|scope| {
        let counter = scope.spawn(|| {
            let mut count = 0_u64;
            while !ended.load(Ordering::Relaxed) {
                let next = (count + 1).to_le_bytes();
                if !stage.vcenter.guest_write(&vm, DATA, 8 * MIB, &next).unwrap() {
                    return count;
                }
                count += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("the guest was never stopped");
        });
        stage.succeeds("cutover", &[]);
        ended.store(true, Ordering::Relaxed);
        counter.join().unwrap()
    });
    assert!(last > 10, "the counter ran while the machine was cut over: {last}");
    assert_eq!(stage.read("app01", DATA, 8 * MIB, 8).await, last.to_le_bytes());
    stage.holds("app01", DATA, &stage.vcenter.live_file(&vm, DATA)).await;
}

/// The kit writes zeroes nowhere, or everywhere: its option has no effect.
#[tokio::test]
async fn kit_b09_a_volume_that_held_something_else_is_zeroed_where_the_disk_is() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    // As the storage of somebody else's old volume would look.
    let volume = stage.volume("app01-2000").await;
    let file = std::fs::File::options().write(true).open(stage.lab.dst().volume_file(&volume.id)).unwrap();
    file.write_all_at(&vec![0xe5; 24 << 20], 0).unwrap();
    for (key, value) in [("osm_state", "seeding"), ("osm_passes", "0"), ("changeID", "")] {
        stage.set_metadata("app01-2000", key, value).await;
    }
    let lines = stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    assert!(copied(&lines) < 8 * MIB, "zeroes were not read");
}

/// The kit finds volumes by name: two machines of one name share theirs.
#[tokio::test]
async fn kit_b10_two_machines_of_one_name_have_their_own_volumes() {
    let in_folder = |folder: &str, seed: u64| MachineSeed {
        folder: folder.to_owned(),
        disks: vec![DiskSeed::new(BOOT, 4 * MIB).with(0, noise(seed, MIB))],
        ..app01()
    };
    let stage = Stage::new([in_folder("red", 1), in_folder("blue", 2)]);
    stage.succeeds("seed", &[]);
    stage.succeeds("seed", &[]);
    let volumes = stage.volumes("app01-2000").await;
    assert_eq!(volumes.len(), 2);
    for machine in stage.inventory() {
        let uuid = machine["instance_uuid"].as_str().unwrap();
        let own = volumes.iter().find(|volume| volume.metadata["osm_vm_uuid"] == uuid).unwrap();
        let live = stage.vcenter.live_file(machine["moref"].as_str().unwrap(), BOOT);
        let copy = std::fs::File::open(stage.lab.dst().volume_file(&own.id)).unwrap();
        let mut bytes = vec![0; 4 << 20];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes == std::fs::read(live).unwrap(), "{uuid}");
    }
}

/// The kit does not hear Ctrl-C: its snapshot grows until somebody finds it.
#[tokio::test]
async fn kit_b11_an_interrupted_run_takes_its_snapshot_along() {
    let stage = Stage::new([full()]);
    let vm = stage.vm("app01");
    stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_secs(30))).times(100));
    let run = stage.start("seed", &[]);
    while stage.calls("GET /folder").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stage.vcenter.snapshots(&vm).len(), 1);
    let pid = run.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    stage.at_rest(&vm);
    stage.vcenter.clear_faults();
    stage.succeeds("seed", &[]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

/// The kit looks at its server before it looks at the error: what went wrong is not told.
#[tokio::test]
async fn kit_b12_why_a_disk_cannot_be_read_is_told() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let by = |way: &str| {
        let mut run = stage.vmware("seed", &["--dst", "dst", "--convert", "none", "--read-by", way]);
        let devices = stage.lab.dst().device_dir("os_migrate_conv_dst");
        run.arg("--dst-host").arg(format!("local:os_migrate_conv_dst,devices={}", devices.display()));
        let output = run.output().unwrap();
        assert!(!output.status.success());
        text(&output)
    };
    assert!(by("vddk:/nowhere").contains("there is no VDDK"), "{}", by("vddk:/nowhere"));
    let said = by("nbd+unix:///?socket=/nowhere/{moref}-{key}.sock");
    assert!(said.contains(&format!("/nowhere/{vm}-2000.sock")), "{said}");
    stage.at_rest(&vm);
}

/// The kit has one port: one machine at a time, one disk at a time.
#[tokio::test]
async fn kit_b13_machines_and_disks_are_copied_at_once() {
    let named = |name: &str| machine(name);
    let stage = Stage::new(["app01", "app02", "app03"].map(named));
    stage
        .vcenter
        .fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_millis(400))).times(1000));
    let begun = Instant::now();
    stage.succeeds("seed", &["--machines", "3", "--disks", "2"]);
    let took = begun.elapsed();
    for name in ["app01", "app02", "app03"] {
        for key in [BOOT, DATA] {
            stage.holds_last_snapshot(&stage.vm(name), name, key).await;
        }
    }
    // Each of six disks asks at least twice in turn: once when it is opened, once for its bytes.
    assert!(took < Duration::from_millis(6 * 2 * 400), "{took:?}");
}

/// The kit has what a guest needs of its hardware in its code: RHEL, q35, UEFI.
#[tokio::test]
async fn kit_b14_what_the_guest_needs_comes_from_the_machine_and_can_be_told() {
    let stage = Stage::new([app01()]);
    stage.edit("image_metadata: {}", "image_metadata:\n      hw_machine_type: pc\n      hw_disk_bus: scsi");
    stage.succeeds("migrate", &[]);
    let told = stage.volume("app01-2000").await.volume_image_metadata;
    assert_eq!(told.get("os_type").map(String::as_str), Some("linux"));
    assert_eq!(told.get("hw_machine_type").map(String::as_str), Some("pc"));
    assert_eq!(told.get("hw_disk_bus").map(String::as_str), Some("scsi"));
    assert_eq!(told.get("hw_firmware_type"), None, "its firmware is a BIOS");
}

/// The kit punches holes into encrypted volumes: they read as noise.
#[tokio::test]
async fn kit_b15_zeroes_are_written_to_an_encrypted_volume() {
    let stage = Stage::new([app01()]);
    stage.lab.dst().encrypt_volumes_of("ssd");
    let vm = stage.vm("app01");
    stage.succeeds("seed", &["--volume-type", "ssd"]);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    let volume = stage.volume("app01-2000").await;
    assert!(volume.encrypted);
    let written = |volume: &str| {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(stage.lab.dst().volume_file(volume)).unwrap().blocks() * 512
    };
    assert!(written(&volume.id) >= 24 * MIB, "{} bytes are there", written(&volume.id));
}

/// The kit's token ends after some hours, and the copy with it.
#[tokio::test]
async fn kit_b16_tokens_and_sessions_that_end_are_renewed() {
    let stage = Stage::new([full()]);
    let vm = stage.vm("app01");
    stage.vcenter.fault(VFault::new("GET /folder", VFaultKind::Latency(Duration::from_millis(500))).times(6));
    let run = stage.start("seed", &[]);
    while stage.calls("GET /folder").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.lab.dst().expire_tokens();
    stage.vcenter.expire_sessions();
    success(&run.wait_with_output().unwrap());
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.at_rest(&vm);
}
