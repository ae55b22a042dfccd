//! What is particular to a server's ports and has no place in the resource files.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use osm_openstack::network::{AddressPair, Port, PortBody};
use stage::{Stage, success};

async fn port(stage: &Stage, cloud: &str) -> Port {
    let server = stage.server(cloud, "small").await.unwrap().id;
    let neutron = stage.session(cloud).await.network().await.unwrap();
    neutron.list::<Port>(&[("device_id", &server)]).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn address_pairs_and_port_security_arrive_whoever_makes_the_ports() {
    for mode in ["nova", "neutron"] {
        let stage = Stage::small();
        let source = port(&stage, "src").await;
        let pair = AddressPair { ip_address: "10.99.0.9".to_owned(), mac_address: None };
        let body = PortBody {
            allowed_address_pairs: Some(vec![pair]),
            port_security_enabled: Some(false),
            security_groups: Some(Vec::new()),
            ..PortBody::default()
        };
        let neutron = stage.session("src").await.network().await.unwrap();
        neutron.update::<Port>(&source.id, &body).await.unwrap();
        let data = stage.data_dir();
        let export = ["export", "workloads", "--name", "small", "--src", "src", "--data-dir"];
        success(&stage.osm(&export).arg(&data).output().unwrap());
        let supplement = std::fs::read_to_string(data.join("supplement.yaml")).unwrap();
        assert!(supplement.contains(&source.id) && supplement.contains("10.99.0.9"), "{supplement}");
        stage.edit("small", "port_creation_mode: nova", &format!("port_creation_mode: {mode}"));
        success(&stage.migrate().output().unwrap());
        let there = port(&stage, "dst").await;
        let pairs: Vec<&str> = there.allowed_address_pairs.iter().map(|it| it.ip_address.as_str()).collect();
        assert_eq!(pairs, ["10.99.0.9"], "{mode}");
        assert_eq!((there.port_security_enabled, there.security_groups.len()), (Some(false), 0), "{mode}");
        let again = success(&stage.migrate().output().unwrap());
        assert_eq!(again.last().unwrap()["unchanged"], 1);
    }
}
