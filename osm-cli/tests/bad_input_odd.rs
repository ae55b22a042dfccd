//! What is odd in a source: names, twins, images that have lost their data.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use std::fs;

use osm_lab::{Fault, FaultKind, Service};
use osm_openstack::image::CreateImage;
use osm_openstack::network::{NetworkBody, NetworkObject, SecurityGroup, SecurityGroupBody};
use osm_openstack::{CloudConfig, ConfigSources, Session};

use crate::bad_input::{Bench, files, only_read};

const NAMES: [&str; 10] =
    ["yes", "1e3", "12:34:56", "trailing ", "it's \"quoted\"", "a: b #c", "☃ détaché", "🚀", "%auth%", "a/b"];

async fn session(bench: &Bench, cloud: &str) -> Session {
    let sources = ConfigSources::file(bench.path("clouds.yaml"));
    Session::connect(CloudConfig::load(Some(cloud), &sources).unwrap()).await.unwrap()
}

async fn network(session: &Session, name: &str) -> String {
    let body = NetworkBody { name: Some(name.to_owned()), ..NetworkBody::default() };
    session.network().await.unwrap().create::<NetworkObject>(&body).await.unwrap().id
}

async fn names(session: &Session) -> Vec<String> {
    let neutron = session.network().await.unwrap();
    let networks: Vec<NetworkObject> = neutron.list_own().await.unwrap();
    let groups: Vec<SecurityGroup> = neutron.list_own().await.unwrap();
    let mut names: Vec<String> = networks.into_iter().map(|network| network.name).collect();
    names.extend(groups.into_iter().map(|group| group.name));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_go_through_files_and_clouds_and_can_be_asked_for() {
    let bench = Bench::empty();
    let source = session(&bench, "src").await;
    for name in NAMES {
        network(&source, name).await;
        let body = SecurityGroupBody { name: Some(name.to_owned()), ..SecurityGroupBody::default() };
        source.network().await.unwrap().create::<SecurityGroup>(&body).await.unwrap();
    }
    let kinds = ["networks", "security_groups", "security_group_rules"];
    bench.export(&kinds).code(0);
    bench.import(&kinds).code(0);
    assert_eq!(names(&session(&bench, "dst").await).await, names(&source).await);
    let again = bench.import(&kinds).code(0);
    assert_eq!(again.out.lines().last(), Some("45 unchanged"), "{}", again.out);
    for name in NAMES {
        let said = bench.export(&["networks", "--name", name]).code(0);
        said.one_line(&["1 unchanged"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_of_the_source_are_both_exported_and_not_imported_as_one() {
    let bench = Bench::empty();
    let source = session(&bench, "src").await;
    let (one, other) = (network(&source, "twin").await, network(&source, "twin").await);
    bench.export(&["networks"]).code(0).one_line(&["2 written"]);
    bench.lab.dst().clear_requests();
    let said = bench.import(&["networks"]).code(2);
    for part in ["duplicate resource", "twin", "rename one of them", "networks.yml"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    only_read(bench.lab.dst());
    // Renamed in the file, both arrive.
    let path = bench.data().join("networks.yml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("name: twin", "name: twin-2", 1)).unwrap();
    bench.import(&["networks"]).code(0).one_line(&["2 created"]);
    assert!(text.contains(&one) && text.contains(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_lost_its_data_fails_alone() {
    let bench = Bench::empty();
    let glance = session(&bench, "src").await.image().await.unwrap();
    for name in ["lost", "whole"] {
        let image = CreateImage {
            name: name.to_owned(),
            disk_format: Some("raw".to_owned()),
            container_format: Some("bare".to_owned()),
            ..CreateImage::default()
        };
        let id = glance.create(&image).await.unwrap().id;
        let data = bench.path(name);
        fs::write(&data, name).unwrap();
        glance.upload_from(&id, &data, None, std::time::Duration::from_secs(10)).await.unwrap();
        if name == "lost" {
            let lost = Fault::new(Service::Glance, FaultKind::Status(404, None)).method("GET");
            bench.lab.src().fault(lost.path(&format!("{id}/file")).times(9));
        }
    }
    let said = bench.export(&["images"]).code(1);
    said.one_line(&["! images lost: ", "has lost the data of image `lost`", "delete the image there"]);
    said.one_line(&["images whole: written"]);
    let text = fs::read_to_string(bench.data().join("images.yml")).unwrap();
    assert!(text.contains("name: lost") && text.contains("name: whole"));
    let blobs = files(&bench.data().join("image_blobs"));
    assert_eq!(blobs.len(), 1, "{blobs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn image_data_that_breaks_off_is_continued_by_the_next_export() {
    const MIB: usize = 1 << 20;
    let bench = Bench::small();
    let glance = session(&bench, "src").await.image().await.unwrap();
    let image = CreateImage {
        name: "large".to_owned(),
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        ..CreateImage::default()
    };
    let id = glance.create(&image).await.unwrap().id;
    let bytes: Vec<u8> = (0..5 * MIB).map(|at| (at / 7 % 251) as u8).collect();
    fs::write(bench.path("large"), &bytes).unwrap();
    glance.upload_from(&id, &bench.path("large"), None, std::time::Duration::from_secs(10)).await.unwrap();
    let file = format!("{id}/file");
    for (attempt, came) in [(0, 2 * MIB), (1, MIB)] {
        let fault = Fault::new(Service::Glance, FaultKind::CutBody(came)).method("GET");
        bench.lab.src().fault(fault.path(&file).skip(attempt));
    }
    let refused = Fault::new(Service::Glance, FaultKind::Status(403, None)).method("GET");
    bench.lab.src().fault(refused.path(&file).skip(2));
    bench.export(&["images", "--name", "large"]).code(1);
    let blobs = bench.data().join("image_blobs");
    let part = blobs.join(format!("{id}-large.part"));
    // Of what was sent before the connection broke, the end may be lost.
    let came = fs::read(&part).unwrap();
    assert!(!came.is_empty() && bytes.starts_with(&came), "{} bytes", came.len());
    bench.export(&["images", "--name", "large"]).code(0);
    assert!(fs::read(blobs.join(format!("{id}-large"))).unwrap() == bytes);
    assert!(!part.exists());
}
