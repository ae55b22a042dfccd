//! What stands in the way is told before the first byte moves, and looked at once more before the
//! server is made: each message names the object, how much is wanted and how much is there.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};

use osm_lab::{Cloud, Quotas};
use osm_openstack::Method;
use osm_openstack::network::{CreatePort, FixedIp, NetworkObject, Port, PortBody};
use serde_json::Value;
use stage::{Stage, lines, text};

/// The error of the first workload that failed in preflight.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    let failed = lines(output).into_iter().find(|event| event["event"] == "workload_failed").unwrap();
    assert_eq!(failed["step"], "preflight", "{failed}");
    failed["error"].as_str().unwrap().to_owned()
}

/// The small tenant is refused with these words, and nothing was asked for but looks.
async fn refused(stage: &Stage, words: &[&str]) {
    stage.forget_requests();
    let error = refusal(&stage.migrate().output().unwrap());
    for word in words {
        assert!(error.contains(word), "no `{word}` in {error}");
    }
    assert_eq!(stage.changes(), 0);
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);
}

/// The same after a change of the quotas of a cloud.
async fn refused_by_quota(cloud: fn(&Stage) -> &Cloud, change: fn(&mut Quotas), words: &str) {
    let stage = Stage::small();
    cloud(&stage).set_quotas(change);
    refused(&stage, &["quota", words]).await;
}

fn src(stage: &Stage) -> &Cloud {
    stage.lab.src()
}

