//! Projects, users, their roles and their keypairs: made, brought up to date, or refused with a reason.

use std::collections::BTreeMap;

use osm_model::{Kind, NameFilter, OS_MIGRATE_VERSION, Reference, Resource, ResourceFile};
use osm_openstack::ErrorKind;
use osm_openstack::import::{ImportOptions, Importer, Outcome};
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::support::{ADMINISTRATOR, Cloud};
use crate::topology::{imported, refused};

const FILES: [&str; 5] = [
    include_str!("../golden/public/export/projects.yml"),
    include_str!("../golden/public/export/users.yml"),
    include_str!("../golden/public/export/user_project_role_assignments.yml"),
    include_str!("../golden/public/export/users_keypairs.yml"),
    include_str!("../golden/public/export/flavors.yml"),
];

fn read(text: &str) -> Vec<Resource> {
    ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap().resources
}

/// The resources of all files; of the projects the child comes last.
fn resources() -> Vec<Resource> {
    let mut all: Vec<Resource> = FILES.iter().flat_map(|text| read(text)).collect();
    all[..3].rotate_left(1);
    all
}

async fn administrators(fake: &Fake) -> Cloud {
    Cloud::answering_to(ADMINISTRATOR, fake.clone()).await
}

async fn import_all(cloud: &Cloud) -> Vec<Outcome> {
    let importer = Importer::new(&cloud.session, &ImportOptions::default());
    let mut outcomes = Vec::new();
    for resource in resources() {
        match importer.import(&resource).await {
            Ok(imported) => outcomes.push(imported.outcome),
            Err(error) => panic!("{} {:?}: {error}", resource.type_name(), resource.filter_name()),
        }
    }
    outcomes
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_writes_nothing() {
    let fake = Fake::default().with_people();
    let cloud = administrators(&fake).await;
    assert!(import_all(&cloud).await.iter().all(|outcome| *outcome == Outcome::Created));
    let writes = cloud.writes().await.len();
    assert!(import_all(&cloud).await.iter().all(|outcome| *outcome == Outcome::Unchanged));
    assert_eq!(cloud.writes().await.split_off(writes), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_there_is_asked_for_once() {
    let fake = Fake::default().with_people();
    let cloud = administrators(&fake).await;
    import_all(&cloud).await;
    let before = cloud.reads().await;
    import_all(&cloud).await;
    // 19 resources; lists of domains, projects, users, flavors, of three roles, of the roles in three
    // projects, of the keypairs of two users; the access to one private flavor is not in the file.
    let reads = cloud.reads().await - before;
    assert!(reads <= 12, "{reads} requests");
}

/// The bodies with which OS Migrate made the same objects, but for ids.
#[tokio::test]
async fn objects_are_made_with_the_bodies_of_os_migrate() {
    let fake = Fake::default().with_people();
    let cloud = administrators(&fake).await;
    import_all(&cloud).await;
    let expected: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(include_str!("../golden/import_bodies.json")).unwrap();
    for (recorded, path, key) in [
        ("projects", "identity/v3/projects", "project"),
        ("users", "identity/v3/users", "user"),
        ("users_keypairs", "compute/v2.1/os-keypairs", "keypair"),
        ("flavors", "compute/v2.1/flavors", "flavor"),
    ] {
        let path = format!("POST /{path} ");
        let writes = cloud.writes().await;
        let bodies = writes.iter().filter_map(|write| write.strip_prefix(&path));
        let ours: Vec<Value> =
            bodies.map(|body| blotted(serde_json::from_str::<Value>(body).unwrap()[key].clone())).collect();
        // One project and one user were there when it was recorded.
        for theirs in &expected[recorded] {
            let theirs = blotted(theirs.clone());
            assert!(ours.contains(&theirs), "{recorded}: {theirs} is not in {ours:?}");
        }
    }
}

/// With ids of the cloud blotted out.
fn blotted(mut body: Value) -> Value {
    for key in ["parent_id", "user_id"] {
        if body.get(key).is_some_and(|id| *id != json!("default")) {
            body[key] = Value::Null;
        }
    }
    body
}

#[tokio::test]
async fn an_exporter_finds_what_was_imported() {
    let fake = Fake::default().with_people();
    let cloud = administrators(&fake).await;
    import_all(&cloud).await;
    for kind in [Kind::Project, Kind::User, Kind::UserKeypair] {
        let exported = osm_openstack::export::export(&cloud.session, kind, &NameFilter::all()).await.unwrap();
        for resource in resources().iter().filter(|resource| resource.is_of(kind)) {
            assert!(exported.iter().any(|other| other.same_params(resource)), "{kind} {:?}", resource.name());
        }
    }
}

#[tokio::test]
async fn users_are_made_without_a_password() {
    let fake = Fake::default().with_people();
    let cloud = administrators(&fake).await;
    import_all(&cloud).await;
    let users = fake.all("users");
    assert_eq!(users.len(), 3);
    assert!(users.iter().all(|user| user.get("password").is_none()), "{users:?}");
}

fn project(name: &str, domain: &str, parent: Option<Reference>) -> Resource {
    let mut project = osm_model::Project::default();
    project.params.name = Some(name.to_owned());
    project.params.domain_ref = Some(Reference::named(domain));
    project.params.parent_ref = parent;
    project.params.is_enabled = Some(true);
    project.params.description = Some("new".to_owned());
    Resource::Project(project)
}

fn of_domain(name: &str, domain: &str) -> Reference {
    Reference { domain_name: Some(domain.to_owned()), ..Reference::named(name) }
}

fn user(name: &str, domain: &str) -> osm_model::User {
    let mut user = osm_model::User::default();
    user.params.name = Some(name.to_owned());
    user.params.domain_ref = Some(Reference::named(domain));
    user
}

fn assignment(user: Reference, role: &str, project: Reference) -> Resource {
    let mut assignment = osm_model::RoleAssignment::default();
    assignment.params.user_ref = Some(user);
    assignment.params.role_ref = Some(Reference::named(role));
    assignment.params.project_ref = Some(project);
    Resource::RoleAssignment(assignment)
}

#[tokio::test]
async fn what_differs_is_changed_and_nothing_else_is_sent() {
    let fake = Fake::default().with_people();
    fake.put(
        "projects",
        json!({"name": "p", "domain_id": "default", "parent_id": "default", "description": "old", "enabled": true}),
    );
    fake.put(
        "users",
        json!({"name": "u", "domain_id": "default", "enabled": true, "email": "old@example.org"}),
    );
    let cloud = administrators(&fake).await;
    let wanted = project("p", "Default", Some(Reference::named("Default")));
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Updated);
    let mut u = user("u", "Default");
    u.params.is_enabled = Some(false);
    u.params.email = Some("new@example.org".to_owned());
    u.params.default_project_ref = Some(of_domain("p", "Default"));
    let u = Resource::User(u);
    assert_eq!(imported(&cloud, &u).await.outcome, Outcome::Updated);
    let bodies: Vec<Value> = cloud
        .writes()
        .await
        .iter()
        .map(|write| {
            assert!(write.starts_with("PATCH "), "{write}");
            serde_json::from_str(write.splitn(3, ' ').last().unwrap()).unwrap()
        })
        .collect();
    let id = fake.named("projects", "p")["id"].clone();
    assert_eq!(
        bodies,
        [
            json!({"project": {"description": "new"}}),
            json!({"user": {"enabled": false, "email": "new@example.org", "default_project_id": id}}),
        ]
    );
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Unchanged);
    assert_eq!(imported(&cloud, &u).await.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn a_name_counts_in_its_domain_only() {
    let fake = Fake::default().with_people();
    fake.put("domains", json!({"id": "ldap", "name": "ldap"}));
    let elsewhere = fake.put("projects", json!({"name": "p", "domain_id": "ldap", "enabled": true}));
    fake.put("users", json!({"name": "u", "domain_id": "ldap", "enabled": true}));
    let cloud = administrators(&fake).await;
    let made = imported(&cloud, &project("p", "Default", None)).await;
    assert_eq!(made.outcome, Outcome::Created);
    assert_ne!(made.id, elsewhere);
    assert_eq!(imported(&cloud, &Resource::User(user("u", "Default"))).await.outcome, Outcome::Created);
    // A reference with a domain means the one of two with its name there.
    let role = assignment(of_domain("u", "ldap"), "member", of_domain("p", "Default"));
    let imported = imported(&cloud, &role).await;
    assert!(imported.id.starts_with(&made.id), "{imported:?}");
    assert_eq!(fake.all("role_assignments").len(), 1);
}

#[tokio::test]
async fn auth_stands_for_the_own_user() {
    let fake = Fake::default().with_people();
    let project = fake.put("projects", json!({"name": "p", "domain_id": "default"}));
    let cloud = administrators(&fake).await;
    imported(&cloud, &assignment(Reference::auth_user(), "reader", of_domain("p", "Default"))).await;
    let row = &fake.all("role_assignments")[0];
    assert_eq!(row["user"]["id"], ADMINISTRATOR);
    assert_eq!(row["scope"]["project"]["id"], project);
}

#[tokio::test]
async fn what_must_be_there_already_is_named_when_it_is_not() {
    let fake = Fake::default().with_people();
    fake.put("projects", json!({"name": "p", "domain_id": "default", "enabled": true}));
    let cloud = administrators(&fake).await;
    let known = || of_domain("p", "Default");
    let mut domain = osm_model::Project::default();
    domain.params.name = Some("d".to_owned());
    domain.params.is_domain = Some(true);
    for (resource, kind, parts) in [
        (
            project("q", "Elsewhere", None),
            ErrorKind::NotFound,
            ["project `q`", "params.domain_ref", "domain `Elsewhere`", "make it there"],
        ),
        (
            project("q", "Default", Some(of_domain("absent", "Default"))),
            ErrorKind::NotFound,
            ["project `q`", "params.parent_ref", "project `absent` of domain `Default`", "has none"],
        ),
        (
            assignment(Reference::auth_user(), "absent-role", known()),
            ErrorKind::NotFound,
            ["user `%auth%`", "params.role_ref", "role `absent-role`", "cloud `dst`"],
        ),
        (
            assignment(of_domain("absent", "Default"), "member", known()),
            ErrorKind::NotFound,
            ["params.user_ref", "user `absent`", "domain `Default`", "has none"],
        ),
        (
            Resource::Project(domain),
            ErrorKind::Config,
            ["project `d`", "is_domain", "domains are not", "make"],
        ),
    ] {
        let (found, message) = refused(&cloud, &resource).await;
        assert_eq!(found, kind, "{message}");
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    assert_eq!(cloud.writes().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_project_below_another_one_is_a_conflict_with_both_names() {
    let fake = Fake::default().with_people();
    let one = fake.put("projects", json!({"name": "one", "domain_id": "default", "parent_id": "default"}));
    fake.put("projects", json!({"name": "two", "domain_id": "default", "parent_id": "default"}));
    fake.put("projects", json!({"name": "child", "domain_id": "default", "parent_id": one}));
    let cloud = administrators(&fake).await;
    let moved = project("child", "Default", Some(of_domain("two", "Default")));
    let (kind, message) = refused(&cloud, &moved).await;
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(message.contains("parent is `one` there and `two` in the file"), "{message}");
    assert!(cloud.writes().await.is_empty());
}

#[tokio::test]
async fn a_project_whose_answer_was_lost_is_found_again() {
    let fake = Fake::default().with_people();
    let cloud = administrators(&fake).await;
    fake.lose_answer("POST", "/projects");
    let made = imported(&cloud, &project("p", "Default", None)).await;
    assert_eq!(made.outcome, Outcome::Created);
    assert_eq!(fake.named("projects", "p")["id"], made.id);
    fake.lose_answer("POST", "/users");
    let made = imported(&cloud, &Resource::User(user("u", "Default"))).await;
    assert_eq!(fake.named("users", "u")["id"], made.id);
}

#[tokio::test]
async fn a_keypair_of_another_user_goes_to_that_user() {
    let fake = Fake::default().with_people();
    let alice = fake.put("users", json!({"name": "alice", "domain_id": "default"}));
    // The administrator has one of the same name.
    fake.put("keypairs", json!({"name": "laptop", "public_key": "ssh-rsa AAAA admin", "type": "ssh"}));
    let cloud = administrators(&fake).await;
    let mut keypair = osm_model::Keypair::default();
    keypair.params.name = Some("laptop".to_owned());
    keypair.params.r#type = Some("ssh".to_owned());
    keypair.params.public_key = Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGu here".to_owned());
    keypair.params.user_ref = Some(of_domain("alice", "Default"));
    let wanted = Resource::Keypair(keypair.clone());
    assert_eq!(imported(&cloud, &wanted).await.outcome, Outcome::Created);
    let made = fake.all("keypairs").pop().unwrap();
    assert_eq!((&made["user_id"], &made["name"]), (&json!(alice), &json!("laptop")));
    keypair.params.public_key = Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGu  elsewhere".to_owned());
    let commented = Resource::Keypair(keypair.clone());
    assert_eq!(imported(&cloud, &commented).await.outcome, Outcome::Unchanged);
    keypair.params.public_key = Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGv here".to_owned());
    let (kind, message) = refused(&cloud, &Resource::Keypair(keypair)).await;
    assert_eq!(kind, ErrorKind::Conflict);
    let fingerprints: Vec<&str> = message.split('`').filter(|part| part.matches(':').count() == 15).collect();
    assert!(message.contains("keypair `laptop` of user `alice`"), "{message}");
    assert!(matches!(fingerprints.as_slice(), [there, here] if there != here), "{message}");
}
