//! Machines over a conversion host behind a real OpenSSH server: what an agent is ordered goes through SSH.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;
#[allow(dead_code, reason = "each test program uses its part")]
mod sshd;

use machines::*;
use sshd::Sshd;

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_seeded_and_cut_over_behind_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let host = sshd.spec(stage.lab.dst(), &sshd.known_hosts(), "");
    let run = |verb: &str| {
        let words = ["--dst", "dst", "--dst-host", &host, "--read-by", "datastore", "--convert", "none"];
        success(&stage.vmware(verb, &words).output().unwrap())
    };
    run("seed");
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.guest_write(&vm, BOOT, MIB, &noise(5, 4096));
    let lines = run("seed");
    assert!(copied(&lines) < MIB);
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    run("cutover");
    for key in [BOOT, DATA] {
        stage.holds("app01", key, &stage.vcenter.live_file(&vm, key)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_leaves_no_agent_behind_ssh_and_the_next_one_goes_on() {
    use osm_lab::vcenter::{VFault, VFaultKind};
    let Some(sshd) = Sshd::start() else { return };
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let host = sshd.spec(stage.lab.dst(), &sshd.known_hosts(), "");
    let words = ["--dst", "dst", "--dst-host", &host, "--read-by", "datastore", "--convert", "none"];
    let late = VFaultKind::Latency(std::time::Duration::from_millis(700));
    stage.vcenter.fault(VFault::new("GET /folder", late).times(20));
    let mut run = stage.vmware("seed", &words).stdout(std::process::Stdio::null()).spawn().unwrap();
    while stage.vcenter.folder_bytes() < MIB {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    stage.vcenter.clear_faults();
    success(&stage.vmware("seed", &words).output().unwrap());
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    stage.holds_last_snapshot(&vm, "app01", DATA).await;
    stage.at_rest(&vm);
}