fn dst(stage: &Stage) -> &Cloud {
    stage.lab.dst()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_instances() {
    refused_by_quota(dst, |it| it.instances = 0, "dst: 1 instances wanted, 0 available (1 of 0 in use)")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_cores() {
    refused_by_quota(dst, |it| it.cores = 0, "dst: 1 cores wanted, 0 available (2 of 0 in use)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_too_little_memory() {
    let words = "dst: 512 MiB of memory wanted, 511 available (4096 of 4607 in use)";
    refused_by_quota(dst, |it| it.ram = 4607, words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_volumes() {
    refused_by_quota(dst, |it| it.volumes = 0, "dst: 2 volumes wanted, 0 available (0 of 0 in use)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_too_few_gigabytes() {
    refused_by_quota(dst, |it| it.gigabytes = 1, "dst: 2 GiB wanted, 1 available (0 of 1 in use)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_volumes_of_one_type() {
    let stage = Stage::small();
    let limits = [("volumes_nfs".to_owned(), 1), ("gigabytes_nfs".to_owned(), 0)];
    stage.lab.dst().set_quotas(|quotas| quotas.by_volume_type.extend(limits));
    let words = [
        "dst: 2 volumes of type nfs wanted, 1 available (0 of 1 in use)",
        "dst: 2 GiB of type nfs wanted, 0 available (0 of 0 in use)",
    ];
    refused(&stage, &words).await;
    // Another type has room.
    let moved = stage.migrate().args(["--volume-type-map", "nfs=ssd"]).output().unwrap();
    stage::success(&moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_snapshots_in_the_source() {
    refused_by_quota(src, |it| it.snapshots = 0, "src: 1 snapshots wanted, 0 available (0 of 0 in use)")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_ports() {
    refused_by_quota(dst, |it| it.ports = 0, "dst: 1 ports wanted, 0 available").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_zero_floating_ips() {
    let stage = Stage::demo();
    stage.lab.dst().set_quotas(|quotas| quotas.floating_ips = 0);
    let error = refusal(&stage.migrate().arg("web").output().unwrap());
    assert!(error.contains("dst: 1 floating IPs wanted, 0 available (0 of 0 in use)"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_counts_as_a_whole() {
    let stage = Stage::demo();
    // Each server alone would fit; the conversion host has one place of three.
    stage.lab.dst().set_quotas(|quotas| quotas.instances = 3);
    let output = stage.migrate().output().unwrap();
    let error = refusal(&output);
    assert!(error.contains("dst: 3 instances wanted, 2 available (1 of 3 in use)"), "{error}");
    let failed = lines(&output).into_iter().filter(|event| event["event"] == "workload_failed").count();
    assert_eq!(failed, 3, "none of them is begun");
    stage.no_orphans(0, 0, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_zone() {
    let stage = Stage::small();
    stage.lab.dst().set_zones(&["az1", "az2"]);
    let words = [
        "no availability zone `nova` for servers; it has az1, az2",
        "no availability zone `nova` for volumes; it has az1, az2",
        "--zone-map nova=NAME",
    ];
    refused(&stage, &words).await;
    stage::success(&stage.migrate().args(["--zone-map", "nova=az2"]).output().unwrap());
    assert_eq!(stage.server("dst", "small").await.unwrap().availability_zone.as_deref(), Some("az2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_volume_type() {
    let stage = Stage::small();
    stage.lab.dst().set_volume_types(&["ceph", "tape"]);
    refused(&stage, &["no volume type `nfs`; it has ceph, tape", "--volume-type-map nfs=NAME"]).await;
    // An empty name is the destination's default.
    stage::success(&stage.migrate().args(["--volume-type-map", "nfs="]).output().unwrap());
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    for id in stage.volumes("dst", "small").await {
        let copy = storage.volume(&id).await.unwrap().unwrap();
        assert_eq!(copy.volume_type.as_deref(), Some("ceph"));
    }
}

async fn delete_flavor(stage: &Stage, name: &str) {
    let compute = stage.session("dst-admin").await.compute().await.unwrap();
    let flavor = compute.flavors().await.unwrap().into_iter().find(|flavor| flavor.name == name).unwrap();
    let path = format!("flavors/{}", flavor.id);
    compute.service().request("delete flavor", Method::DELETE, path).empty().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_flavor() {
    let stage = Stage::small();
    delete_flavor(&stage, "m1.tiny").await;
    refused(&stage, &["m1.tiny", "params.flavor_ref"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_missing_is_told_at_once() {
    let stage = Stage::small();
    stage.lab.dst().set_zones(&["az1"]);
    stage.lab.dst().set_volume_types(&["ceph"]);
    delete_flavor(&stage, "m1.tiny").await;
    refused(&stage, &["m1.tiny", "zone `nova` for servers", "zone `nova` for volumes", "type `nfs`"]).await;
}

/// What preflight saw may be gone when the disks are copied: it is looked at again before the server
/// is made, and the source goes back to work.
async fn gone_while_copying(change: impl AsyncFnOnce(&Stage), words: &str) {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let mut child = stage.migrate().stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> Option<Value> { told.next().map(|line| serde_json::from_str(&line.unwrap()).unwrap()) };
    while let Some(event) = next() {
        if event["event"] == "step_started" && event["step"] == "copy_disks" {
            break;
        }
    }
    change(&stage).await;
    let mut failed = None;
    while let Some(event) = next() {
        failed = if event["event"] == "workload_failed" { Some(event) } else { failed };
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let failed = failed.expect("it was seen");
    assert_eq!(failed["step"], "recheck", "{failed}");
    assert!(failed["error"].as_str().unwrap().contains(words), "{failed}");
    assert!(stage.server("dst", "small").await.is_none());
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    stage.source_counts();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_used_up_while_copying_is_seen_before_the_server_is_made() {
    let change = async |stage: &Stage| stage.lab.dst().set_quotas(|quotas| quotas.instances = 1);
    gone_while_copying(change, "dst: 1 instances wanted, 0 available (1 of 1 in use)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flavor_deleted_while_copying_is_seen_before_the_server_is_made() {
    gone_while_copying(async |stage: &Stage| delete_flavor(stage, "m1.tiny").await, "m1.tiny").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_somebody_else_has() {
    let stage = Stage::small();
    let network = stage.session("dst").await.network().await.unwrap();
    let nets: Vec<NetworkObject> = network.list(&[("name", "small-net")]).await.unwrap();
    let fixed_ips = vec![FixedIp { subnet_id: None, ip_address: Some("192.168.50.20".into()) }];
    let body = PortBody { fixed_ips: Some(fixed_ips), ..PortBody::default() };
    let wish = CreatePort { network_id: nets[0].id.clone(), body };
    let port = network.create::<Port>(&wish).await.unwrap();
    stage.forget_requests();
    let error = refusal(&stage.migrate().output().unwrap());
    let words = format!("the address 192.168.50.20 is taken in the destination by port {}", port.id);
    assert!(error.contains(&words), "{error}");
    assert_eq!(stage.changes(), 0);
    network.delete::<Port>(&port.id).await.unwrap();
    stage::success(&stage.migrate().output().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_ip_that_should_exist() {
    let stage = Stage::demo();
    stage.edit("web", "floating_ip_mode: auto", "floating_ip_mode: existing");
    stage.forget_requests();
    let error = refusal(&stage.migrate().arg("web").output().unwrap());
    assert!(error.contains("the destination has no floating IP 172.24."), "{error}");
    assert_eq!(stage.changes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_changes_nothing_and_tells_what_could_be_moved() {
    let stage = Stage::small_with_detached("archive");
    stage.forget_requests();
    for (more, name) in [(&["--check"][..], "small"), (&["--check", "--detached-volumes"], "archive")] {
        let events = stage::success(&stage.migrate().args(more).output().unwrap());
        let told = events.iter().find(|event| event["event"] == "step_done").expect("it is told");
        assert_eq!((&told["workload"], &told["step"]), (&name.into(), &"preflight".into()));
        assert_eq!(told["detail"], "it can be moved");
        assert_eq!(stage.changes(), 0);
    }
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);
    stage.lab.dst().set_quotas(|quotas| quotas.volumes = 0);
    assert!(refusal(&stage.migrate().arg("--check").output().unwrap()).contains("2 volumes wanted"));
    stage.lab.dst().set_quotas(|quotas| quotas.volumes = 9);
    stage::success(&stage.migrate().output().unwrap());
    let events = stage::success(&stage.migrate().arg("--check").output().unwrap());
    assert!(events.iter().any(|event| event["detail"] == "it is there"), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_what_an_import_needs_does_not_change_what_it_asks_for() {
    // The stage has imported groups, whose own rules Neutron gives to each new group.
    let stage = Stage::demo();
    let requests = stage.lab.dst().requests();
    let rules = requests.iter().filter(|it| it.method == "POST" && it.path.contains("security-group-rules"));
    let bodies: Vec<&str> = rules.map(|it| it.body.as_str()).collect();
    assert!(bodies.iter().any(|body| body.contains("ingress")), "{bodies:?}");
    assert!(!bodies.iter().any(|body| body.contains("egress")), "they are there already: {bodies:?}");
    stage.forget_requests();
    let data = stage.data_dir();
    stage.succeeds(&[
        "import",
        "--regex",
        "^(?!os_migrate_conv)",
        "--data-dir",
        data.to_str().unwrap(),
        "--dst",
        "dst",
    ]);
    let requests = stage.lab.dst().requests();
    // Further pages of a list have a marker.
    let first = requests.iter().filter(|it| !it.path.contains("marker="));
    let listed = |what: &str| -> Vec<_> { first.clone().filter(|it| it.path.contains(what)).collect() };
    let rules = listed("security-group-rules");
    assert_eq!(rules.len(), 1, "once for the count and the import: {rules:#?}");
    assert!(listed("quotas").is_empty(), "nothing is needed");
}
