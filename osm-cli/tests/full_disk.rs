//! A file system that fills up under a copy.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `script` where `$1` is a file system of its own, for 16 MiB.
fn confined(folder: &Path, script: &str) -> Option<Output> {
    // Mounting needs root, or a user namespace in which we are.
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    for way in ways {
        let script = format!("mount -t tmpfs -o size=16m none \"$1\" || exit 77\n{script}");
        let mut command = Command::new("unshare");
        command
            .args(way)
            .args(["sh", "-c", &script, "sh"])
            .arg(folder)
            .env("OSM", env!("CARGO_BIN_EXE_osm-cli"));
        match command.output() {
            Ok(output) if output.status.code() != Some(77) && !refused(&output) => return Some(output),
            _ => {}
        }
    }
    assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "nothing can be mounted here");
    // Not through the test's captured output: a skip is seen.
    std::io::stderr().write_all(b"skipped: nothing can be mounted here\n").unwrap();
    None
}

fn refused(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).starts_with("unshare:")
}

#[test]
fn a_full_target_is_named_and_with_more_room_the_copy_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let part = |name: &str| folder.path().join(name);
    fs::create_dir(part("full")).unwrap();
    let mut noise = vec![0; 24 << 20];
    (0..noise.len()).for_each(|at| noise[at] = (at.wrapping_mul(0x9e37_79b9) >> 13) as u8 | 1);
    fs::write(part("source"), noise).unwrap();
    let script = r#"
        copy() { "$OSM" copy source "$1/copy" --journal journal --checkpoint-mib 1; echo "ended with $?"; }
        copy "$1" 2>&1
        mount -o remount,size=64m "$1" && copy "$1" 2>&1
        cmp source "$1/copy" && echo equal
    "#;
    let script = format!("cd {}\n{script}", folder.path().display());
    let Some(output) = confined(&part("full"), &script) else { return };
    let said = String::from_utf8(output.stdout).unwrap();
    let (first, second) = said.split_once("ended with").unwrap();
    assert!(first.contains("full/copy") && first.contains("No space left on device"), "{said}");
    assert!(second.starts_with(" 1\n"), "{said}");
    assert!(second.contains("ended with 0\nequal\n"), "{said}");
    assert!(second.contains("continued") || second.contains("resumed"), "{said}");
}
