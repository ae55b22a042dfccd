//! References that point at nothing, at several things, at somebody else's.

use osm_model::Reference;
use osm_openstack::ErrorKind;
use osm_openstack::import::Outcome;
use serde_json::json;

use crate::fake::Fake;
use crate::support::Cloud;
use crate::topology::{imported, refused, subnet};

#[tokio::test]
async fn nothing_and_several_are_errors_that_name_place_and_fix() {
    let fake = Fake::default();
    fake.put("networks", json!({"name": "shared", "project_id": "one"}));
    fake.put("networks", json!({"name": "shared", "project_id": "two"}));
    let cloud = Cloud::answering(fake).await;
    let (kind, message) = refused(&cloud, &subnet("s", "absent", "10.0.0.0/24", |_| {})).await;
    assert_eq!(kind, ErrorKind::NotFound);
    for part in
        ["subnet `s`", "params.network_ref", "network `absent`", "own project", "cloud `dst`", "has none"]
    {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    let anybodys =
        subnet("s", "", "10.0.0.0/24", |params| params.network_ref = Some(Reference::named("shared")));
    let (kind, message) = refused(&cloud, &anybodys).await;
    assert_eq!(kind, ErrorKind::Conflict);
    for part in ["subnet `s`", "params.network_ref", "`shared`", "has 2", "project_name"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn an_unknown_project_or_domain_is_named() {
    let fake = Fake::default();
    fake.put("networks", json!({"name": "n", "project_id": "one"}));
    fake.put("domains", json!({"name": "Known"}));
    let cloud = Cloud::answering(fake).await;
    let of = |project: &str, domain: &str| {
        let reference = Reference::owned("n", project, domain);
        subnet("s", "", "10.0.0.0/24", |params| params.network_ref = Some(reference))
    };
    let (kind, message) = refused(&cloud, &of("p", "Unknown")).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(message.contains("domain `Unknown`") && message.contains("params.network_ref"), "{message}");
    let (kind, message) = refused(&cloud, &of("p", "Known")).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(message.contains("project `p`"), "{message}");
}

#[tokio::test]
async fn the_domain_narrows_and_a_forbidden_owner_does_not_hinder() {
    let fake = Fake::default();
    let (here, there) =
        (fake.put("domains", json!({"name": "Here"})), fake.put("domains", json!({"name": "There"})));
    let project = fake.put("projects", json!({"name": "p", "domain_id": here}));
    let other = fake.put("projects", json!({"name": "p", "domain_id": there}));
    let net = fake.put("networks", json!({"name": "n", "project_id": project}));
    fake.put("networks", json!({"name": "n", "project_id": other}));
    fake.put("networks", json!({"name": "only", "project_id": other}));
    let cloud = Cloud::answering(fake.clone()).await;
    let of = |name: &str, net: &str, domain: &str| {
        let reference = Reference::owned(net, "p", domain);
        subnet(name, "", "10.0.0.0/24", |params| params.network_ref = Some(reference))
    };
    assert_eq!(imported(&cloud, &of("s", "n", "Here")).await.outcome, Outcome::Created);
    assert_eq!(fake.named("subnets", "s")["network_id"], json!(net));
    // A tenant may not list domains or projects: then the name alone has to do.
    fake.refuse("GET", "/domains", 403);
    fake.refuse("GET", "/projects", 403);
    assert_eq!(imported(&cloud, &of("t", "only", "There")).await.outcome, Outcome::Created);
}
