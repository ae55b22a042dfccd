//! Networks, subnets, routers, keypairs, flavors: what differs is changed, or is a conflict.

use osm_model::{Addition, AllocationPool, Reference, Resource};
use osm_openstack::ErrorKind;
use osm_openstack::import::{ImportOptions, Imported, Importer, Outcome, import};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::support::Cloud;

pub(crate) fn network(name: &str, change: impl FnOnce(&mut osm_model::NetworkParams)) -> Resource {
    let mut network = osm_model::Network::default();
    network.params.name = Some(name.to_owned());
    change(&mut network.params);
    Resource::Network(network)
}

pub(crate) fn subnet(
    name: &str,
    of: &str,
    cidr: &str,
    change: impl FnOnce(&mut osm_model::SubnetParams),
) -> Resource {
    let mut subnet = osm_model::Subnet::default();
    subnet.params.name = Some(name.to_owned());
    subnet.params.cidr = Some(cidr.to_owned());
    subnet.params.ip_version = Some(if cidr.contains(':') { 6 } else { 4 });
    subnet.params.network_ref = Some(Reference::auth(of));
    change(&mut subnet.params);
    Resource::Subnet(subnet)
}

pub(crate) async fn imported(cloud: &Cloud, resource: &Resource) -> Imported {
    import(&cloud.session, resource, &ImportOptions::default()).await.unwrap()
}

pub(crate) async fn refused(cloud: &Cloud, resource: &Resource) -> (ErrorKind, String) {
    let error = import(&cloud.session, resource, &ImportOptions::default()).await.unwrap_err();
    (error.kind(), error.to_string())
}

fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[tokio::test]
async fn only_what_differs_is_sent() {
    let fake = Fake::default();
    let id = fake.put(
        "networks",
        json!({"name": "a", "mtu": 1450, "description": "old", "tags": ["x"], "shared": false}),
    );
    let cloud = Cloud::answering(fake.clone()).await;
    let wanted = network("a", |params| {
        params.description = Some("new".to_owned());
        params.mtu = Some(1450);
        params.is_shared = Some(false);
        params.tags = vec!["X".to_owned()];
    });
    let done = imported(&cloud, &wanted).await;
    assert_eq!((done.outcome, &done.id), (Outcome::Updated, &id));
    let body = json!({"network": {"description": "new"}});
    assert_eq!(cloud.writes().await, [format!("PUT /network/v2.0/networks/{id} {body}")]);
}

#[tokio::test]
async fn tags_follow_the_file() {
    let fake = Fake::default();
    let cloud = Cloud::answering(fake.clone()).await;
    let tagged = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        network("a", |params| params.tags = tags)
    };
    assert_eq!(imported(&cloud, &tagged(&["b", "a"])).await.outcome, Outcome::Created);
    assert_eq!(fake.named("networks", "a")["tags"], json!(["a", "b"]));
    assert_eq!(imported(&cloud, &tagged(&["a", "b"])).await.outcome, Outcome::Unchanged);
    assert_eq!(imported(&cloud, &tagged(&["a"])).await.outcome, Outcome::Updated);
    assert_eq!(fake.named("networks", "a")["tags"], json!(["a"]));
}

