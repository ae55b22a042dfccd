//! The machine type arrives: exported from the volumes, shown and edited in the file, set on the copies
//! of boot, data and detached volumes. On the lab, or on the real clouds that the environment
//! describes (`e2e/openstack/README.md`); Cinder itself is asked what the copies have.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use osm_e2e::{Run, Stage};
use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile, Server, Volume as Exported};
use osm_openstack::block_storage::{BlockStorage, CreateVolume, Filter, Volume};
use osm_openstack::compute::{BlockDeviceMapping, CreateServer, Networks, ServerFilter};
use osm_openstack::image::ImageFilter;
use osm_openstack::{CloudConfig, ConfigSources, Session};
use serde_json::json;

/// What everything made here is called; nothing of the tenant is.
const PREFIX: &str = "osm-e2e-machine";
/// The legacy type by its alias: every QEMU has it, and a guest that moved must start with it.
const LEGACY: &str = "pc";
/// A versioned one, on a disk that nothing boots from: whether a QEMU has it does not matter.
const VERSIONED: &str = "pc-i440fx-rhel7.6.0";

/// Two CPUs emulate all of it, so a server may take its time.
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn machine_type_is_carried_over_and_edits_of_it_are_applied() {
    let stage = Stage::set().unwrap();
    let (src, dst) = (session(&stage, "src").await, session(&stage, "dst").await);
    tidy(&src).await;
    tidy(&dst).await;
    let made = Made::in_source(&stage, &src).await;
    let data = stage.data_dir.to_str().unwrap();
    let osm = |arguments: &[&str]| Run::of(&stage.clouds, arguments).unwrap();
    let regex = format!("^{PREFIX}");
    for kind in ["workloads", "detached_volumes"] {
        osm(&["export", kind, "--regex", &regex, "--data-dir", data, "--src", "src"]).expect_code(0);
    }

    // The export captured what the volumes have, and the file shows it.
    let mut workloads = read(&stage, "workloads.yml");
    let kept = server(&mut workloads, "kept");
    assert_eq!(machine_type(volume(kept, &made.kept_boot)), Some(LEGACY));
    assert_eq!(machine_type(volume(kept, &made.kept_data)), Some(VERSIONED));
    let edited = server(&mut workloads, "edited");
    assert_eq!(machine_type(volume(edited, &made.edited_boot)), Some(LEGACY));

    // Edited as an operator would: i440fx to q35, and the firmware settings that go with it stay.
    let boot = volume(edited, &made.edited_boot);
    boot.params.volume_image_metadata.as_mut().unwrap().insert("hw_machine_type".into(), json!("q35"));
    std::fs::write(stage.data_dir.join("workloads.yml"), workloads.to_yaml()).unwrap();
    osm(&["validate", "--data-dir", data]).expect_code(0);

    let migrate = |more: &[&str]| {
        let hosts = ["--src-host", &stage.src_host, "--dst-host", &stage.dst_host];
        let mut words = vec!["migrate", "--data-dir", data, "--src", "src", "--dst", "dst"];
        words.extend(hosts);
        words.extend(more);
        osm(&words)
    };
    // A list without these types stops everything before any data moves.
    let (kept, edited) = (format!("{PREFIX}-kept"), format!("{PREFIX}-edited"));
    let refused = migrate(&["--machine-types", "virt*", &kept, &edited]).expect_code(1);
    assert_eq!(refused.summary()["failed"], 2, "{:#?}", refused.events);
    assert!(copies(&dst).await.is_empty(), "no volume is made");

    let moved = migrate(&["--machine-types", "pc*,q35"]).expect_code(0);
    assert_eq!(moved.summary()["created"], 3, "{:#?}", moved.events);
    let detached = migrate(&["--detached-volumes"]).expect_code(0);
    assert_eq!(detached.summary()["created"], 1, "{:#?}", detached.events);

    let there = copies(&dst).await;
    let copied = |source: &str| there.get(source).unwrap_or_else(|| panic!("no copy of {source}"));
    let of = |source: &str| copied(source).volume_image_metadata.get("hw_machine_type").map(String::as_str);
    assert_eq!(of(&made.kept_boot), Some(LEGACY));
    assert_eq!(of(&made.kept_data), Some(VERSIONED));
    assert_eq!(of(&made.edited_boot), Some("q35"), "the edit is applied");
    assert_eq!(of(&made.plain_boot), None, "nothing there, nothing set");
    assert_eq!(of(&made.detached), Some(LEGACY));
    let boot = copied(&made.kept_boot);
    assert!(boot.bootable);
    for key in ["hw_disk_bus", "hw_rng_model"] {
        let source = made.metadata.get(key);
        assert_eq!(boot.volume_image_metadata.get(key), source, "{key} is carried over");
    }
    assert!(!boot.volume_image_metadata.contains_key("image_id"), "the image is not the guest");
    assert!(copied(&made.detached).attachments.is_empty());
    let servers = dst.compute().await.unwrap().servers(&ServerFilter::default()).await.unwrap();
    for name in ["kept", "edited", "plain"] {
        let name = format!("{PREFIX}-{name}");
        let found = servers.iter().find(|server| server.name == name).expect("it has moved");
        assert_eq!(found.status, "ACTIVE", "{name}");
    }

    for more in [&[][..], &["--detached-volumes"]] {
        let again = migrate(more).expect_code(0);
        assert_eq!(again.summary()["created"], 0, "{:#?}", again.events);
    }
    assert_eq!(copies(&dst).await.len(), there.len(), "nothing is doubled");
    tidy(&src).await;
    tidy(&dst).await;
}

