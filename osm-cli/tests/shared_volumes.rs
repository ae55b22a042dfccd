//! A volume that two servers share is copied once, when both are stopped, and both have the copy.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;

use osm_openstack::block_storage::CreateVolume;
use osm_openstack::compute::{CreateServer, Networks};
use stage::{Stage, success, text};

const LIMIT: Duration = Duration::from_secs(10);

struct Shared {
    stage: Stage,
    /// The volume that `small` and `twin` share.
    volume: String,
}

impl Shared {
    async fn start() -> Self {
        let stage = Stage::small();
        for cloud in [stage.lab.src(), stage.lab.dst()] {
            cloud.share_volumes_of("ssd");
        }
        let src = stage.session("src").await;
        let (compute, storage) = (src.compute().await.unwrap(), src.block_storage().await.unwrap());
        let wish = CreateVolume {
            name: Some("quorum".to_owned()),
            size: 1,
            volume_type: Some("ssd".to_owned()),
            ..CreateVolume::default()
        };
        let volume = storage.create_volume(&wish).await.unwrap().id;
        storage.wait_volume(&volume, &["available"], LIMIT).await.unwrap();
        let image = src.image().await.unwrap().list(&Default::default()).await.unwrap();
        let image = image.iter().find(|image| image.name.as_deref() == Some("os_migrate_conv")).unwrap();
        let flavors = compute.flavors().await.unwrap();
        let wish = CreateServer {
            name: "twin".to_owned(),
            flavor_id: flavors.iter().find(|flavor| flavor.name == "m1.tiny").unwrap().id.clone(),
            image_id: Some(image.id.clone()),
            networks: Networks::Unconnected,
            ..CreateServer::default()
        };
        let twin = compute.create_server(&wish).await.unwrap().id;
        compute.wait_server(&twin, "ACTIVE", LIMIT).await.unwrap();
        for server in [&stage.lab.src().server_id("small").unwrap(), &twin] {
            compute.attach_volume(server, &volume).await.unwrap();
            storage.wait_volume(&volume, &["in-use"], LIMIT).await.unwrap();
        }
        let disk = fs::File::options().write(true).open(stage.lab.src().volume_file(&volume)).unwrap();
        disk.write_all_at(b"who votes", 77 << 20).unwrap();
        let data = stage.data_dir();
        let data = data.to_str().unwrap();
        stage.succeeds(&["export", "--regex", "^(?!os_migrate_conv)", "--data-dir", data, "--src", "src"]);
        Self { stage, volume }
    }

    async fn stop(&self, server: &str) {
        let compute = self.stage.session("src").await.compute().await.unwrap();
        let id = self.stage.lab.src().server_id(server).unwrap();
        compute.stop_server(&id).await.unwrap();
        compute.wait_server(&id, "SHUTOFF", LIMIT).await.unwrap();
    }