#[tokio::test]
async fn what_cannot_be_changed_is_a_conflict_that_names_it() {
    let fake = Fake::default();
    let net = fake.put("networks", json!({"name": "a", "provider:network_type": "vxlan"}));
    fake.put("subnets", json!({"name": "s", "network_id": net, "cidr": "10.0.0.0/24", "ip_version": 4}));
    let cloud = Cloud::answering(fake).await;
    let (kind, message) = refused(&cloud, &subnet("s", "a", "10.1.0.0/24", |_| {})).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert_names(&message, &["subnet `s`", "cloud `dst`", "cidr", "`10.0.0.0/24`", "`10.1.0.0/24`"]);
    let provider = network("a", |params| params.provider_network_type = Some("vlan".to_owned()));
    let (kind, message) = refused(&cloud, &provider).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert_names(&message, &["network `a`", "provider:network_type", "`vxlan`", "`vlan`"]);
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn two_objects_of_one_name_are_a_conflict() {
    let fake = Fake::default();
    let ids = [fake.put("networks", json!({"name": "a"})), fake.put("networks", json!({"name": "a"}))];
    let cloud = Cloud::answering(fake).await;
    let (kind, message) = refused(&cloud, &network("a", |_| {})).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert_names(&message, &["network `a`", "2 times", &ids[0], &ids[1], "rename"]);
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn a_network_of_another_project_is_not_taken_for_ours() {
    let fake = Fake::default();
    fake.put("networks", json!({"name": "a", "project_id": "somebody", "shared": true}));
    let cloud = Cloud::answering(fake).await;
    assert_eq!(imported(&cloud, &network("a", |_| {})).await.outcome, Outcome::Created);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_network() {
    let fake = Fake::default();
    let cloud = Cloud::answering(fake.clone()).await;
    fake.lose_answer("POST", "/networks");
    assert_eq!(imported(&cloud, &network("a", |_| {})).await.outcome, Outcome::Created);
    fake.named("networks", "a");
}

#[tokio::test]
async fn no_gateway_is_said_so() {
    let fake = Fake::default();
    fake.put("networks", json!({"name": "a"}));
    let cloud = Cloud::answering(fake.clone()).await;
    imported(&cloud, &subnet("s", "a", "10.0.0.0/24", |_| {})).await;
    let body: Value =
        serde_json::from_str(cloud.writes().await[0].split_once(' ').unwrap().1.split_once(' ').unwrap().1)
            .unwrap();
    assert_eq!(body["subnet"].get("gateway_ip"), Some(&Value::Null));
}

#[tokio::test]
async fn a_gateway_is_taken_away_and_an_empty_text_clears() {
    let fake = Fake::default();
    let net = fake.put("networks", json!({"name": "a"}));
    fake.put(
        "subnets",
        json!({"name": "s", "network_id": net, "cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": "10.0.0.1",
            "description": "old", "dns_nameservers": ["1.1.1.1"]}),
    );
    let cloud = Cloud::answering(fake.clone()).await;
    let wanted = subnet("s", "a", "10.0.0.0/24", |params| params.description = Some(String::new()));
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Updated);
    let there = fake.named("subnets", "s");
    assert_eq!((&there["gateway_ip"], &there["description"]), (&Value::Null, &json!("")));
    assert_eq!(there["dns_nameservers"], json!([]));
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn pools_in_another_order_and_spelling_are_equal() {
    let fake = Fake::default();
    let net = fake.put("networks", json!({"name": "a"}));
    fake.put(
        "subnets",
        json!({"name": "s", "network_id": net, "cidr": "fd00::/64", "ip_version": 6, "gateway_ip": "fd00::1",
            "allocation_pools": [{"start": "fd00::2", "end": "fd00::f"}, {"start": "fd00::20", "end": "fd00::2f"}]}),
    );
    let cloud = Cloud::answering(fake).await;
    let pool = |start: &str, end: &str| AllocationPool {
        start: Some(start.to_owned()),
        end: Some(end.to_owned()),
        ..AllocationPool::default()
    };
    let wanted = subnet("s", "a", "FD00:0::/64", |params| {
        params.gateway_ip = Some("fd00:0:0::1".to_owned());
        params.allocation_pools = vec![pool("fd00::20", "fd00::2f"), pool("fd00:0::2", "fd00::f")];
    });
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn name_servers_keep_their_order() {
    let fake = Fake::default();
    fake.put("networks", json!({"name": "a"}));
    let cloud = Cloud::answering(fake.clone()).await;
    let asking = |servers: [&str; 2]| {
        subnet("s", "a", "10.0.0.0/24", |params| params.dns_nameservers = servers.map(str::to_owned).to_vec())
    };
    imported(&cloud, &asking(["9.9.9.9", "1.1.1.1"])).await;
    assert_eq!(fake.named("subnets", "s")["dns_nameservers"], json!(["9.9.9.9", "1.1.1.1"]));
    assert_eq!(imported(&cloud, &asking(["1.1.1.1", "9.9.9.9"])).await.outcome, Outcome::Updated);
}

#[tokio::test]
async fn name_servers_get_the_sources_order_back_unless_they_were_edited() {
    let fake = Fake::default();
    fake.put("networks", json!({"name": "a"}));
    let cloud = Cloud::answering(fake.clone()).await;
    let mut options = ImportOptions::default();
    let in_order = Some(["9.9.9.9", "1.1.1.1"].map(str::to_owned).to_vec());
    options.supplement.set("id1", Addition { dns_nameservers: in_order, ..Addition::default() });
    let of_source = |servers: &[&str]| {
        let mut wanted = subnet("s", "a", "10.0.0.0/24", |params| {
            params.dns_nameservers = servers.iter().map(|it| (*it).to_owned()).collect();
        });
        let Resource::Subnet(it) = &mut wanted else { unreachable!() };
        it.info.id = Some("id1".to_owned());
        wanted
    };
    let sorted = of_source(&["1.1.1.1", "9.9.9.9"]);
    for outcome in [Outcome::Created, Outcome::Unchanged] {
        assert_eq!(import(&cloud.session, &sorted, &options).await.unwrap().outcome, outcome);
        assert_eq!(fake.named("subnets", "s")["dns_nameservers"], json!(["9.9.9.9", "1.1.1.1"]));
    }
    let edited = of_source(&["8.8.8.8"]);
    assert_eq!(import(&cloud.session, &edited, &options).await.unwrap().outcome, Outcome::Updated);
    assert_eq!(fake.named("subnets", "s")["dns_nameservers"], json!(["8.8.8.8"]));
}

#[tokio::test]
async fn a_routers_gateway_is_sent_only_when_it_is_another_network() {
    let fake = Fake::default().with_public_network();
    let cloud = Cloud::answering(fake.clone()).await;
    let mut router = osm_model::Router::default();
    router.params.name = Some("r".to_owned());
    let gateway = Some(Reference::named("public"));
    router.params.external_gateway_refinfo =
        Some(osm_model::ExternalGateway { network_ref: gateway, ..Default::default() });
    imported(&cloud, &Resource::Router(router.clone())).await;
    router.params.description = Some("changed".to_owned());
    assert_eq!(imported(&cloud, &Resource::Router(router)).await.outcome, Outcome::Updated);
    let writes = cloud.writes().await;
    assert!(writes[0].contains("external_gateway_info"), "{writes:?}");
    assert!(!writes[1].contains("external_gateway_info"), "{writes:?}");
}

#[tokio::test]
async fn static_routes_are_added_once_and_others_stay() {
    let fake = Fake::default();
    fake.put(
        "routers",
        json!({"name": "r", "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}),
    );
    let cloud = Cloud::answering(fake.clone()).await;
    let importer = Importer::new(&cloud.session, &ImportOptions::default());
    let mut router = osm_model::Router::default();
    router.params.name = Some("r".to_owned());
    assert_eq!(importer.static_routes(&router).await.unwrap(), None);
    router.info.routes = Some(vec![json!({"destination": "10.8.0.0/16", "nexthop": "10.0.0.8"})]);
    for outcome in [Outcome::Updated, Outcome::Unchanged] {
        assert_eq!(importer.static_routes(&router).await.unwrap().unwrap().outcome, outcome);
    }
    let routes = fake.named("routers", "r")["routes"].clone();
    assert_eq!(routes.as_array().unwrap().len(), 2, "{routes}");
    assert_eq!(cloud.writes().await.len(), 1);
}

#[tokio::test]
async fn snat_that_is_off_stays_off_where_one_may_say_so() {
    let fake = Fake::default().with_public_network();
    let cloud = Cloud::answering(fake.clone()).await;
    let mut router = osm_model::Router::default();
    router.params.name = Some("r".to_owned());
    let gateway = Some(Reference::named("public"));
    router.params.external_gateway_refinfo =
        Some(osm_model::ExternalGateway { network_ref: gateway, ..Default::default() });
    router.info.external_gateway_info = Some(json!({"enable_snat": false}));
    let wanted = Resource::Router(router);
    // By default only administrators may.
    fake.refuse("POST", "/routers", 403);
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Created);
    fake.world().objects.get_mut("routers").unwrap()[0]["external_gateway_info"]["enable_snat"] = json!(true);
    fake.refuse("PUT", "4000-8000-000000000002", 403);
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Updated);
    assert_eq!(fake.named("routers", "r")["external_gateway_info"]["enable_snat"], false);
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_keypair_of_another_key_is_a_conflict_and_its_comment_is_not() {
    let fake = Fake::default();
    fake.put("keypairs", json!({"name": "k", "public_key": "ssh-ed25519 AAAA me@here", "type": "ssh"}));
    let cloud = Cloud::answering(fake).await;
    let keypair = |key: &str| {
        let mut keypair = osm_model::Keypair::default();
        keypair.params.name = Some("k".to_owned());
        keypair.params.public_key = Some(key.to_owned());
        keypair.params.user_ref = Some(Reference::auth_user());
        Resource::Keypair(keypair)
    };
    assert_eq!(imported(&cloud, &keypair("ssh-ed25519 AAAA me@there")).await.outcome, Outcome::Unchanged);
    let (kind, message) = refused(&cloud, &keypair("ssh-ed25519 BBBB me@here")).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert_names(&message, &["keypair `k`", "fingerprint of public_key", "`69:3e:9a:f8:", "`ed:70:88:f5:"]);
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn several_imports_may_run_at_once() {
    let fake = Fake::default();
    let cloud = Cloud::answering(fake.clone()).await;
    let importer = Importer::new(&cloud.session, &ImportOptions::default());
    let networks: Vec<Resource> = (0..20).map(|index| network(&format!("n{index}"), |_| {})).collect();
    let all = futures_util::future::try_join_all(networks.iter().map(|network| importer.import(network)));
    assert!(all.await.unwrap().iter().all(|done| done.outcome == Outcome::Created));
    assert_eq!(fake.all("networks").len(), 20);
}
