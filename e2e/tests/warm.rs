//! A tenant is seeded in three passes while one of its servers writes, and cut over; a detached volume follows
//! as an image. On the lab, or on the real clouds that the environment describes (`e2e/openstack/README.md`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use osm_e2e::arrival::{
    copy_of, everything_arrived, exported_servers, same_bytes, session, the_source_is_whole,
};
use osm_e2e::{Guest, Run, Side, Stage};
use osm_model::Server;
use osm_openstack::block_storage::{CreateVolume, Filter};

/// What belongs to conversion hosts stays where it is.
const NOT_OF_CONVERSION_HOSTS: &str = "^(?!os_migrate_conv)";

/// A volume that no server has.
const LEDGER: &str = "osm-e2e-ledger";

/// Two CPUs emulate all of it.
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_seeded_tenant_loses_nothing_and_volumes_travel_as_images() {
    let stage = Stage::set().unwrap();
    let data = stage.data_dir.to_str().unwrap();
    let osm = |arguments: &[&str]| Run::of(&stage.clouds, arguments).unwrap();
    let src = session(&stage, "src").await;
    let ledger = make_ledger(&stage, &src).await;
    osm(&["export", "--data-dir", data, "--src", "src", "--regex", NOT_OF_CONVERSION_HOSTS]).expect_code(0);
    osm(&["import", "--data-dir", data, "--dst", "dst"]).expect_code(0);
    let work = |verb: &str, more: &[&str]| {
        let mut words = vec![verb, "--data-dir", data, "--src", "src", "--dst", "dst"];
        words.extend(["--src-host", &stage.src_host, "--dst-host", &stage.dst_host]);
        words.extend(more);
        osm(&words)
    };

    let servers = exported_servers(&stage.data_dir);
    let (writer, disk) = writer(&servers);
    let guest = Guest::start(&stage, &writer, &disk).unwrap();
    let seeded = work("seed", &["--passes", "3"]).expect_code(0);
    let passes: Vec<_> = seeded.events.iter().filter(|event| event["event"] == "pass_done").collect();
    assert_eq!(passes.len(), 3 * servers.len(), "{passes:#?}");
    for pass in passes.iter().filter(|pass| pass["pass"] != 1) {
        eprintln!(
            "pass {}: {} of {} bytes in {} ms",
            pass["pass"], pass["copied"], pass["size"], pass["took_ms"]
        );
        assert!(pass["copied"].as_u64() < Some(pass["size"].as_u64().unwrap() / 4), "{pass}");
    }
    let seen = guest.last();
    assert!(seen > 0, "the guest writes");
    let there = session(&stage, "src").await.compute().await.unwrap().server(&writer).await.unwrap().unwrap();
    assert_eq!(there.status, "ACTIVE", "it was not stopped");

    let moved = work("cutover", &[]).expect_code(0);
    assert_eq!(moved.summary()["created"], servers.len(), "{:#?}", moved.events);
    let last = guest.last();
    assert!(last > seen, "it wrote until the cutover: {last} after {seen}");
    let dst = session(&stage, "dst").await;
    everything_arrived(&stage, &dst, &servers).await;
    the_source_is_whole(&src, &servers).await;
    let volumes = dst.block_storage().await.unwrap().volumes(&Filter::default()).await.unwrap();
    let copy = stage.disk(Side::Destination, &copy_of(&volumes, &disk).id).unwrap();
    let arrived = Guest::on_disk(&copy).unwrap();
    eprintln!("the guest told of {last}, {arrived} has arrived");
    assert!(arrived >= last, "{last} was written, {arrived} has arrived");
    drop(guest);

    let images = ["--detached-volumes", "--via", "images", LEDGER];
    let moved = work("migrate", &images).expect_code(0);
    assert_eq!(moved.summary()["created"], 1, "{:#?}", moved.events);
    let volumes = dst.block_storage().await.unwrap().volumes(&Filter::default()).await.unwrap();
    let copy = copy_of(&volumes, &ledger);
    same_bytes(
        &stage.disk(Side::Source, &ledger).unwrap(),
        &stage.disk(Side::Destination, &copy.id).unwrap(),
    );
    let again = work("migrate", &images).expect_code(0);
    assert_eq!(again.summary()["unchanged"], 1, "{:#?}", again.events);
    for cloud in [&src, &dst] {
        let images = cloud.image().await.unwrap().list(&Default::default()).await.unwrap();
        let left =
            images.iter().filter(|image| image.name.as_deref().unwrap_or("").starts_with("os-migrate-"));
        assert_eq!(left.count(), 0, "no image is left");
    }
}

/// The server that runs and has a data disk: its id, and the disk's.
fn writer(servers: &[Server]) -> (String, String) {
    let named = std::env::var("OSM_E2E_SERVER_ID").ok();
    let chosen = servers
        .iter()
        .filter(|server| named.as_deref().is_none_or(|id| server.info.id.as_deref() == Some(id)))
        .filter(|server| named.is_some() || server.info.status.as_deref() == Some("ACTIVE"))
        .find(|server| server.params.volumes.len() > 1)
        .expect("a running server has two disks");
    let data = std::env::var("OSM_E2E_DATA_VOLUME_ID").ok().or_else(|| {
        let second = chosen.params.volumes.iter().find(|volume| volume.info.is_bootable != Some(true));
        second.and_then(|volume| volume.info.id.clone())
    });
    (chosen.info.id.clone().unwrap(), data.expect("a data disk"))
}

/// A volume with the bytes of the tenant's image, attached to nothing.
async fn make_ledger(stage: &Stage, src: &osm_openstack::Session) -> String {
    let storage = src.block_storage().await.unwrap();
    let name = std::env::var("OSM_E2E_IMAGE").ok().filter(|_| stage.is_real());
    let name = name.unwrap_or_else(|| "debian-12".to_owned());
    let images = src.image().await.unwrap().list(&Default::default()).await.unwrap();
    let image = images.iter().find(|image| image.name.as_deref() == Some(&name)).expect("the tenant's image");
    let wish = CreateVolume {
        name: Some(LEDGER.to_owned()),
        size: 1,
        image_id: Some(image.id.clone()),
        metadata: BTreeMap::new(),
        ..CreateVolume::default()
    };
    let id = storage.create_volume(&wish).await.unwrap().id;
    storage.wait_volume(&id, &["available"], LIMIT).await.unwrap();
    id
}
