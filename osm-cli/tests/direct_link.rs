//! Disks travel from conversion host to conversion host where these reach each other; where they do not, that is
//! said, and the disks come all the same.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod sshd;
#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::net::{Ipv6Addr, TcpListener};

use osm_migrate::agent::LINK_PORTS;
use sshd::Sshd;
use stage::{Stage, success, text};

/// Moves `small` with `more` in what names the source's host; gives what was printed.
async fn moved(more: &str) -> Option<String> {
    let sshd = Sshd::start()?;
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let known = sshd.known_hosts();
    let (src, dst) = (stage.lab.src(), stage.lab.dst());
    let output =
        stage.migrate_by(&sshd.spec(src, &known, more), &sshd.spec(dst, &known, "")).output().unwrap();
    success(&output);
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
    Some(text(&output))
}

/// One test: the ports are the machine's.
#[tokio::test(flavor = "multi_thread")]
async fn disks_take_the_shortest_way_there_is() {
    let Some(direct) = moved("").await else { return };
    assert!(direct.contains("travelled from host to host"), "{direct}");
    assert!(!direct.contains("through"), "{direct}");

    let chosen = moved(",link=no").await.unwrap();
    assert!(chosen.contains("travelled through this machine"), "{chosen}");
    assert!(!chosen.contains("\"warning\""), "{chosen}");

    let held: Vec<_> = LINK_PORTS.map(|port| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))).collect();
    let told = moved("").await.unwrap();
    drop(held);
    assert!(told.contains("travelled through this machine"), "{told}");
    let warnings = told.matches("\"warning\"").count();
    assert_eq!(warnings, 1, "it is said once: {told}");
    for word in ["os_migrate_conv_src", "no port to listen on", "10810-10841", "link=no"] {
        assert!(told.contains(word), "no `{word}` in {told}");
    }
}
