//! Workloads are spread over several pairs of conversion hosts, limits hold, a plan tells both, and a copy that breaks
//! off goes on.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use osm_lab::Cloud;
use osm_openstack::compute::{CreateServer, Networks, ServerNetwork};
use osm_openstack::network::NetworkObject;
use serde_json::Value;
use stage::{Stage, lines, success, text};

/// One more conversion host in a cloud, beside the lab's own.
async fn another_host(stage: &Stage, cloud: &Cloud) -> String {
    let session = stage.session(cloud.name()).await;
    let (compute, network) = (session.compute().await.unwrap(), session.network().await.unwrap());
    let networks: Vec<NetworkObject> = network.list(&[("name", "provider")]).await.unwrap();
    let image = session.image().await.unwrap();
    let images = image.list(&Default::default()).await.unwrap();
    let image = images.iter().find(|image| image.name.as_deref() == Some("os_migrate_conv")).unwrap();
    let flavors = compute.flavors().await.unwrap();
    let name = format!("second_conv_{}", cloud.name());
    let wish = CreateServer {
        name: name.clone(),
        flavor_id: flavors.iter().find(|flavor| flavor.name == "m1.conv").unwrap().id.clone(),
        image_id: Some(image.id.clone()),
        networks: Networks::List(vec![ServerNetwork::Network { id: networks[0].id.clone(), fixed_ip: None }]),
        ..CreateServer::default()
    };
    let server = compute.create_server(&wish).await.unwrap();
    compute.wait_server(&server.id, "ACTIVE", std::time::Duration::from_secs(10)).await.unwrap();
    format!("local:{name},devices={}", cloud.device_dir(&name).display())
}

/// The demo's tenant, and a second conversion host in each cloud.
async fn two_pairs() -> (Stage, [String; 2]) {
    let stage = Stage::demo();
    let (src, dst) =
        (another_host(&stage, stage.lab.src()).await, another_host(&stage, stage.lab.dst()).await);
    (stage, [src, dst])
}

fn with(mut command: Command, [src, dst]: &[String; 2], words: &[&str]) -> Command {
    command.args(["--src-host", src, "--dst-host", dst]).args(words);
    command
}

fn of<'l>(lines: &'l [Value], event: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

/// Which server of a cloud got volumes attached, by the path of the request.
fn hosts_used(cloud: &Cloud) -> BTreeSet<String> {
    let requests = cloud.requests();
    let attached =
        requests.iter().filter(|it| it.method == "POST" && it.path.ends_with("/os-volume_attachments"));
    let server = |path: &str| path.rsplit('/').nth(1).unwrap().to_owned();
    let names = ["os_migrate_conv_", "second_conv_"].map(|name| format!("{name}{}", cloud.name()));
    let is = |id: &String| names.iter().find(|name| cloud.server_id(name).as_ref() == Some(id)).cloned();
    attached.map(|it| server(&it.path)).filter_map(|id| is(&id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_are_spread_over_pairs_as_planned() {
    let (stage, second) = two_pairs().await;
    stage.forget_requests();
    let limits = ["--limit", "type:ssd=1", "--limit", "copies=2"];
    let plan = success(&with(stage.work("plan", &[]), &second, &limits).output().unwrap());
    let planned = of(&plan, "planned");
    assert_eq!(planned.len(), 3, "{plan:?}");
    let hosts: BTreeSet<&str> = planned.iter().map(|it| it["src_host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["os_migrate_conv_src", "second_conv_src"].into());
    for disk in planned.iter().flat_map(|it| it["disks"].as_array().unwrap()) {
        assert!(disk["labels"].as_array().unwrap().iter().any(|label| label == "copies"), "{disk}");
        assert!(disk["size_gib"].as_u64() > Some(0), "{disk}");
    }
    assert_eq!(
        success(&with(stage.work("plan", &[]), &second, &limits).output().unwrap()),
        plan,
        "always alike"
    );
    assert_eq!(stage.changes(), 0, "a plan changes nothing");

    success(&with(stage.work("migrate", &["--workloads", "3"]), &second, &limits).output().unwrap());
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        assert_eq!(hosts_used(cloud).len(), 2, "both hosts of {} have worked", cloud.name());
    }
    stage.free_hosts();
    for planned in planned {
        let server = planned["workload"].as_str().unwrap();
        let volumes = stage.volumes("src", server).await;
        stage.moved_once(server, &volumes).await;
    }
}

/// The next run has other hosts, and finds volumes on those of the last one.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_pair_began_is_finished() {
    let (stage, second) = two_pairs().await;
    let own: Vec<String> = [stage.lab.src(), stage.lab.dst()]
        .map(|cloud| {
            let name = format!("os_migrate_conv_{}", cloud.name());
            format!("local:{name},devices={}", cloud.device_dir(&name).display())
        })
        .into();
    let by = |first: &[String; 2], then: &[String; 2]| {
        let mut command = stage.osm(&["migrate", "--src", "src", "--dst", "dst", "--data-dir"]);
        command.arg(stage.data_dir());
        with(with(command, first, &[]), then, &["--workloads", "1"])
    };
    let own: [String; 2] = own.try_into().unwrap();
    let mut child = by(&own, &second).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let under_way = told.find(|line| {
        let event: Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
        event["event"] == "step_done" && event["step"] == "attach_destination"
    });
    assert!(under_way.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    success(&by(&second, &own).output().unwrap());
    stage.free_hosts();
    assert_eq!(of(&success(&by(&own, &second).output().unwrap()), "workload_failed").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_disks_than_a_host_may_have_are_refused() {
    let stage = Stage::small();
    stage.forget_requests();
    let output = stage.work("migrate", &["--limit", "attached=1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for part in ["2 disks", "--limit attached=2"] {
        assert!(text(&output).contains(part), "no `{part}` in {}", text(&output));
    }
    assert_eq!(stage.changes(), 0, "before anything is touched");
    for wrong in ["ssd", "=2", "type:ssd=0", "type:ssd=many"] {
        let output = stage.work("migrate", &["--limit", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output));
    }
}

/// An agent that dies in the middle of a copy ends neither the run nor the copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_breaks_off_goes_on() {
    const BYTES: u64 = 256 << 20;
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| u8::try_from(at % 251).unwrap() + 1).collect();
    let mut disk = fs::File::options().write(true).open(stage.lab.src().volume_file(&volumes[1])).unwrap();
    for _ in 0..BYTES >> 20 {
        std::io::Write::write_all(&mut disk, &block).unwrap();
    }
    let mut child = stage.migrate().stdout(Stdio::piped()).spawn().unwrap();
    let (mut killed, mut events) = (0, Vec::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let under_way = event["event"] == "disk_progress"
            && event["volume"] == "small-data"
            && (1..BYTES).contains(&event["copied"].as_u64().unwrap());
        if under_way && killed == 0 {
            killed = stage.kill_agents();
        }
        events.push(event);
    }
    assert!(killed > 0, "no agent was caught in the middle");
    assert!(child.wait().unwrap().success(), "{events:?}");
    let said =
        of(&events, "warning").into_iter().any(|it| it["message"].as_str().unwrap().contains("broke off"));
    assert!(said, "{events:?}");
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
    assert!(lines(&stage.migrate().output().unwrap()).iter().all(|line| line["event"] != "workload_failed"));
}
