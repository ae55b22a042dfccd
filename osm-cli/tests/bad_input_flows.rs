//! A destination that does not fit, and an operator who interrupts.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use std::fs;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use osm_lab::{Fault, FaultKind, Service};
use osm_openstack::network::{NetworkBody, NetworkObject};
use osm_openstack::{CloudConfig, ConfigSources, Session};
use osm_transfer::block::{BlockSource, Buffer, ByteRange, Capabilities, Extent};
use osm_transfer::endpoint::{Endpoint, OpenOptions};
use osm_transfer::nbd::{Export, Server, ServerOptions};
use serde_json::json;

use crate::bad_input::{Bench, Running, Said, asked, files, has, subnet};

const MIB: usize = 1 << 20;
/// Longer than any test: what waits for this is interrupted.
const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_reference_to_nothing_fails_its_item_alone() {
    let bench = Bench::with_files();
    bench.edit("subnets.yml", "name: front\n", "name: fornt\n");
    let said = bench.import(&[]).code(1);
    said.one_line(&[
        "! subnets front-subnet: ",
        "params.network_ref",
        "network `fornt`",
        "cloud `dst` has none",
        "correct the reference",
    ]);
    said.one_line(&["4 created, 1 failed"]);
    bench.edit("subnets.yml", "name: fornt\n", "name: front\n");
    bench.import(&[]).code(0).one_line(&["1 created, 4 unchanged"]);
}

#[tokio::test]
async fn a_reference_to_two_things_names_both() {
    let bench = Bench::with_files();
    let config = CloudConfig::load(Some("dst"), &ConfigSources::file(bench.path("clouds.yaml"))).unwrap();
    let neutron = Session::connect(config).await.unwrap().network().await.unwrap();
    let body = NetworkBody { name: Some("twin".to_owned()), ..NetworkBody::default() };
    let one = neutron.create::<NetworkObject>(&body).await.unwrap();
    let other = neutron.create::<NetworkObject>(&body).await.unwrap();
    let text = fs::read_to_string(bench.data().join("subnets.yml")).unwrap();
    bench.write("subnets.yml", &(text + &subnet("twin-subnet", "twin", "10.10.3")));
    let said = bench.import(&[]).code(1);
    said.one_line(&["! subnets twin-subnet: ", "params.network_ref", "`twin`", "has 2", &one.id, &other.id]);
    said.one_line(&["5 created, 1 failed"]);
}

#[test]
fn a_name_that_has_other_values_there_is_told_with_both_values() {
    let bench = Bench::with_files();
    bench.import(&[]).code(0).one_line(&["5 created"]);
    bench.edit("subnets.yml", "10.10.1.", "10.99.1.");
    bench.edit("keypairs.yml", "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDA", "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDB");
    bench.edit("networks.yml", "description: ''", "description: new words");
    bench.lab.dst().clear_requests();
    let said = bench.import(&[]).code(1);
    said.one_line(&["! subnets front-subnet: ", "cidr", "10.10.1.0/24", "10.99.1.0/24", "correct the file"]);
    said.one_line(&[
        "! keypairs demo-key: ",
        "fingerprint of public_key",
        "a7:5d:0e:32",
        "ba:b4:9e:3b",
        "correct the file",
    ]);
    said.one_line(&["2 updated, 1 unchanged, 2 failed"]);
    assert_eq!(asked(bench.lab.dst(), "DELETE", ""), 0, "what is there stays");
    assert_eq!(asked(bench.lab.dst(), "PUT", "subnets"), 0);
}

#[test]
fn a_full_quota_is_told_and_the_rest_is_imported_later() {
    let bench = Bench::with_files();
    bench.lab.dst().set_quotas(|quotas| quotas.networks = 1);
    let said = bench.import(&[]).code(1);
    said.one_line(&["2 networks wanted, 1 available (0 of 1 in use)"]);
    said.one_line(&["networks front: created"]);
    said.one_line(&["! networks back: ", "uota exceeded", "create network", "request id req-"]);
    said.one_line(&["! subnets back-subnet: ", "it needs `back` of networks"]);
    said.one_line(&["3 created, 2 failed"]);
    bench.lab.dst().set_quotas(|quotas| quotas.networks = 2);
    bench.import(&[]).code(0).one_line(&["2 created, 3 unchanged"]);
}

