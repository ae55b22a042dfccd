//! Machines of VMware's own simulator are seeded and cut over: its sessions, property collector, tasks, snapshots and
//! power are not ours. What it lacks, `e2e/vmware/vcsim` adds: disks with bytes, and a record of their changes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../machines/mod.rs"]
mod machines;
mod peer;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use machines::*;
use osm_vmware::{ChangeId, DatastoreDisk, DeviceKey, ErrorKind, Moref, Session, SessionConfig, Since};
use peer::Vcsim;

const BLOCK: u64 = 64 << 10;

/// `app01`, a machine with two disks whose changes are recorded; and what it holds at first.
async fn app01(vcsim: &Vcsim) {
    let mut chance = Chance::new(1);
    vcsim.write("app01", BOOT, 0, chance.bytes(3 * MIB)).await;
    vcsim.write("app01", BOOT, 9 * MIB + 512, chance.bytes(MIB)).await;
    vcsim.write("app01", BOOT, 24 * MIB - 4096, chance.bytes(4096)).await;
    vcsim.write("app01", DATA, MIB, chance.bytes(2 * MIB)).await;
}

/// A guest writes here and there; gives how many bytes the blocks have that it touched.
async fn random_writes(vcsim: &Vcsim, chance: &mut Chance) -> u64 {
    let mut blocks = BTreeSet::new();
    for (key, size) in [(BOOT, 24 * MIB), (DATA, 12 * MIB)] {
        for _ in 0..12 {
            let len = 512 * (1 + chance.below(192));
            let offset = 512 * chance.below((size - len) / 512);
            vcsim.write("app01", key, offset, chance.bytes(len)).await;
            blocks.extend((offset / BLOCK..(offset + len).div_ceil(BLOCK)).map(|block| (key, block)));
        }
    }
    blocks.len() as u64 * BLOCK
}

/// Both volumes hold what the last snapshot has frozen.
async fn hold_last_snapshot(stage: &Stage, vcsim: &Vcsim) {
    for key in [BOOT, DATA] {
        stage.holds(&format!("app01-{key}"), &vcsim.file("frozen", "app01", key).await).await;
    }
}

#[tokio::test]
async fn a_machine_of_the_simulator_is_seeded_and_cut_over() {
    let dir = tempfile::tempdir().unwrap();
    let Some(vcsim) = Vcsim::start(dir.path(), &["-tracked=app01=24,12", "-page-areas=3"]) else { return };
    app01(&vcsim).await;
    let stage = Stage::new(dir, vcsim.vsphere.clone());
    let machine = stage.machine("app01");
    assert_eq!((&machine["power"], &machine["change_tracking"]), (&"poweredOn".into(), &true.into()));
    assert_eq!(machine["nics"][0]["addresses"][0], "192.168.50.77");
    assert_eq!(
        (&machine["tools"], &machine["concerns"]),
        (&"guestToolsRunning".into(), &Vec::<u8>::new().into())
    );
    let capacities =
        machine["disks"].as_array().unwrap().iter().map(|disk| disk["capacity"].as_u64().unwrap());
    assert_eq!(capacities.collect::<Vec<_>>(), [24 * MIB, 12 * MIB]);

    let first = copied(&stage.succeeds("seed", &[]));
    hold_last_snapshot(&stage, &vcsim).await;
    assert!((6 * MIB..8 * MIB).contains(&first), "{first} bytes were read of what was ever written");
    assert!(vcsim.served().await >= first, "the simulator says so, too");
    let mut chance = Chance::new(2);
    for round in 1..=3 {
        let (changed, served) = (random_writes(&vcsim, &mut chance).await, vcsim.served().await);
        let read = copied(&stage.succeeds("seed", &[]));
        hold_last_snapshot(&stage, &vcsim).await;
        assert_eq!(read, changed, "round {round}");
        let served = vcsim.served().await - served;
        assert!((changed..changed + MIB).contains(&served), "round {round}: {served} bytes for {changed}");
    }
    let machine = stage.machine("app01");
    assert_eq!((&machine["power"], &machine["snapshots"]), (&"poweredOn".into(), &0.into()));

    random_writes(&vcsim, &mut chance).await;
    stage.succeeds("cutover", &[]);
    hold_last_snapshot(&stage, &vcsim).await;
    for key in [BOOT, DATA] {
        stage.holds(&format!("app01-{key}"), &vcsim.file("live", "app01", key).await).await;
        assert_eq!(stage.metadata(&format!("app01-{key}")).await["converted"], "true");
    }
    let machine = stage.machine("app01");
    assert_eq!((&machine["power"], &machine["snapshots"]), (&"poweredOff".into(), &0.into()));
    assert_eq!(stage.server_status("app01").await.as_deref(), Some("ACTIVE"));
}