/// The source's volumes.
struct Made {
    kept_boot: String,
    kept_data: String,
    edited_boot: String,
    plain_boot: String,
    detached: String,
    /// What the boot volumes have besides.
    metadata: BTreeMap<String, String>,
}

impl Made {
    /// One server whose types are kept, one whose type is edited, one without any, and a volume alone.
    async fn in_source(stage: &Stage, src: &Session) -> Self {
        let storage = src.block_storage().await.unwrap();
        let image = image(stage, src).await;
        let kept_boot = make(&storage, "kept-boot", Some(&image)).await;
        let kept_data = make(&storage, "kept-data", None).await;
        let edited_boot = make(&storage, "edited-boot", None).await;
        let plain_boot = make(&storage, "plain-boot", None).await;
        let detached = make(&storage, "detached", None).await;
        let metadata =
            pairs(&[("hw_machine_type", LEGACY), ("hw_disk_bus", "virtio"), ("hw_rng_model", "virtio")]);
        for id in [&kept_boot, &edited_boot, &detached] {
            storage.set_bootable(id, true).await.unwrap();
            storage.set_image_metadata(id, &metadata).await.unwrap();
        }
        storage.set_bootable(&plain_boot, true).await.unwrap();
        storage.set_image_metadata(&kept_data, &pairs(&[("hw_machine_type", VERSIONED)])).await.unwrap();
        start(src, "kept", &[&kept_boot, &kept_data]).await;
        start(src, "edited", &[&edited_boot]).await;
        start(src, "plain", &[&plain_boot]).await;
        Self { kept_boot, kept_data, edited_boot, plain_boot, detached, metadata }
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The tenant's image, which a guest starts from.
async fn image(stage: &Stage, src: &Session) -> String {
    let name = std::env::var("OSM_E2E_IMAGE").ok().filter(|_| stage.is_real());
    let name = name.unwrap_or_else(|| "debian-12".to_owned());
    let filter = ImageFilter { name: Some(name.clone()), ..ImageFilter::default() };
    let images = src.image().await.unwrap().list(&filter).await.unwrap();
    images.first().unwrap_or_else(|| panic!("the source has no image {name}")).id.clone()
}

async fn make(storage: &BlockStorage, name: &str, image: Option<&str>) -> String {
    let wish = CreateVolume {
        name: Some(format!("{PREFIX}-{name}")),
        size: 1,
        image_id: image.map(str::to_owned),
        ..CreateVolume::default()
    };
    let id = storage.create_volume(&wish).await.unwrap().id;
    storage.wait_volume(&id, &["available"], LIMIT).await.unwrap();
    id
}

/// A server without a network: what it runs on is all that matters here.
async fn start(src: &Session, name: &str, volumes: &[&str]) {
    let compute = src.compute().await.unwrap();
    let flavors = compute.flavors().await.unwrap();
    let mut mapping = vec![BlockDeviceMapping::boot_volume(volumes[0])];
    mapping.extend(volumes[1..].iter().map(|id| BlockDeviceMapping::data_volume(*id)));
    let wish = CreateServer {
        name: format!("{PREFIX}-{name}"),
        flavor_id: flavors.into_iter().find(|flavor| flavor.name == "m1.tiny").unwrap().id,
        networks: Networks::Unconnected,
        block_device_mapping_v2: mapping,
        ..CreateServer::default()
    };
    let id = compute.create_server(&wish).await.unwrap().id;
    compute.wait_server(&id, "ACTIVE", LIMIT).await.unwrap();
}

/// Deletes what this scenario made, now or when it was cut off.
async fn tidy(cloud: &Session) {
    let (compute, storage) = (cloud.compute().await.unwrap(), cloud.block_storage().await.unwrap());
    for server in compute.servers(&ServerFilter::default()).await.unwrap() {
        if server.name.starts_with(PREFIX) {
            compute.delete_server(&server.id).await.unwrap();
            compute.wait_server_gone(&server.id, LIMIT).await.unwrap();
        }
    }
    for volume in storage.volumes(&Filter::default()).await.unwrap() {
        if volume.name.as_deref().is_some_and(|name| name.starts_with(PREFIX)) {
            storage.wait_volume(&volume.id, &["available", "error"], LIMIT).await.unwrap();
            storage.delete_volume(&volume.id).await.unwrap();
            storage.wait_volume_gone(&volume.id, LIMIT).await.unwrap();
        }
    }
}

/// The copies of this scenario by the id of their source.
async fn copies(dst: &Session) -> BTreeMap<String, Volume> {
    let volumes = dst.block_storage().await.unwrap().volumes(&Filter::default()).await.unwrap();
    let ours =
        volumes.into_iter().filter(|it| it.name.as_deref().is_some_and(|name| name.starts_with(PREFIX)));
    ours.filter_map(|it| Some((it.metadata.get("osm_source_volume")?.clone(), it))).collect()
}

fn read(stage: &Stage, name: &str) -> ResourceFile {
    let path: PathBuf = stage.data_dir.join(name);
    ResourceFile::parse(&std::fs::read_to_string(path).unwrap(), OS_MIGRATE_VERSION).unwrap()
}

fn server<'f>(file: &'f mut ResourceFile, name: &str) -> &'f mut Server {
    let name = format!("{PREFIX}-{name}");
    let found = file.resources.iter_mut().find_map(|resource| match resource {
        Resource::Server(server) if server.params.name.as_deref() == Some(&name) => Some(server),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{name} is not exported"))
}

fn volume<'s>(server: &'s mut Server, id: &str) -> &'s mut Exported {
    let found = server.params.volumes.iter_mut().find(|volume| volume.info.id.as_deref() == Some(id));
    found.expect("the volume is exported with its server")
}

fn machine_type(volume: &Exported) -> Option<&str> {
    volume.params.volume_image_metadata.as_ref()?.get("hw_machine_type")?.as_str()
}

async fn session(stage: &Stage, cloud: &str) -> Session {
    let config = CloudConfig::load(Some(cloud), &ConfigSources::file(&stage.clouds)).unwrap();
    Session::connect(config).await.unwrap()
}