#[test]
fn a_quota_of_zero_is_told_kind_by_kind_before_anything_is_made() {
    let bench = Bench::with_files();
    bench.lab.dst().set_quotas(|quotas| (quotas.networks, quotas.subnets) = (0, 1));
    let said = bench.import(&[]).code(1);
    said.one_line(&["2 networks wanted, 0 available (0 of 0 in use)"]);
    said.one_line(&["2 subnets wanted, 1 available (0 of 1 in use)"]);
    said.one_line(&["! networks back: ", "uota exceeded"]);
}

#[test]
fn an_interrupted_export_leaves_whole_files_and_can_be_repeated() {
    let bench = Bench::small();
    let stuck = Fault::new(Service::Neutron, FaultKind::Latency(LONG)).path("subnets");
    bench.lab.src().fault(stuck);
    let mut export = Running::start(bench.exporting(&[]));
    export.wait_for(&["exported", "networks", "small-net"]);
    interrupted(&export.interrupt());
    assert_eq!(files(&bench.data()), ["networks.yml"], "whole files alone");
    bench.run(&["validate", "--data-dir", bench.data().to_str().unwrap()]).code(0);
    bench.source_is_untouched();

    bench.lab.src().clear_faults();
    let said = bench.export(&[]).code(0);
    said.one_line(&["networks small-net: unchanged"]);
    said.one_line(&["subnets small-subnet: written"]);
    bench.source_is_untouched();
}

#[test]
fn an_interrupted_import_can_be_repeated() {
    let bench = Bench::with_files();
    let before = bench.lab.dst().counts().networks;
    let stuck = Fault::new(Service::Neutron, FaultKind::Latency(LONG)).method("POST").path("subnets");
    bench.lab.dst().fault(stuck);
    let mut import = Running::start(bench.importing(&[]));
    import.wait_for(&["imported", "networks", "back"]);
    interrupted(&import.interrupt());
    assert_eq!(bench.lab.dst().counts().networks, before + 2);

    bench.lab.dst().clear_faults();
    let summary = bench.import(&["--output", "json"]).code(0).summary();
    assert_eq!((&summary["created"], &summary["unchanged"]), (&json!(3), &json!(2)));
    assert_eq!(bench.lab.dst().counts().networks, before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_copy_claims_nothing_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    fs::write(&path, (0..4 * MIB).map(|at| (at / 7) as u8).collect::<Vec<_>>()).unwrap();
    let disk = Endpoint::File(path.clone()).open_source(&OpenOptions::default()).await.unwrap();
    let (reached, stuck) = mpsc::channel();
    let source: Arc<dyn BlockSource> = Arc::new(Stuck { disk, from: 2 * MIB as u64, reached });
    let export = Export { name: String::new(), description: String::new(), source, sink: None };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("nbd://{}", listener.local_addr().unwrap());
    let server = Server::new(vec![export], ServerOptions::default());
    tokio::spawn(async move { server.serve_tcp(listener, std::future::pending()).await });

    let bench_free = || std::process::Command::new(env!("CARGO_BIN_EXE_osm-cli"));
    let copy = dir.path().join("copy");
    let mut command = bench_free();
    command.args(["copy", &uri]).arg(&copy);
    let running = Running::start(command);
    let said = tokio::task::spawn_blocking(move || {
        stuck.recv_timeout(LONG).unwrap();
        running.interrupt()
    })
    .await
    .unwrap();
    interrupted(&said);
    assert!(!said.out.contains("copied"), "{}", said.out);
    let verified = Said::of(&bench_free().arg("verify").args([&path, &copy]).output().unwrap()).code(4);
    has(&verified.out, &["differ"]);

    let again = bench_free().arg("copy").args([&path, &copy]).output().unwrap();
    Said::of(&again).code(0);
    assert_eq!(fs::read(&path).unwrap(), fs::read(&copy).unwrap());
}

#[track_caller]
fn interrupted(said: &Said) {
    let error = said.error_line(130);
    assert_eq!(error["message"], "interrupted");
    assert_eq!(said.err, "");
    assert!(!said.out.contains("summary"), "{}", said.out);
}

/// A disk that never gives what lies beyond a certain offset.
#[derive(Debug)]
struct Stuck {
    disk: Arc<dyn BlockSource>,
    from: u64,
    reached: mpsc::Sender<()>,
}

#[async_trait]
impl BlockSource for Stuck {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { splice: false, ..self.disk.capabilities() }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> osm_transfer::Result<Buffer> {
        if offset >= self.from {
            let _ = self.reached.send(());
            std::future::pending::<()>().await;
        }
        self.disk.read(offset, buffer).await
    }

    async fn extents(&self, range: ByteRange) -> osm_transfer::Result<Vec<Extent>> {
        self.disk.extents(range).await
    }
}
