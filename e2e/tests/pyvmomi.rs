//! VMware's own Python client works with the lab's vCenter: what it sees is what is there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use osm_lab::vcenter::{MachineSeed, VCenter, VCenterOptions};
use serde_json::{Value, json};

/// The Python that has pyvmomi; says so when there is none.
fn python() -> Option<String> {
    let found = std::env::var("OSM_PYVMOMI_PYTHON").ok();
    if found.is_none() {
        assert!(std::env::var_os("OSM_REQUIRE_PEERS").is_none(), "OSM_PYVMOMI_PYTHON names no Python");
        // Not through the test's captured output: a skip is seen.
        std::io::stderr().write_all(b"skipped: OSM_PYVMOMI_PYTHON names no Python with pyvmomi\n").unwrap();
    }
    found
}

#[test]
fn pyvmomi_finds_machines_takes_snapshots_and_reads_changes() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let vcenter = VCenter::start(VCenterOptions::new(dir.path().join("vcenter"))).unwrap();
    let mut app = MachineSeed::new("app01");
    (app.powered_on, app.tracking) = (false, false);
    app.disks[0] = app.disks[0].clone().with(1 << 20, *b"a guest was here");
    let app = vcenter.add_machine(app).unwrap();
    let mut web = MachineSeed::new("web01");
    web.folder = "team".to_owned();
    web.nics[0].ips.push(("192.0.2.7".to_owned(), 24));
    let web = vcenter.add_machine(web).unwrap();

    let seen = look(&vcenter, &python, dir.path());
    assert_eq!(seen["refused"], "vim.fault.InvalidLogin");
    assert_eq!(seen["user"], VCenter::USER);
    assert_eq!(seen["machines"], json!([["app01", app, "poweredOff"], ["web01", web, "poweredOn"]]));
    assert_eq!(seen["nets"], json!({"app01": [], "web01": ["192.0.2.7"]}));
    assert_eq!(seen["summary"], json!([1, "ds", "VM Network"]));
    assert_eq!([&seen["by_uuid"], &seen["by_path"], &seen["folder"]], ["app01", "web01", "team"]);
    assert_eq!(seen["by_no_path"], Value::Null);

    assert_eq!([&seen["tracked_before"], &seen["tracked_after"]], [false, true]);
    assert_eq!(seen["file"], "[ds] app01/app01.vmdk");
    assert_eq!(seen["live_file"], "[ds] app01/app01-000001.vmdk");
    assert_eq!(seen["live_parent"], "[ds] app01/app01.vmdk");
    assert_eq!(seen["tree"], json!([["first & <only>", "of pyvmomi", true]]));
    assert_eq!(seen["change_id"], vcenter.change_id(&app, 2000).unwrap());
    assert_eq!(seen["capacity"], 64 << 20);
    assert_eq!(seen["ever"], json!([[1 << 20, 64 << 10]]));
    assert_eq!(seen["range"], json!([206, "bytes 1048576-1048591/67108864", "a guest was here"]));
    assert_eq!(seen["left"], Value::Null);

    assert_eq!(seen["delta"], json!([]));
    let unknown = "vim.hostd.vmsvc.cbt.cannotGetChanges";
    let faults = json!({"vmodl.fault.InvalidArgument": "changeId", "vim.fault.FileFault": [unknown]});
    assert_eq!(seen["faults"], faults);
    assert_eq!(seen["power"], "poweredOff");
    assert_eq!(seen["off_twice"], json!(["vim.fault.InvalidPowerState", "poweredOff"]));
    assert!(vcenter.calls().iter().all(|call| !call.body.contains("vcenter&lt;")));
}

/// Runs the script.
fn look(vcenter: &VCenter, python: &str, dir: &std::path::Path) -> Value {
    let authority = dir.join("ca.pem");
    vcenter.write_ca(&authority).unwrap();
    let url = vcenter.url();
    let (host, port) = url.trim_start_matches("https://").split_once(':').unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/vmware/pyvmomi_look.py");
    let mut child = Command::new(python)
        .args([script, host, port, authority.to_str().unwrap(), VCenter::USER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python of OSM_PYVMOMI_PYTHON starts");
    // Taken out, so that its end is seen.
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", VCenter::PASSWORD).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script fails");
    serde_json::from_slice(&output.stdout).unwrap()
}
