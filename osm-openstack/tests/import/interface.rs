//! Router interfaces.

use osm_model::{FixedIp, Reference, Resource};
use osm_openstack::ErrorKind;
use osm_openstack::import::{ImportOptions, Outcome, import};
use serde_json::json;

use crate::fake::Fake;
use crate::support::Cloud;
use crate::topology::{imported, refused};

/// A router, and a network with an IPv4 and a slaac subnet.
fn world() -> Fake {
    let fake = Fake::default();
    fake.put("routers", json!({"name": "r"}));
    let net = fake.put("networks", json!({"name": "n"}));
    fake.put(
        "subnets",
        json!({"name": "four", "network_id": net, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1"}),
    );
    fake.put(
        "subnets",
        json!({"name": "six", "network_id": net, "cidr": "fd00::/64", "gateway_ip": "fd00::", "ipv6_address_mode": "slaac"}),
    );
    fake
}

fn interface(addresses: &[(&str, &str)]) -> Resource {
    let fixed = |(subnet, ip): &(&str, &str)| FixedIp {
        ip_address: Some((*ip).to_owned()),
        subnet_ref: Some(Reference::auth(*subnet)),
        ..FixedIp::default()
    };
    let mut interface = osm_model::RouterInterface::default();
    interface.params.device_ref = Some(Reference::auth("r"));
    interface.params.network_ref = Some(Reference::auth("n"));
    interface.params.fixed_ips_refs = addresses.iter().map(fixed).collect();
    interface.info.id = Some("source".to_owned());
    Resource::RouterInterface(interface)
}

fn connected(fake: &Fake) -> Vec<Vec<String>> {
    let router = fake.named("routers", "r")["id"].clone();
    let ports = fake.all("ports");
    let own = ports.iter().filter(|port| port["device_id"] == router);
    let ips = |port: &serde_json::Value| {
        let fixed = port["fixed_ips"].as_array().unwrap().iter();
        fixed.map(|fixed| fixed["ip_address"].as_str().unwrap().to_owned()).collect()
    };
    own.map(ips).collect()
}

/// Addresses in the file, addresses in the cloud.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[tokio::test]
async fn each_kind_of_interface_is_made_once() {
    let cases: [Case; 4] = [
        // The gateway of a subnet, whatever its addresses come from.
        (&[("four", "10.0.0.1")], &["10.0.0.1"]),
        (&[("six", "fd00:0::")], &["fd00::"]),
        // An address besides.
        (&[("four", "10.0.0.77")], &["10.0.0.77"]),
        // One that Neutron chooses: it cannot be the source's.
        (
            &[("four", "10.0.0.2"), ("six", "fd00::f816:3eff:fec6:1")],
            &["10.0.0.2", "fd00:10:1:0:f816:3eff:fe00:1"],
        ),
    ];
    for (addresses, expected) in cases {
        let fake = world();
        let cloud = Cloud::answering(fake.clone()).await;
        let wanted = interface(addresses);
        assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Created, "{addresses:?}");
        assert_eq!(connected(&fake), [expected], "{addresses:?}");
        let writes = cloud.writes().await.len();
        assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged, "{addresses:?}");
        assert_eq!(cloud.writes().await.len(), writes, "{addresses:?}");
    }
}

#[tokio::test]
async fn a_slaac_address_that_is_not_the_gateway_needs_a_port_and_gets_one() {
    let fake = world();
    let cloud = Cloud::answering(fake.clone()).await;
    let wanted = interface(&[("six", "fd00::f816:3eff:fec6:1")]);
    fake.lose_answer("POST", "/ports");
    let _ = import(&cloud.session, &wanted, &ImportOptions::default()).await;
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Created);
    assert_eq!(fake.all("ports").len(), 1, "the port made before is found by its name");
    assert_eq!(connected(&fake), [["fd00:10:1:0:f816:3eff:fe00:1"]]);
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_port_that_was_not_connected_is_taken_up() {
    let fake = world();
    let cloud = Cloud::answering(fake.clone()).await;
    let wanted = interface(&[("four", "10.0.0.77")]);
    fake.lose_answer("POST", "/ports");
    assert!(import(&cloud.session, &wanted, &ImportOptions::default()).await.is_err());
    assert_eq!(fake.all("ports").len(), 1);
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Created);
    assert_eq!(fake.all("ports").len(), 1);
    assert_eq!(connected(&fake), [["10.0.0.77"]]);
}

#[tokio::test]
async fn a_port_that_cannot_be_connected_is_not_left_behind() {
    let fake = world();
    let cloud = Cloud::answering(fake.clone()).await;
    fake.refuse("PUT", "/add_router_interface", 403);
    let (kind, _) = refused(&cloud, &interface(&[("four", "10.0.0.77")])).await;
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(fake.all("ports").is_empty());
}

#[tokio::test]
async fn an_interface_with_other_addresses_gets_only_its_addresses_changed() {
    let fake = world();
    let (router, net) = (fake.named("routers", "r")["id"].clone(), fake.named("networks", "n")["id"].clone());
    let four = fake.named("subnets", "four")["id"].clone();
    let port = fake.put(
        "ports",
        json!({"network_id": net, "device_id": router, "device_owner": "network:router_interface",
            "fixed_ips": [{"subnet_id": four, "ip_address": "10.0.0.1"}]}),
    );
    let cloud = Cloud::answering(fake.clone()).await;
    let both = interface(&[("four", "10.0.0.1"), ("four", "10.0.0.2")]);
    assert_eq!(imported(&cloud, &both).await.outcome, Outcome::Updated);
    let body = json!({"port": {"fixed_ips": [
        {"ip_address": "10.0.0.1", "subnet_id": four}, {"ip_address": "10.0.0.2", "subnet_id": four}]}});
    let write = cloud.writes().await.remove(0);
    let sent: serde_json::Value =
        serde_json::from_str(write.rsplit_once(&format!("{port} ")).unwrap().1).unwrap();
    assert_eq!(sent, body);
}

#[tokio::test]
async fn an_address_of_somebody_else_is_a_conflict() {
    let fake = world();
    let (net, four) =
        (fake.named("networks", "n")["id"].clone(), fake.named("subnets", "four")["id"].clone());
    let port = fake.put(
        "ports",
        json!({"network_id": net, "device_id": "vm", "device_owner": "compute:nova",
            "fixed_ips": [{"subnet_id": four, "ip_address": "10.0.0.1"}]}),
    );
    let cloud = Cloud::answering(fake).await;
    let (kind, message) = refused(&cloud, &interface(&[("four", "10.0.0.1")])).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(
        message.contains(&port) && message.contains("compute:nova") && message.contains("router `r`"),
        "{message}"
    );
    assert!(cloud.writes().await.is_empty());
}
