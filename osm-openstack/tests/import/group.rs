//! Security groups and rules.

use osm_model::{Reference, Resource, SecurityGroupRuleParams};
use osm_openstack::ErrorKind;
use osm_openstack::import::{ImportOptions, Importer, Outcome, import};
use serde_json::json;

use crate::fake::Fake;
use crate::support::Cloud;
use crate::topology::{imported, refused};

fn group(name: &str, description: &str) -> Resource {
    let mut group = osm_model::SecurityGroup::default();
    group.params.name = Some(name.to_owned());
    group.params.description = Some(description.to_owned());
    Resource::SecurityGroup(group)
}

fn rule(of: &str, change: impl FnOnce(&mut SecurityGroupRuleParams)) -> Resource {
    let mut rule = osm_model::SecurityGroupRule::default();
    rule.params.direction = Some("egress".to_owned());
    rule.params.ether_type = Some("IPv4".to_owned());
    rule.params.security_group_ref = Some(Reference::auth(of));
    change(&mut rule.params);
    Resource::SecurityGroupRule(rule)
}

#[tokio::test]
async fn a_new_group_has_no_rules_but_the_imported() {
    let fake = Fake::default();
    let cloud = Cloud::answering(fake.clone()).await;
    assert_eq!(imported(&cloud, &group("web", "d")).await.outcome, Outcome::Created);
    assert_eq!(fake.named("security-groups", "web")["description"], "d");
    assert!(fake.all("security-group-rules").is_empty());
    assert_eq!(imported(&cloud, &group("web", "d")).await.outcome, Outcome::Unchanged);
    assert_eq!(imported(&cloud, &group("web", "e")).await.outcome, Outcome::Updated);
}

#[tokio::test]
async fn an_interrupted_group_is_finished_not_made_again() {
    for (method, path) in [("POST", "/security-groups"), ("PUT", "4000-8000-000000000001")] {
        let fake = Fake::default();
        let cloud = Cloud::answering(fake.clone()).await;
        // The process dies here: whatever was done is done.
        fake.refuse(method, path, 403);
        let failed = import(&cloud.session, &group("web", ""), &ImportOptions::default()).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Forbidden);
        assert!(fake.all("security-groups").iter().all(|group| group["name"] != "web"));
        imported(&cloud, &group("web", "")).await;
        assert_eq!(fake.all("security-groups").len(), 1, "{method}");
        fake.named("security-groups", "web");
        assert!(fake.all("security-group-rules").is_empty());
    }
}

#[tokio::test]
async fn rules_that_are_there_are_not_posted() {
    let fake = Fake::default().with_default_group();
    let cloud = Cloud::answering(fake.clone()).await;
    let everything = rule("default", |_| {});
    assert_eq!(imported(&cloud, &everything).await.outcome, Outcome::Unchanged);
    assert!(cloud.writes().await.is_empty());
    let web = rule("default", |params| {
        params.direction = Some("ingress".to_owned());
        params.protocol = Some("tcp".to_owned());
        params.port_range_min = Some(80);
        params.port_range_max = Some(80);
    });
    assert_eq!(imported(&cloud, &web).await.outcome, Outcome::Created);
    assert_eq!(imported(&cloud, &web).await.outcome, Outcome::Unchanged);
    assert_eq!(fake.all("security-group-rules").len(), 5);
}

#[tokio::test]
async fn a_duplicate_that_only_neutron_sees_is_unchanged_and_another_conflict_is_not() {
    let fake = Fake::default().with_default_group();
    let cloud = Cloud::answering(fake.clone()).await;
    // Our comparison takes the description for part of no rule, Neutron too; so make one that
    // appears between looking and posting.
    fake.lose_answer("POST", "/security-group-rules");
    let icmp = rule("default", |params| params.protocol = Some("icmp".to_owned()));
    assert_eq!(imported(&cloud, &icmp).await.outcome, Outcome::Created);
    assert_eq!(fake.all("security-group-rules").len(), 5);
    fake.refuse("POST", "/security-group-rules", 409);
    let (kind, _) = refused(&cloud, &rule("default", |params| params.protocol = Some("ah".to_owned()))).await;
    assert_eq!(kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_rule_without_a_group_is_refused() {
    let cloud = Cloud::answering(Fake::default()).await;
    let (kind, message) = refused(&cloud, &rule("x", |params| params.security_group_ref = None)).await;
    assert_eq!(kind, ErrorKind::Config);
    assert!(message.contains("params.security_group_ref is null"), "{message}");
}

/// The source's group has lost the rule that lets its own members in by IPv6.
#[tokio::test]
async fn the_default_group_is_as_closed_as_the_sources() {
    let fake = Fake::default().with_default_group();
    let own = fake.put(
        "security-group-rules",
        json!({"security_group_id": fake.named("security-groups", "default")["id"], "direction": "ingress",
            "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
            "remote_ip_prefix": null, "remote_group_id": null}),
    );
    let cloud = Cloud::answering(fake.clone()).await;
    let ingress = rule("default", |params| {
        params.direction = Some("ingress".to_owned());
        params.remote_group_ref = Some(Reference::auth("default"));
    });
    let source = [
        rule("default", |_| {}),
        rule("default", |params| params.ether_type = Some("IPv6".to_owned())),
        ingress,
        rule("web", |_| {}),
    ];
    let rules: Vec<_> = source
        .iter()
        .filter_map(|resource| match resource {
            Resource::SecurityGroupRule(rule) => Some(rule),
            _ => None,
        })
        .collect();
    let importer = Importer::new(&cloud.session, &ImportOptions::default());
    let closed = importer.close_default_group(&rules).await.unwrap().unwrap();
    assert_eq!(closed.outcome, Outcome::Updated);
    let left = fake.all("security-group-rules");
    assert_eq!(left.len(), 4, "{left:?}");
    // What somebody added there stays, and only what let in by IPv6 is gone.
    assert!(left.iter().any(|rule| rule["id"] == own));
    assert!(!left.iter().any(|rule| rule["direction"] == "ingress" && rule["ethertype"] == "IPv6"));
    let writes = cloud.writes().await.len();
    let again = importer.close_default_group(&rules).await.unwrap().unwrap();
    assert_eq!((again.outcome, cloud.writes().await.len()), (Outcome::Unchanged, writes));
    // Nothing is known of the source's group: nothing is taken off.
    assert_eq!(importer.close_default_group(&rules[3..]).await.unwrap(), None);
}
