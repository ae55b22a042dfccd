//! A tenant moves from one cloud to the other, disks included: on the lab, or on the real clouds
//! that the environment describes (`e2e/openstack/README.md`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use osm_e2e::{Run, Side, Stage};
use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile, Server};
use osm_openstack::block_storage::{Filter, Volume};
use osm_openstack::compute::ServerFilter;
use osm_openstack::{CloudConfig, ConfigSources, Session};

/// What belongs to conversion hosts stays where it is.
const NOT_OF_CONVERSION_HOSTS: &str = "^(?!os_migrate_conv)";

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_with_its_disks_and_a_second_run_changes_nothing() {
    let stage = Stage::set().unwrap();
    let data = stage.data_dir.to_str().unwrap();
    let osm = |arguments: &[&str]| Run::of(&stage.clouds, arguments).unwrap();
    let export = ["export", "--data-dir", data, "--src", "src", "--regex", NOT_OF_CONVERSION_HOSTS];
    let import = ["import", "--data-dir", data, "--dst", "dst"];
    let migrate = [
        "migrate",
        "--data-dir",
        data,
        "--src",
        "src",
        "--dst",
        "dst",
        "--src-host",
        &stage.src_host,
        "--dst-host",
        &stage.dst_host,
    ];

    osm(&export).expect_code(0);
    osm(&["validate", "--data-dir", data]).expect_code(0);

    let first = osm(&import).expect_code(0);
    assert!(first.summary()["created"].as_u64() > Some(0), "{:?}", first.summary());
    let second = osm(&import).expect_code(0);
    assert_eq!(changes(&second), (0, 0), "a second import changes nothing: {:#?}", second.events);

    let servers = exported_servers(&stage.data_dir);
    let src = session(&stage, "src").await;
    let source_volumes = volume_ids(&src).await;
    let moved = osm(&migrate).expect_code(0);
    assert_eq!(moved.summary()["created"], servers.len(), "{:#?}", moved.events);

    let dst = session(&stage, "dst").await;
    everything_arrived(&stage, &dst, &servers).await;
    the_source_is_whole(&src, &servers).await;
    assert_eq!(volume_ids(&src).await, source_volumes, "no source volume is lost, no temporary one is left");

    let before = counts(&dst).await;
    let again = osm(&migrate).expect_code(0);
    assert_eq!(changes(&again), (0, 0), "a second migration changes nothing: {:#?}", again.events);
    assert_eq!(counts(&dst).await, before);
}

/// Every server is ACTIVE with its addresses, every volume has the bytes of its source.
async fn everything_arrived(stage: &Stage, dst: &Session, servers: &[Server]) {
    let arrived = dst.compute().await.unwrap().servers(&ServerFilter::default()).await.unwrap();
    let volumes = dst.block_storage().await.unwrap().volumes(&Filter::default()).await.unwrap();
    for server in servers {
        let name = server.params.name.as_deref().unwrap();
        let found = arrived
            .iter()
            .find(|candidate| candidate.name == name)
            .unwrap_or_else(|| panic!("{name} is gone"));
        assert_eq!(found.status, "ACTIVE", "{name}");
        let addresses: Vec<&str> =
            found.addresses.iter().flat_map(|(_, list)| list).map(|address| address.addr.as_str()).collect();
        for port in &server.params.ports {
            for fixed in &port.params.fixed_ips_refs {
                let address = fixed.ip_address.as_deref().unwrap();
                assert!(addresses.contains(&address), "{name} lost {address}: {addresses:?}");
            }
        }
        for volume in &server.params.volumes {
            let id = volume.info.id.as_deref().unwrap();
            let copy = copy_of(&volumes, id);
            assert_eq!(copy.status, "in-use", "{name}: the copy of {id}");
            assert!(copy.is_attached_to(&found.id), "{name} has its copy of {id}");
            let source = stage.disk(Side::Source, id).unwrap();
            let copied = stage.disk(Side::Destination, &copy.id).unwrap();
            same_bytes(&source, &copied);
        }
    }
}

