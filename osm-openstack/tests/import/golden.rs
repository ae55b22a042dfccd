//! A real tenant's files, imported into an empty project.

use std::collections::BTreeMap;

use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile};
use osm_openstack::import::{ImportOptions, Importer, Outcome};
use serde_json::Value;

use crate::fake::Fake;
use crate::support::Cloud;

const FILES: [&str; 8] = [
    include_str!("../golden/public/export/networks.yml"),
    include_str!("../golden/public/export/subnets.yml"),
    include_str!("../golden/public/export/security_groups.yml"),
    include_str!("../golden/public/export/security_group_rules.yml"),
    include_str!("../golden/public/export/routers.yml"),
    include_str!("../golden/public/export/router_interfaces.yml"),
    include_str!("../golden/public/export/keypairs.yml"),
    include_str!("../golden/public/export/flavors.yml"),
];

fn resources() -> Vec<Resource> {
    let parsed = FILES.iter().map(|text| ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap());
    parsed.flat_map(|file| file.resources).collect()
}

async fn import_all(cloud: &Cloud) -> Vec<(String, Outcome)> {
    let importer = Importer::new(&cloud.session, &ImportOptions::default());
    let mut outcomes = Vec::new();
    for resource in resources() {
        let named = format!("{} {:?}", resource.type_name(), resource.filter_name());
        match importer.import(&resource).await {
            Ok(imported) => outcomes.push((named, imported.outcome)),
            Err(error) => panic!("{named}: {error}"),
        }
    }
    outcomes
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_writes_nothing() {
    let fake = Fake::default().with_default_group().with_public_network();
    let cloud = Cloud::answering(fake.clone()).await;
    let first = import_all(&cloud).await;
    let unchanged = first.iter().filter(|(_, outcome)| *outcome == Outcome::Unchanged).count();
    // Of the default group's rules, those that the destination has by itself.
    assert_eq!(unchanged, 3, "{first:?}");
    let writes = cloud.writes().await.len();
    for (named, outcome) in import_all(&cloud).await {
        assert_eq!(outcome, Outcome::Unchanged, "{named}");
    }
    assert_eq!(cloud.writes().await.split_off(writes), Vec::<String>::new());
}

/// The bodies with which OS Migrate made the same objects, but for ids.
#[tokio::test]
async fn objects_are_made_with_the_bodies_of_os_migrate() {
    let fake = Fake::default().with_default_group().with_public_network();
    let cloud = Cloud::answering(fake).await;
    import_all(&cloud).await;
    let expected: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(include_str!("../golden/import_bodies.json")).unwrap();
    for (kind, key) in [("networks", "network"), ("subnets", "subnet"), ("routers", "router")] {
        let path = format!("POST /network/v2.0/{kind} ");
        let writes = cloud.writes().await;
        let bodies = writes.iter().filter_map(|write| write.strip_prefix(&path));
        let ours = bodies.map(|body| serde_json::from_str::<Value>(body).unwrap()[key].clone());
        assert_eq!(without_ids(ours), without_ids(expected[kind].iter().cloned()), "{kind}");
    }
}

/// By name, with ids of this cloud blotted out.
fn without_ids(bodies: impl Iterator<Item = Value>) -> BTreeMap<String, Value> {
    let blot = |mut body: Value| {
        for path in ["/network_id", "/external_gateway_info/network_id"] {
            if let Some(id) = body.pointer_mut(path) {
                *id = Value::Null;
            }
        }
        (body["name"].as_str().unwrap().to_owned(), body)
    };
    bodies.map(blot).collect()
}

#[tokio::test]
async fn an_exporter_finds_what_was_imported() {
    let fake = Fake::default().with_default_group().with_public_network();
    let cloud = Cloud::answering(fake).await;
    import_all(&cloud).await;
    let all = osm_model::NameFilter::all();
    for kind in [osm_model::Kind::Network, osm_model::Kind::Subnet, osm_model::Kind::SecurityGroupRule] {
        let exported = osm_openstack::export::export(&cloud.session, kind, &all).await.unwrap();
        // The default group keeps the rules it had, described as it pleases Neutron.
        let wanted =
            |resource: &&Resource| resource.kind() == Some(kind) && resource.filter_name() != Some("default");
        for resource in resources().iter().filter(wanted) {
            assert!(exported.iter().any(|other| other.same_params(resource)), "{:?}", resource.name());
        }
    }
}
