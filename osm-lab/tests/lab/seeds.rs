//! What the seeds put into the clouds.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use osm_lab::Service::{Cinder, Glance, Neutron, Nova};
use serde_json::Value;

use super::http::{User, stage_with, text};

fn names(body: &Value, key: &str) -> BTreeSet<String> {
    body[key].as_array().unwrap().iter().map(|row| text(&row["name"])).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test]
async fn the_demo_tenant_has_servers_networks_and_bytes() {
    let stage = stage_with(|options| options.page_size = 50);
    stage.lab.seed_demo_tenant().unwrap();
    let user = User::tenant(stage.lab.src()).await;
    let servers = user.get(Nova, "servers/detail").await;
    assert_eq!(names(&servers, "servers"), set(["web", "db", "worker", "os_migrate_conv_src"]));
    let own = format!("networks?project_id={}", user.project);
    assert_eq!(names(&user.get(Neutron, &own).await, "networks"), set(["front", "back"]));
    assert_eq!(
        names(&user.get(Neutron, "security-groups").await, "security_groups"),
        set(["default", "web", "db"])
    );
    let volumes = user.get(Cinder, "volumes/detail").await;
    assert_eq!(names(&volumes, "volumes"), set(["web-data", "db-boot", "db-data", "worker-boot", "archive"]));
    let mut allocated = 0;
    for volume in volumes["volumes"].as_array().unwrap() {
        let file = fs::metadata(user.cloud.volume_file(&text(&volume["id"]))).unwrap();
        assert_eq!(file.len(), 1 << 30);
        allocated += file.blocks() * 512;
    }
    assert!((290 << 20..340 << 20).contains(&allocated), "{allocated}");

    let web = servers["servers"].as_array().unwrap().iter().find(|server| server["name"] == "web").unwrap();
    assert_eq!(web["status"], "ACTIVE");
    let front = web["addresses"]["front"].as_array().unwrap();
    assert_eq!(front[0]["addr"], "10.10.1.11");
    assert_eq!(front[1]["OS-EXT-IPS:type"], "floating");
    let worker = servers["servers"].as_array().unwrap().iter().find(|row| row["name"] == "worker").unwrap();
    assert_eq!((&worker["status"], &worker["image"]), (&"SHUTOFF".into(), &"".into()));

    let db_data = user.cloud.volume_id("db-data").unwrap();
    let device = user.cloud.device_dir("db").join(format!("virtio-{}", &db_data[..20]));
    assert_eq!(fs::canonicalize(device).unwrap(), user.cloud.volume_file(&db_data).canonicalize().unwrap());
    let image = user.get(Glance, "images?name=debian-12").await["images"][0].take();
    assert_eq!((&image["status"], &image["size"]), (&"active".into(), &(16 << 20).into()));

    let other = User::tenant(stage.lab.dst()).await;
    assert_eq!(names(&other.get(Nova, "servers/detail").await, "servers"), set(["os_migrate_conv_dst"]));
}

#[tokio::test]
async fn a_migration_finds_what_it_needs_with_the_public_api_alone() {
    let stage = stage_with(|_| {});
    stage.lab.seed_small_tenant().unwrap();
    let user = User::tenant(stage.lab.src()).await;
    let counts = user.cloud.counts();
    assert_eq!((counts.servers, counts.volumes, counts.snapshots), (2, 2, 0));
    // One port of the server, one of the conversion host.
    assert_eq!(counts.ports, 2);
    let boot = fs::File::open(user.cloud.volume_file(&user.cloud.volume_id("small-boot").unwrap())).unwrap();
    for offset in [0, (1 << 30) - 512] {
        let mut bytes = [0; 512];
        boot.read_exact_at(&mut bytes, offset).unwrap();
        assert!(bytes.iter().filter(|byte| **byte != 0).count() > 400);
    }
}
