//! Whole migrations on the lab, with the real program: what moves, what stays, what a failure leaves.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use osm_lab::{Fault, FaultKind, Service};
use stage::{Stage, lines, success, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_once_with_its_bytes() {
    let stage = Stage::demo();
    let mut volumes = Vec::new();
    for name in ["web", "db", "worker"] {
        volumes.push((name, stage.volumes("src", name).await));
    }
    let events = success(&stage.migrate().output().unwrap());
    let verified = events.iter().filter(|event| event["event"] == "disk_verified").count();
    assert_eq!(verified, 4, "web-data, db-boot, db-data, worker-boot");
    for (name, volumes) in &volumes {
        stage.moved_once(name, volumes).await;
        stage.equal_disks(name, volumes).await;
    }
    // web has two networks and the floating IP; it boots from its image.
    stage.no_orphans(3, 4, 4, 1);
    let web = stage.server("dst", "web").await.unwrap();
    assert!(web.image.is_some());
    assert_eq!(web.metadata.get("role").map(String::as_str), Some("web"));
    let mut fixed: Vec<_> = web.addresses_of_type("fixed").map(|address| address.addr.as_str()).collect();
    fixed.sort_unstable();
    assert_eq!(fixed, ["10.10.1.11", "10.10.2.11"]);
    assert_eq!(web.addresses_of_type("floating").count(), 1);

    let log = std::fs::read_to_string(stage.data_dir().join("workload_logs/db.log")).unwrap();
    assert!(log.contains(":INFO: step verify_disks done"), "{log}");
    let state = std::fs::read_to_string(stage.data_dir().join("workload_logs/db.state")).unwrap();
    assert_eq!(state, r#"{"/dev/vda":100.0,"/dev/vdb":100.0}"#);

    // Once more: nothing is created, changed or copied.
    stage.lab.src().clear_requests();
    stage.lab.dst().clear_requests();
    let again = success(&stage.migrate().output().unwrap());
    let summary = again.iter().find(|event| event["event"] == "summary").unwrap();
    assert_eq!((&summary["unchanged"], &summary["created"]), (&3.into(), &0.into()), "{summary}");
    for cloud in [stage.lab.src(), stage.lab.dst()] {
        let changes: Vec<_> = cloud
            .requests()
            .into_iter()
            .filter(|request| request.method != "GET" && request.service != Service::Keystone)
            .collect();
        assert!(changes.is_empty(), "{changes:?}");
    }
    stage.no_orphans(3, 4, 4, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_booted_server_moves_with_its_boot_disk() {
    let stage = Stage::demo();
    stage.edit("web", "boot_disk_copy: false", "boot_disk_copy: true");
    let volumes = stage.volumes("src", "web").await;
    success(&stage.migrate().arg("web").output().unwrap());
    stage.moved_once("web", &volumes).await;
    let copies = stage.volumes("dst", "web").await;
    assert_eq!(copies.len(), 2);
    let id = stage.lab.src().server_id("web").unwrap();
    assert_eq!(
        stage::hash(&stage.lab.src().root_disk_file(&id)).await,
        stage::hash(&stage.lab.dst().volume_file(&copies[0])).await,
    );
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let boot = storage.volume(&copies[0]).await.unwrap().unwrap();
    assert_eq!(boot.volume_image_metadata.get("hw_machine_type").map(String::as_str), Some("q35"));
    assert!(!boot.volume_image_metadata.contains_key("image_id"));
    stage.no_orphans(1, 2, 2, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_made_beforehand_keep_their_mac_and_groups() {
    let stage = Stage::demo();
    stage.edit("db", "port_creation_mode: nova", "port_creation_mode: neutron");
    success(&stage.migrate().arg("db").output().unwrap());
    let mac = |server: &osm_openstack::compute::Server| {
        server.addresses_of_type("fixed").next().and_then(|address| address.mac.clone())
    };
    let (here, there) = (stage.server("src", "db").await.unwrap(), stage.server("dst", "db").await.unwrap());
    assert!(mac(&here).is_some());
    assert_eq!(mac(&here), mac(&there));
    let groups: Vec<_> = there.security_groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(groups, ["db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_same_name_is_left_alone() {
    let stage = Stage::small();
    let network = stage.session("dst").await.network().await.unwrap();
    let networks: Vec<osm_openstack::network::NetworkObject> =
        network.list(&[("name", "small-net")]).await.unwrap();
    let compute = stage.session("dst").await.compute().await.unwrap();
    let flavor =
        compute.flavors().await.unwrap().into_iter().find(|flavor| flavor.name == "m1.tiny").unwrap();
    let image = stage.session("dst").await.image().await.unwrap();
    let image = image.list(&osm_openstack::image::ImageFilter::default()).await.unwrap().remove(0);
    let wish = osm_openstack::compute::CreateServer {
        name: "small".into(),
        flavor_id: flavor.id,
        image_id: Some(image.id),
        networks: osm_openstack::compute::Networks::List(vec![
            // The very address, as when another tool has moved the server before.
            osm_openstack::compute::ServerNetwork::Network {
                id: networks[0].id.clone(),
                fixed_ip: Some("192.168.50.20".into()),
            },
        ]),
        ..Default::default()
    };
    let theirs = compute.create_server(&wish).await.unwrap();
    let events = success(&stage.migrate().output().unwrap());
    let done = events.iter().find(|event| event["event"] == "workload_done").unwrap();
    assert_eq!(done["outcome"], "exists");
    assert_eq!(stage.server("dst", "small").await.unwrap().id, theirs.id);
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE", "it was not even stopped");
    stage.source_counts();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_before_anything_is_stopped() {
    let stage = Stage::demo();
    stage.edit("db", "key_name: demo-key", "key_name: lost-key");
    stage.edit("db", "name: m1.small", "name: m1.lost");
    let output = stage.migrate().arg("db").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failed = failure(&output);
    assert_eq!(failed["step"], "preflight");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("lost-key") && error.contains("m1.lost"), "{error}");
    assert_eq!(stage.server("src", "db").await.unwrap().status, "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_is_told_before_anything_is_stopped() {
    let stage = Stage::small();
    stage.lab.dst().set_quotas(|quotas| quotas.volumes = 1);
    let output = stage.migrate().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(failure(&output)["error"].as_str().unwrap().contains("quota"), "{}", text(&output));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);
}

/// Whatever fails on the way, the source is as it was, and the next run moves the workload.
async fn fails_and_recovers(fault: impl FnOnce(&Stage), step: &str) {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    fault(&stage);
    let output = stage.migrate().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(failure(&output)["step"], step, "{}", text(&output));
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE", "{}", text(&output));
    assert_eq!(stage.volumes("src", "small").await, volumes, "{}", text(&output));
    stage.source_counts();
    stage.free_hosts();
    assert!(stage.server("dst", "small").await.is_none());

    stage.lab.src().clear_faults();
    stage.lab.dst().clear_faults();
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_to_error_leaves_the_source_as_it_was() {
    let fault = Fault::new(Service::Nova, FaultKind::ServerError("No valid host was found.".into()))
        .method("POST")
        .path("/servers")
        // Attachments have such a path too, and pass.
        .times(3);
    fails_and_recovers(|stage| stage.lab.dst().fault(fault), "create_server").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_goes_to_error_leaves_the_source_as_it_was() {
    let fault = Fault::new(Service::Cinder, FaultKind::VolumeError).method("POST").path("/volumes");
    fails_and_recovers(|stage| stage.lab.dst().fault(fault), "create_volumes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_does_not_attach_leaves_the_source_as_it_was() {
    let fault =
        Fault::new(Service::Nova, FaultKind::AttachFails).method("POST").path("os-volume_attachments");
    fails_and_recovers(|stage| stage.lab.src().fault(fault), "attach_source").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_does_not_detach_leaves_the_source_as_it_was() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let stuck = Fault::new(Service::Nova, FaultKind::DetachSticks).method("DELETE");
    stage.lab.src().fault(stuck.path("os-volume_attachments"));
    let limit = std::time::Duration::from_secs(2);
    let summary = stage.migration(limit).await.run(&osm_model::NameFilter::all()).await.unwrap();
    assert_eq!(summary.failed, 1);
    assert!(summary.failures[0].error.contains("detach"), "{summary:?}");
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    stage.source_counts();
    stage.free_hosts();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_somebody_else_holds_is_never_written() {
    let stage = Stage::small();
    // The first run leaves its unfinished copies behind.
    let fault =
        Fault::new(Service::Nova, FaultKind::AttachFails).method("POST").path("os-volume_attachments");
    stage.lab.dst().fault(fault);
    assert!(!stage.migrate().output().unwrap().status.success());
    let session = stage.session("dst").await;
    let (storage, compute) = (session.block_storage().await.unwrap(), session.compute().await.unwrap());
    let copy = storage.volumes(&Default::default()).await.unwrap().remove(0);
    assert_eq!(copy.metadata.get("osm_state").map(String::as_str), Some("seeding"));
    let other = other_server(&stage).await;
    compute.attach_volume(&other, &copy.id).await.unwrap();
    storage.wait_volume(&copy.id, &["in-use"], std::time::Duration::from_secs(10)).await.unwrap();
    let before = stage::hash(&stage.lab.dst().volume_file(&copy.id)).await;

    let output = stage.migrate().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(failure(&output)["error"].as_str().unwrap().contains("attached to another server"));
    assert_eq!(stage::hash(&stage.lab.dst().volume_file(&copy.id)).await, before);
    let copy = storage.volume(&copy.id).await.unwrap().unwrap();
    assert!(copy.is_attached_to(&other), "it was taken away from its holder");
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ran_in_between_is_copied_anew() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let fault = Fault::new(Service::Nova, FaultKind::ServerError("No valid host was found.".into()));
    stage.lab.dst().fault(fault.method("POST").path("/servers").times(3));
    assert!(!stage.migrate().output().unwrap().status.success());
    stage.lab.dst().clear_faults();
    // The first run verified its copies, failed, and started the source again, which then writes.
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    let file = std::fs::File::options().write(true).open(stage.lab.src().volume_file(&volumes[1])).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"written after the first copy", 4096).unwrap();
    success(&stage.migrate().output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;
    stage.no_orphans(1, 2, 1, 0);
}

/// Some server of the destination's tenant.
async fn other_server(stage: &Stage) -> String {
    let session = stage.session("dst").await;
    let compute = session.compute().await.unwrap();
    let flavors = compute.flavors().await.unwrap();
    let images = session.image().await.unwrap().list(&Default::default()).await.unwrap();
    let wish = osm_openstack::compute::CreateServer {
        name: "other".into(),
        flavor_id: flavors.into_iter().find(|flavor| flavor.name == "m1.tiny").unwrap().id,
        image_id: Some(images[0].id.clone()),
        ..Default::default()
    };
    let id = compute.create_server(&wish).await.unwrap().id;
    compute.wait_server(&id, "ACTIVE", std::time::Duration::from_secs(10)).await.unwrap();
    id
}

fn failure(output: &std::process::Output) -> serde_json::Value {
    let failed = lines(output).into_iter().find(|event| event["event"] == "workload_failed");
    failed.unwrap_or_else(|| panic!("nothing failed: {}", text(output)))
}