#[tokio::test]
async fn tracking_begins_when_told_and_a_record_that_is_lost_means_a_comparison() {
    let dir = tempfile::tempdir().unwrap();
    let Some(vcsim) = Vcsim::start(dir.path(), &["-untracked=web01=8"]) else { return };
    let mut chance = Chance::new(3);
    vcsim.write("web01", BOOT, MIB, chance.bytes(2 * MIB)).await;
    let stage = Stage::new(dir, vcsim.vsphere.clone());
    let frozen = async || vcsim.file("frozen", "web01", BOOT).await;
    let said = stage.fails("seed", &[]);
    assert!(said.contains("changed block tracking") && said.contains("--enable-cbt"), "{said}");

    let lines = stage.succeeds("seed", &["--enable-cbt"]);
    stage.holds("web01-2000", &frozen().await).await;
    assert_eq!(copied(&lines), 2 * MIB, "what was written before counts as written");
    vcsim.write("web01", BOOT, 5 * MIB, chance.bytes(512)).await;
    assert_eq!(copied(&stage.succeeds("seed", &[])), BLOCK);
    stage.holds("web01-2000", &frozen().await).await;

    let id = stage.metadata("web01-2000").await["changeID"].clone();
    let (line, _) = id.rsplit_once('/').unwrap();
    let unknown = format!("{line}/0");
    for (reason, forget) in [("FileFault", false), ("begun anew", true)] {
        vcsim.write("web01", BOOT, 6 * MIB, chance.bytes(512)).await;
        match forget {
            true => vcsim.renew("web01").await,
            false => stage.set_metadata("web01-2000", "changeID", &unknown).await,
        }
        let lines = stage.succeeds("seed", &[]);
        assert!(warnings(&lines).contains(reason), "{reason}: {}", warnings(&lines));
        assert_eq!(copied(&lines), 8 * MIB);
        stage.holds("web01-2000", &frozen().await).await;
    }
    vcsim.write("web01", BOOT, 7 * MIB, chance.bytes(512)).await;
    assert_eq!(copied(&stage.succeeds("seed", &[])), BLOCK, "a delta again");
}

#[tokio::test]
async fn a_session_that_ends_while_bytes_flow_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(vcsim) = Vcsim::start(dir.path(), &["-tracked=app01=96"]) else { return };
    let mut chance = Chance::new(4);
    for at in 0..12 {
        vcsim.write("app01", BOOT, at * 8 * MIB, chance.bytes(8 * MIB)).await;
    }
    let stage = Stage::new(dir, vcsim.vsphere.clone());
    let running = stage.work("seed", &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while vcsim.served().await < MIB {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    vcsim.expire().await;
    assert!(vcsim.served().await < 96 * MIB, "bytes flow");
    success(&running.wait_with_output().unwrap());
    stage.holds("app01-2000", &vcsim.file("frozen", "app01", BOOT).await).await;
}

#[tokio::test]
async fn snapshots_and_pages_and_faults_of_the_simulator_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let Some(vcsim) = Vcsim::start(dir.path(), &["-tracked=app01=24,12", "-page-areas=3"]) else { return };
    let Vsphere { url, user, password, authority } = vcsim.vsphere.clone();
    let wrong = SessionConfig {
        server: url,
        user,
        password: "another".to_owned().into(),
        authorities: Some(authority),
        thumbprint: None,
    };
    assert_eq!(Session::connect(wrong.clone()).await.unwrap_err().kind(), ErrorKind::Auth);
    let session = Session::connect(SessionConfig { password: password.into(), ..wrong }).await.unwrap();
    let vm = session.machines().await.unwrap()[0].moref();
    let (capacity, disk) = (24 * MIB, DeviceKey(BOOT));
    let areas = async |snapshot: &Moref, since: &Since| {
        let areas = session.changed_areas(&vm, snapshot, disk, since, capacity).await?;
        Ok::<_, osm_vmware::Error>(areas.iter().map(|area| (area.offset, area.len)).collect::<Vec<_>>())
    };

    let mut written = Vec::new();
    for step in 0..10 {
        vcsim.write("app01", BOOT, step * MIB, vec![1; 512]).await;
        written.push((step * MIB, BLOCK));
    }
    let live = &session.machine(&vm).await.unwrap().disks[0];
    let locked = DatastoreDisk::open(&session, &vm, live).await.unwrap_err();
    assert_eq!(locked.kind(), ErrorKind::Refused, "a machine that runs writes its file: {locked}");
    let first = session.take_snapshot(&vm, "first", "of two", false).await.unwrap();
    assert_eq!(areas(&first.moref, &Since::Ever).await.unwrap(), written, "four pages");
    let id = first.disks[0].change_id.clone().unwrap();
    assert_ne!(Some(&id), first.disks[1].change_id.as_ref(), "each disk has its own");
    vcsim.write("app01", BOOT, 20 * MIB - 1, vec![2; 2]).await;
    let second = session.take_snapshot(&vm, "second", "of two", false).await.unwrap();
    let since = Since::Change(id.clone());
    assert_eq!(areas(&second.moref, &since).await.unwrap(), [(20 * MIB - BLOCK, 2 * BLOCK)]);
    assert_eq!(areas(&first.moref, &since).await.unwrap(), [], "nothing since itself");

    let line = id.to_string().rsplit_once('/').unwrap().0.to_owned();
    for unknown in [format!("{line}/7"), "52 de c0 d9/1".to_owned()] {
        let error =
            areas(&second.moref, &Since::Change(unknown.parse::<ChangeId>().unwrap())).await.unwrap_err();
        assert_eq!((error.kind(), error.fault()), (ErrorKind::CbtReset, Some("FileFault")), "{unknown}");
    }
    let names: Vec<_> =
        session.snapshots(&vm).await.unwrap().into_iter().map(|it| (it.name, it.description)).collect();
    assert_eq!(names, [("first".into(), "of two".into()), ("second".into(), "of two".into())]);
    let chained = DatastoreDisk::open(&session, &vm, &second.disks[0].disk).await.unwrap_err();
    assert_eq!(chained.kind(), ErrorKind::Unsupported, "{chained}");

    vcsim.expire().await;
    session.remove_snapshot(&first.moref).await.unwrap();
    session.remove_snapshot(&first.moref).await.expect("one that is gone is fine");
    let gone = areas(&first.moref, &Since::Ever).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    assert_eq!(session.snapshots(&vm).await.unwrap().len(), 1);
    let left = session.machine(&vm).await.unwrap();
    assert_eq!(
        (left.snapshots, left.disks[0].parents),
        (1, 1),
        "the machine writes above the one that is left"
    );
    session.log_out().await.unwrap();
}
