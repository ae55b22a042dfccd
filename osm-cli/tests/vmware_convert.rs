//! The conversion of a guest, by a program that stands for virt-v2v-in-place: it writes to the overlays, or fails half
//! way. Needs qemu-img and qemu-io.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use machines::*;

/// Whether QEMU's tools are there; says so when not.
fn has_qemu() -> bool {
    let there = ["qemu-img", "qemu-io"].iter().all(|name| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join(name).is_file())
    });
    if !there {
        assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "qemu-img and qemu-io are required");
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no qemu-img and qemu-io\n").unwrap();
    }
    there
}

/// A program that writes a mark to each disk of its domain, and ends with `status`.
fn converter(stage: &Stage, status: i32) -> PathBuf {
    let path = stage.dir.path().join(format!("virt-v2v-{status}"));
    let script = format!(
        "#!/bin/sh\nset -e\nfor word; do xml=$word; done\n\
         sed -n \"s/.*<source file='\\(.*\\)'.*/\\1/p\" \"$xml\" | while read -r disk; do\n\
         qemu-io -f qcow2 -c 'write -q -P 0x5a 4096 4096' \"$disk\"; done\n\
         echo 'virt-v2v-in-place: warning: no way to update the boot loader'\n\
         echo 'virt-v2v-in-place: error: inspection could not detect the source guest' >&2\nexit {status}\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn words<'w>(program: &'w Path, stage: &'w Stage) -> Vec<&'w str> {
    let scratch = stage.dir.path().to_str().unwrap();
    vec!["--convert", "virt-v2v", "--virt-v2v", program.to_str().unwrap(), "--scratch", scratch]
}

fn overlays(stage: &Stage) -> usize {
    let entries = std::fs::read_dir(stage.dir.path()).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("osm-convert")).count()
}

#[tokio::test]
async fn ac3_05_a_converter_that_is_missing_is_told_before_the_machine_is_stopped() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let nowhere = PathBuf::from("/nowhere/virt-v2v-in-place");
    let said = stage.fails("cutover", &words(&nowhere, &stage));
    assert!(said.contains("the conversion host has no /nowhere/virt-v2v-in-place"), "{said}");
    assert!(stage.runs(&vm));
    stage.power_untouched();
}

#[tokio::test]
async fn ac3_05_windows_needs_virtio_win_and_the_one_that_was_meant() {
    if !has_qemu() {
        return;
    }
    let stage = Stage::new([windows()]);
    let vm = stage.vm("app01");
    let program = converter(&stage, 0);
    let words = words(&program, &stage);
    let said = stage.fails("cutover", &words);
    assert!(said.contains("needs the drivers of virtio-win"), "{said}");
    let iso = stage.dir.path().join("virtio-win.iso");
    std::fs::write(&iso, "drivers").unwrap();
    let with = |hash: &str| {
        let more = ["--virtio-win", iso.to_str().unwrap(), "--virtio-win-sha256", hash];
        stage.work("cutover", &[&words[..], &more].concat()).output().unwrap()
    };
    let wrong = with("00");
    assert!(text(&wrong).contains("virtio-win has the SHA-256 "), "{}", text(&wrong));
    assert!(stage.runs(&vm));
    success(&with("a71518107f3a70bc9b544c75c80bdffa8e8e0def85f68c3277f763d3dd82da32"));
}

#[tokio::test]
async fn kit_b07_a_conversion_that_fails_harms_no_copy_and_one_that_succeeds_is_of_all_disks() {
    if !has_qemu() {
        return;
    }
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let fails = converter(&stage, 1);
    let said = stage.fails("cutover", &words(&fails, &stage));
    assert!(said.contains("could not detect the source guest"), "{said}");
    for key in [BOOT, DATA] {
        stage.holds("app01", key, &stage.vcenter.live_file(&vm, key)).await;
        let metadata = stage.metadata(&format!("app01-{key}")).await;
        assert_eq!((metadata["converted"].as_str(), metadata["osm_state"].as_str()), ("false", "synced"));
        assert!(metadata.contains_key("changeID"));
    }
    assert_eq!(overlays(&stage), 0);
    stage.at_rest(&vm);
    let works = converter(&stage, 0);
    let lines = stage.succeeds("cutover", &words(&works, &stage));
    assert_eq!(copied(&lines), 0, "the second attempt copies nothing");
    assert!(warnings(&lines).contains("no way to update the boot loader"), "{}", warnings(&lines));
    for key in [BOOT, DATA] {
        assert_eq!(stage.read("app01", key, 4096, 4096).await, vec![0x5a; 4096]);
        assert_eq!(stage.metadata(&format!("app01-{key}")).await["converted"], "true");
    }
    assert_eq!(overlays(&stage), 0);
}

#[tokio::test]
async fn kit_b07_a_conversion_that_was_cut_off_is_made_good_from_the_source() {
    if !has_qemu() {
        return;
    }
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    // As a crash between the overlays and the end of their commit leaves it.
    let volume = stage.volume("app01-2000").await;
    let file = std::fs::File::options().write(true).open(stage.lab.dst().volume_file(&volume.id)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &noise(66, 300_000), 70_000).unwrap();
    stage.set_metadata("app01-2000", "osm_state", "converting").await;
    let works = converter(&stage, 0);
    let lines = stage.succeeds("cutover", &words(&works, &stage));
    assert!(warnings(&lines).contains("conversion of its guest was begun"), "{}", warnings(&lines));
    let live = std::fs::read(stage.vcenter.live_file(&vm, BOOT)).unwrap();
    let copy = stage.read("app01", BOOT, 8192, 24 * MIB as usize - 8192).await;
    assert!(copy == live[8192..], "all but what was converted is the source's");
}
