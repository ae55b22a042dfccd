//! What must be true after a move: every server is there with its addresses and the bytes of its disks, and the
//! source is whole.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "scenarios assert with it")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile, Server};
use osm_openstack::block_storage::{Filter, Volume};
use osm_openstack::compute::ServerFilter;
use osm_openstack::{CloudConfig, ConfigSources, Session};

use crate::{Side, Stage};

/// Every server is ACTIVE with its addresses, every volume has the bytes of its source.
///
/// # Panics
/// One is not.
pub async fn everything_arrived(stage: &Stage, dst: &Session, servers: &[Server]) {
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
///
/// # Panics
/// Something is missing or left over.
pub async fn the_source_is_whole(src: &Session, servers: &[Server]) {
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

/// The one copy of a source volume.
///
/// # Panics
/// There is none, or several, or it is not complete.
pub fn copy_of<'a>(volumes: &'a [Volume], source: &str) -> &'a Volume {
    let mut copies = volumes
        .iter()
        .filter(|volume| volume.metadata.get("osm_source_volume").is_some_and(|id| id == source));
    let copy = copies.next().unwrap_or_else(|| panic!("there is no copy of {source}"));
    assert_eq!(copies.next().map(|second| &second.id), None, "{source} was copied once");
    assert_eq!(copy.metadata.get("osm_state").map(String::as_str), Some("complete"));
    copy
}

/// Compares two disks byte by byte, without our own code between.
///
/// # Panics
/// They differ, or are empty.
pub fn same_bytes(source: &Path, copy: &Path) {
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

/// The servers of `workloads.yml`.
///
/// # Panics
/// It cannot be read, or none of them has a volume.
pub fn exported_servers(data_dir: &Path) -> Vec<Server> {
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

/// A session with one of the clouds.
///
/// # Panics
/// It does not let us in.
pub async fn session(stage: &Stage, cloud: &str) -> Session {
    let config = CloudConfig::load(Some(cloud), &ConfigSources::file(&stage.clouds)).unwrap();
    Session::connect(config).await.unwrap()
}