/// Every server has its volumes back, and no snapshot is left.
async fn the_source_is_whole(src: &Session, servers: &[Server]) {
    let storage = src.block_storage().await.unwrap();
    let volumes = storage.volumes(&Filter::default()).await.unwrap();
    for server in servers {
        let id = server.info.id.as_deref().unwrap();
        for volume in &server.params.volumes {
            let volume_id = volume.info.id.as_deref().unwrap();
            let volume =
                volumes.iter().find(|candidate| candidate.id == volume_id).expect("a source volume is kept");
            assert!(volume.is_attached_to(id), "source volume {volume_id} is back at its server");
        }
    }
    assert!(storage.snapshots(&Filter::default()).await.unwrap().is_empty(), "no snapshot is left");
}

fn copy_of<'a>(volumes: &'a [Volume], source: &str) -> &'a Volume {
    let mut copies = volumes
        .iter()
        .filter(|volume| volume.metadata.get("osm_source_volume").is_some_and(|id| id == source));
    let copy = copies.next().unwrap_or_else(|| panic!("there is no copy of {source}"));
    assert_eq!(copies.next().map(|second| &second.id), None, "{source} was copied once");
    assert_eq!(copy.metadata.get("osm_state").map(String::as_str), Some("complete"));
    copy
}

/// Compares two disks byte by byte, without our own code between.
fn same_bytes(source: &Path, copy: &Path) {
    const STEP: usize = 4 << 20;
    let (a, b) = (File::open(source).unwrap(), File::open(copy).unwrap());
    let size = a.metadata().unwrap().len();
    assert!(b.metadata().unwrap().len() >= size, "{} is shorter than {}", copy.display(), source.display());
    let (mut left, mut right) = (vec![0; STEP], vec![0; STEP]);
    let mut any_data = false;
    for offset in (0..size).step_by(STEP) {
        let len = STEP.min(usize::try_from(size - offset).unwrap());
        a.read_exact_at(&mut left[..len], offset).unwrap();
        b.read_exact_at(&mut right[..len], offset).unwrap();
        assert!(
            left[..len] == right[..len],
            "{} differs from {} after byte {offset}",
            copy.display(),
            source.display()
        );
        any_data |= left[..len].iter().any(|byte| *byte != 0);
    }
    assert!(any_data, "{} is empty: it shows nothing", source.display());
}

fn exported_servers(data_dir: &Path) -> Vec<Server> {
    let text = std::fs::read_to_string(data_dir.join("workloads.yml")).unwrap();
    let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
    let servers: Vec<Server> = file
        .resources
        .into_iter()
        .filter_map(|resource| match resource {
            Resource::Server(server) => Some(server),
            _ => None,
        })
        .collect();
    assert!(servers.iter().any(|server| !server.params.volumes.is_empty()), "the tenant has volumes");
    servers
}

async fn session(stage: &Stage, cloud: &str) -> Session {
    let config = CloudConfig::load(Some(cloud), &ConfigSources::file(&stage.clouds)).unwrap();
    Session::connect(config).await.unwrap()
}

async fn volume_ids(cloud: &Session) -> Vec<String> {
    let volumes = cloud.block_storage().await.unwrap().volumes(&Filter::default()).await.unwrap();
    let mut ids: Vec<String> = volumes.into_iter().map(|volume| volume.id).collect();
    ids.sort();
    ids
}

async fn counts(cloud: &Session) -> BTreeMap<&'static str, usize> {
    let servers = cloud.compute().await.unwrap().servers(&ServerFilter::default()).await.unwrap();
    let volumes = cloud.block_storage().await.unwrap().volumes(&Filter::default()).await.unwrap();
    BTreeMap::from([("servers", servers.len()), ("volumes", volumes.len())])
}

fn changes(run: &Run) -> (u64, u64) {
    let count = |key: &str| run.summary()[key].as_u64().unwrap();
    (count("created"), count("updated"))
}
