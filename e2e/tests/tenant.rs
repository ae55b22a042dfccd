//! A tenant moves from one cloud to the other, disks included: on the lab, or on the real clouds
//! that the environment describes (`e2e/openstack/README.md`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use osm_e2e::arrival::{everything_arrived, exported_servers, session, the_source_is_whole};
use osm_e2e::{Run, Stage};
use osm_openstack::Session;
use osm_openstack::block_storage::Filter;
use osm_openstack::compute::ServerFilter;

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