    /// Which servers of the destination have the copy.
    async fn copy(&self) -> (String, Vec<String>) {
        let storage = self.stage.session("dst").await.block_storage().await.unwrap();
        let volumes = storage.volumes(&Default::default()).await.unwrap();
        let is_copy = |key: &Option<&String>| key.is_some_and(|key| *key == self.volume);
        let mut copies: Vec<_> =
            volumes.into_iter().filter(|it| is_copy(&it.metadata.get("osm_source_volume"))).collect();
        assert_eq!(copies.len(), 1, "one copy");
        let copy = copies.remove(0);
        let mut servers: Vec<_> = copy.attachments.into_iter().filter_map(|it| it.server_id).collect();
        servers.sort();
        (copy.id, servers)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_copied_once_for_all_its_servers() {
    let shared = Shared::start().await;
    let stage = &shared.stage;
    shared.stop("small").await;
    shared.stop("twin").await;
    let events = success(&stage.work("migrate", &["--workloads", "2"]).output().unwrap());
    let copied = events.iter().filter(|it| it["event"] == "disk_verified" && it["volume"] == "quorum");
    assert_eq!(copied.count(), 1, "{events:?}");
    let (copy, servers) = shared.copy().await;
    let mut there = ["small", "twin"].map(|name| stage.lab.dst().server_id(name).unwrap());
    there.sort();
    assert_eq!(servers, there);
    let bytes = |path| fs::read(path).unwrap();
    assert!(bytes(stage.lab.src().volume_file(&shared.volume)) == bytes(stage.lab.dst().volume_file(&copy)));
    // The source has it where it was.
    for server in ["small", "twin"] {
        assert!(stage.volumes("src", server).await.contains(&shared.volume), "{server}");
        assert_eq!(stage.server("src", server).await.unwrap().status, "SHUTOFF");
    }
    stage.free_hosts();
    stage.forget_requests();
    success(&stage.migrate().output().unwrap());
    assert_eq!(stage.changes(), 0, "a second run changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_runs_is_told_before_another_is_stopped() {
    let shared = Shared::start().await;
    shared.stop("twin").await;
    let output = shared.stage.work("migrate", &["twin"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for part in ["quorum", "shared with server small, which is ACTIVE", "stop all servers that share it"] {
        assert!(text(&output).contains(part), "no `{part}` in {}", text(&output));
    }
    assert_eq!(shared.stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert!(shared.stage.lab.dst().server_id("twin").is_none());
    shared.stage.free_hosts();
}

/// The copy serves a server of the destination, and the source was written since.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_lived_in_is_not_overwritten() {
    let shared = Shared::start().await;
    let stage = &shared.stage;
    shared.stop("small").await;
    shared.stop("twin").await;
    success(&stage.work("migrate", &["small"]).output().unwrap());
    let (copy, _) = shared.copy().await;
    let compute = stage.session("src").await.compute().await.unwrap();
    let twin = stage.lab.src().server_id("twin").unwrap();
    compute.start_server(&twin).await.unwrap();
    compute.wait_server(&twin, "ACTIVE", LIMIT).await.unwrap();
    shared.stop("twin").await;
    let before = fs::read(stage.lab.dst().volume_file(&copy)).unwrap();
    let output = stage.work("migrate", &["twin"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for part in ["has the copy of quorum", "which of the two is to live"] {
        assert!(text(&output).contains(part), "no `{part}` in {}", text(&output));
    }
    assert!(before == fs::read(stage.lab.dst().volume_file(&copy)).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_whose_volumes_cannot_be_shared_is_refused() {
    let shared = Shared::start().await;
    let stage = &shared.stage;
    shared.stop("small").await;
    shared.stop("twin").await;
    let output = stage.work("migrate", &["twin", "--volume-type-map", "ssd=nfs"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for part in ["shared by several servers", "--volume-type-map"] {
        assert!(text(&output).contains(part), "no `{part}` in {}", text(&output));
    }
    success(&stage.work("migrate", &["twin"]).output().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_the_next_run_ends_it() {
    let shared = Shared::start().await;
    let stage = &shared.stage;
    shared.stop("small").await;
    shared.stop("twin").await;
    for (event, step) in [
        ("step_started", "copy_disks"),
        ("step_done", "copy_disks"),
        ("step_done", "verify_disks"),
        ("step_done", "detach_destination"),
    ] {
        let mut child = stage.migrate().stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        // The first run that comes here is killed; later ones find it done.
        let _reached = told.find(|line| {
            let line: serde_json::Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
            line["event"] == event && line["step"] == step && line["workload"] == "quorum"
        });
        child.kill().unwrap();
        child.wait().unwrap();
        stage.no_agents();
    }
    success(&stage.migrate().output().unwrap());
    let (copy, servers) = shared.copy().await;
    assert_eq!(servers.len(), 2);
    let bytes = |path| fs::read(path).unwrap();
    assert!(bytes(stage.lab.src().volume_file(&shared.volume)) == bytes(stage.lab.dst().volume_file(&copy)));
    stage.free_hosts();
}
