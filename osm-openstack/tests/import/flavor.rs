//! Flavors: what of them can change, what cannot, and who may use them.

use osm_model::{OS_MIGRATE_VERSION, Reference, Resource, ResourceFile};
use osm_openstack::ErrorKind;
use osm_openstack::import::Outcome;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::support::{ADMINISTRATOR, Cloud};
use crate::topology::{imported, refused};

fn flavor(change: impl FnOnce(&mut osm_model::Flavor)) -> Resource {
    let mut flavor = osm_model::Flavor::default();
    flavor.params.name = Some("f".to_owned());
    flavor.params.ram = Some(512);
    flavor.params.swap = Some(0);
    flavor.params.rxtx_factor = Some(1.0);
    flavor.params.is_public = Some(true);
    change(&mut flavor);
    Resource::Flavor(flavor)
}

/// The same flavor in the destination, in Nova's words.
fn there(fake: &Fake, public: bool) {
    fake.put(
        "flavors",
        json!({"name": "f", "ram": 512, "disk": 0, "vcpus": 0, "swap": "", "OS-FLV-EXT-DATA:ephemeral": 0,
            "rxtx_factor": 1.0, "os-flavor-access:is_public": public, "description": null,
            "extra_specs": {"hw:old": "1", "hw:kept": "2", "hw:other": "3"}}),
    );
}

#[tokio::test]
async fn extra_specs_become_those_of_the_file_and_the_description_too() {
    let fake = Fake::default();
    there(&fake, true);
    let cloud = Cloud::answering_to(ADMINISTRATOR, fake.clone()).await;
    let wanted = flavor(|flavor| {
        flavor.params.description = Some("told".to_owned());
        let specs = [("hw:kept", "2"), ("hw:other", "4"), ("hw:new", "5")];
        flavor.params.extra_specs =
            specs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    });
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Updated);
    let made = fake.named("flavors", "f");
    assert_eq!(made["extra_specs"], json!({"hw:kept": "2", "hw:other": "4", "hw:new": "5"}));
    assert_eq!(made["description"], "told");
    let writes = cloud.writes().await.len();
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
    assert_eq!(cloud.writes().await.len(), writes);
}

#[tokio::test]
async fn a_file_without_extra_specs_leaves_them_alone() {
    let fake = Fake::default();
    there(&fake, true);
    let cloud = Cloud::answering_to(ADMINISTRATOR, fake.clone()).await;
    let text = "os_migrate_version: 1.0.5\nresources:\n- type: openstack.compute.Flavor\n  params: {name: f, ram: 512}\n";
    let resource = ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap().resources.remove(0);
    assert_eq!(imported(&cloud, &resource).await.outcome, Outcome::Unchanged);
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn what_cannot_change_is_a_conflict_with_all_values_and_nothing_is_written() {
    let fake = Fake::default();
    there(&fake, true);
    let cloud = Cloud::answering_to(ADMINISTRATOR, fake.clone()).await;
    let wanted = flavor(|flavor| {
        flavor.params.ram = Some(1024);
        flavor.params.swap = Some(64);
        flavor.params.rxtx_factor = Some(1.5);
    });
    let (kind, message) = refused(&cloud, &wanted).await;
    assert_eq!(kind, ErrorKind::Conflict);
    for part in [
        "flavor `f`",
        "ram is `512` there and `1024`",
        "swap is `0` there and `64`",
        "rxtx_factor is `1` there and `1.5`",
    ] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn a_private_flavor_can_be_used_by_those_who_could() {
    let fake = Fake::default().with_people();
    let project = |name: &str| fake.put("projects", json!({"name": name, "domain_id": "default"}));
    let (one, two) = (project("one"), project("two"));
    let cloud = Cloud::answering_to(ADMINISTRATOR, fake.clone()).await;
    let of_domain =
        |name: &str| Reference { domain_name: Some("Default".to_owned()), ..Reference::named(name) };
    let wanted = flavor(|flavor| {
        flavor.params.is_public = Some(false);
        flavor.migration_params.access_refs = Some(vec![of_domain("one"), of_domain("two")]);
    });
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Created);
    assert_eq!(fake.named("flavors", "f")["access"], json!([one, two]));
    let writes = cloud.writes().await.len();
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
    assert_eq!(cloud.writes().await.len(), writes);
    // A project that is not there is told before anything is made.
    let fresh = Fake::default().with_people();
    let cloud = Cloud::answering_to(ADMINISTRATOR, fresh.clone()).await;
    let (kind, message) = refused(&cloud, &wanted).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(
        message.contains("_migration_params.access_refs") && message.contains("project `one`"),
        "{message}"
    );
    assert_eq!(fresh.all("flavors"), Vec::<Value>::new());
}
