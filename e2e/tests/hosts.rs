//! The conversion hosts of the real clouds, which `osm-cli hosts deploy` has made: they answer, they reach each other,
//! and nothing of them is left. On the lab, which cannot be logged in to, `osm-cli/tests/hosts.rs` does the same.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use osm_e2e::arrival::session;
use osm_e2e::{Run, Stage};
use osm_openstack::Session;
use osm_openstack::compute::ServerFilter;
use osm_openstack::network::{FloatingIp, NetworkObject, Object, Router, SecurityGroup, Subnet};

/// What the names of everything begin with that belongs to conversion hosts.
const NAME: &str = "os_migrate_conv";

#[tokio::test(flavor = "multi_thread")]
async fn conversion_hosts_come_and_go_without_a_trace() {
    let stage = Stage::set().unwrap();
    if !stage.is_real() {
        eprintln!("skipped: the lab's servers cannot be logged in to");
        return;
    }
    let data = std::env::var("OSM_E2E_DIR").unwrap() + "/hosts";
    let hosts = |verb: &str, more: &[&str]| {
        let usual = ["hosts", verb, "--data-dir", &data, "--src", "src", "--dst", "dst"];
        let which = ["--src-host", &stage.src_host, "--dst-host", &stage.dst_host];
        Run::of(&stage.clouds, &[&usual, &which[..], more].concat()).unwrap().expect_code(0)
    };
    let checked = hosts("check", &[]);
    let linked = checked.named("hosts_linked").next().expect("it is told how they reach each other");
    assert_eq!(linked["direct"], true, "{:#?}", checked.events);

    let writes = stage.writes().unwrap();
    let again = hosts("deploy", &["--flavor", "m1.conv", "--external-network", "public"]);
    let changed: Vec<_> = again.named("host_part").filter(|part| part["outcome"] != "unchanged").collect();
    assert!(changed.is_empty(), "{changed:#?}");
    assert_eq!(stage.writes().unwrap(), writes, "{:#?}", again.events);

    let sides = [session(&stage, "src").await, session(&stage, "dst").await];
    let mut ips = Vec::new();
    for side in &sides {
        assert_eq!(left(side).await.len(), 6, "{:?}", left(side).await);
        ips.push(side.network().await.unwrap().list_own::<FloatingIp>().await.unwrap().len());
    }
    hosts("delete", &[]);
    for (side, ips) in sides.iter().zip(ips) {
        assert_eq!(left(side).await, Vec::<String>::new());
        let now = side.network().await.unwrap().list_own::<FloatingIp>().await.unwrap().len();
        assert_eq!(now, ips - 1, "its floating IP is gone, and no other");
    }
}

/// What there is of conversion hosts: server, keypair, group, router, subnet, network.
async fn left(side: &Session) -> Vec<String> {
    let (compute, network) = (side.compute().await.unwrap(), side.network().await.unwrap());
    let mut names: Vec<String> = Vec::new();
    let servers = compute.servers(&ServerFilter::default()).await.unwrap();
    names.extend(servers.into_iter().map(|server| format!("server {}", server.name)));
    let keypairs = compute.keypairs(None).await.unwrap();
    names.extend(keypairs.into_iter().map(|keypair| format!("keypair {}", keypair.name)));
    fn named<T: Object>(found: Vec<T>) -> impl Iterator<Item = String> {
        found.into_iter().filter_map(|it| Some(format!("{} {}", T::SINGULAR, it.name()?)))
    }
    names.extend(named(network.list_own::<SecurityGroup>().await.unwrap()));
    names.extend(named(network.list_own::<Router>().await.unwrap()));
    names.extend(named(network.list_own::<Subnet>().await.unwrap()));
    names.extend(named(network.list_own::<NetworkObject>().await.unwrap()));
    names.retain(|name| name.contains(NAME));
    names
}
