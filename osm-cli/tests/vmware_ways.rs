//! The ways to the bytes of a machine's disks: each seeds, brings up to date and cuts over alike.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use machines::*;

/// Seeds, writes, seeds and cuts over, disks read by `way`.
async fn seeds_and_cuts_over(stage: &Stage, way: &str, prepare: impl Fn(&mut Command)) {
    let vm = stage.vm("app01");
    let run = |verb: &str| {
        let mut command = stage.work_by(way, verb, &[]);
        prepare(&mut command);
        success(&command.output().unwrap())
    };
    run("seed");
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.holds_last_snapshot(&vm, "app01", DATA).await;
    stage.guest_write(&vm, BOOT, 5 * MIB + 512, &noise(40, 200_000));
    stage.guest_write(&vm, DATA, 12 * MIB - 512, &noise(41, 512));
    let lines = run("seed");
    assert!(copied(&lines) < MIB, "{} bytes", copied(&lines));
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.holds_last_snapshot(&vm, "app01", DATA).await;
    stage.guest_write(&vm, BOOT, 0, &noise(42, 512));
    run("cutover");
    for key in [BOOT, DATA] {
        stage.holds("app01", key, &stage.vcenter.live_file(&vm, key)).await;
    }
    assert_eq!(stage.vcenter.folder_bytes(), 0, "the datastore was not read");
}

#[tokio::test]
async fn by_nfc() {
    let stage = Stage::new([app01()]);
    seeds_and_cuts_over(&stage, "nfc", |_| {}).await;
    assert!(stage.vcenter.nfc_bytes() > 0);
}

#[tokio::test]
async fn by_nfc_also_under_snapshots_of_others_until_the_machine_is_reverted() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let run = || success(&stage.work_by("nfc", "seed", &[]).output().unwrap());
    let theirs = stage.vcenter.take_snapshot(&vm, "before the upgrade").unwrap();
    run();
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.guest_write(&vm, BOOT, MIB, &noise(43, 4096));
    let lines = run();
    assert_eq!(warnings(&lines), "", "as long as its snapshots stay, areas are believed");
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    // What the reversion undoes, no record of changes tells: the snapshot that it goes back to is as good as gone.
    stage.vcenter.revert(&vm, &theirs);
    stage.vcenter.remove_snapshot(&theirs);
    stage.vcenter.power_on(&vm);
    let lines = run();
    assert!(warnings(&lines).contains("may have been reverted"), "{}", warnings(&lines));
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

/// A distribution of VDDK with the stand-in for its library, and the datastores that it reads.
fn vddk(stage: &Stage) -> (PathBuf, PathBuf) {
    let libdir = stage.dir.path().join("vddk");
    std::fs::create_dir_all(libdir.join("lib64")).unwrap();
    let beside = std::env::current_exe().unwrap().parent().unwrap().join("libvixDiskLib.so");
    assert!(beside.is_file(), "{} was built with the tests", beside.display());
    symlink(beside, libdir.join("lib64/libvixDiskLib.so.8")).unwrap();
    let root = stage.dir.path().join("datastores");
    for machine in stage.inventory() {
        for disk in machine["disks"].as_array().unwrap() {
            let file = disk["file"].as_str().unwrap();
            let (datastore, path) = file.strip_prefix('[').unwrap().split_once("] ").unwrap();
            let flat = root.join(datastore).join(path.replace(".vmdk", "-flat.vmdk"));
            std::fs::create_dir_all(flat.parent().unwrap()).unwrap();
            let key = i32::try_from(disk["key"].as_i64().unwrap()).unwrap();
            symlink(stage.vcenter.live_file(machine["moref"].as_str().unwrap(), key), flat).unwrap();
        }
    }
    (libdir, root)
}

#[tokio::test]
async fn by_vddk_in_a_process_of_its_own() {
    let stage = Stage::new([app01()]);
    let (libdir, root) = vddk(&stage);
    let trace = stage.dir.path().join("trace");
    let way = format!("vddk:{}", libdir.display());
    seeds_and_cuts_over(&stage, &way, |command| {
        command.env("VIX_STANDIN_ROOT", &root).env("VIX_STANDIN_TRACE", &trace);
    })
    .await;
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(trace.contains("ReadAsync") && !trace.contains("VIOLATION"), "{trace}");
    assert!(!trace.contains(osm_lab::vcenter::VCenter::PASSWORD));
}

#[tokio::test]
async fn a_vddk_that_crashes_takes_nothing_along_and_the_datastore_is_read_instead_of_one_that_is_missing() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let (libdir, root) = vddk(&stage);
    let mut run = stage.work_by(&format!("vddk:{}", libdir.display()), "seed", &[]);
    run.env("VIX_STANDIN_ROOT", &root).env("VIX_STANDIN_FAIL", "crash:2");
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(!stage.metadata("app01-2000").await.contains_key("changeID"));
    stage.at_rest(&vm);
    let mut run = stage.work_by("vddk:/nowhere", "seed", &["--read-by", "datastore"]);
    let lines = success(&run.output().unwrap());
    assert!(
        warnings(&lines).contains("read by datastore, as it could not be by vddk"),
        "{}",
        warnings(&lines)
    );
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
}

/// Seeds and cuts over from NBD servers, one a disk, that `serve` makes.
async fn by_nbd(serve: impl Fn(&std::path::Path, &std::path::Path) -> Command) {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let sockets = stage.dir.path().join("nbd");
    std::fs::create_dir_all(&sockets).unwrap();
    let mut servers = Vec::new();
    for key in [BOOT, DATA] {
        let socket = sockets.join(format!("{vm}-{key}"));
        let mut server = serve(&stage.vcenter.live_file(&vm, key), &socket);
        servers.push(server.stdout(std::process::Stdio::null()).spawn().unwrap());
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    let way = format!("nbd+unix:///?socket={}/{{moref}}-{{key}}", sockets.display());
    seeds_and_cuts_over(&stage, &way, |_| {}).await;
    for mut server in servers {
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

#[tokio::test]
async fn by_an_nbd_server_of_ours() {
    by_nbd(|file, socket| {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
        serve.arg("serve").arg(file).arg("--unix").arg(socket);
        serve
    })
    .await;
}

#[tokio::test]
async fn by_nbdkit() {
    if Command::new("nbdkit").arg("--version").output().is_err() {
        assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "nbdkit is required");
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no nbdkit\n").unwrap();
        return;
    }
    by_nbd(|file, socket| {
        let mut serve = Command::new("nbdkit");
        serve.args(["--foreground", "--readonly", "--unix"]).arg(socket).arg("file").arg(file);
        serve
    })
    .await;
}
