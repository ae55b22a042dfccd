//! What an administrator exports, from a cloud's answers to the files that OS Migrate wrote.

use osm_model::{FilterSet, Kind, NameFilter, OS_MIGRATE_VERSION, Resource, ResourceFile};
use osm_openstack::ErrorKind;
use osm_openstack::export::{Exporter, export};
use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use crate::recorded::Recorded;
use crate::support::{self, ADMINISTRATOR, Cloud};

/// The filters with which the files were written.
fn filters() -> FilterSet {
    let regex = |pattern| NameFilter::regex(pattern).unwrap();
    let mut filters = FilterSet::default();
    filters.set(Kind::Project, regex("^golden-pub"));
    filters.set(Kind::User, regex("^(golden-pub|gp-)"));
    filters.set(Kind::RoleAssignment, regex("^(golden-pub|gp-)"));
    filters.set(Kind::Flavor, regex("^gp").or(NameFilter::exact(["1.5e3"])));
    filters
}

async fn exported(kind: Kind) -> String {
    let cloud = Cloud::answering_to(ADMINISTRATOR, Recorded::of_administrator()).await;
    let mut file = ResourceFile::new();
    file.resources = Exporter::new(&cloud.session).export_filtered(kind, &filters()).await.unwrap();
    file.to_yaml()
}

macro_rules! same_file {
    ($($name:ident $kind:ident $file:literal)*) => {$(
        #[tokio::test]
        async fn $name() {
            let expected = include_str!(concat!("../golden/public/export/", $file));
            assert_eq!(exported(Kind::$kind).await, expected);
            let file = ResourceFile::parse(expected, OS_MIGRATE_VERSION).unwrap();
            assert_eq!(file.to_yaml(), expected);
        }
    )*};
}

same_file! {
    projects Project "projects.yml"
    users User "users.yml"
    role_assignments RoleAssignment "user_project_role_assignments.yml"
    flavors Flavor "flavors.yml"
    users_keypairs UserKeypair "users_keypairs.yml"
}

#[tokio::test]
async fn keypairs_of_others_are_chosen_by_user_and_by_name() {
    let cloud = Cloud::answering_to(ADMINISTRATOR, Recorded::of_administrator()).await;
    let mut filters = filters();
    filters.set(Kind::Keypair, NameFilter::exact(["gp-key"]));
    let exporter = Exporter::new(&cloud.session);
    let found = exporter.export_filtered(Kind::UserKeypair, &filters).await.unwrap();
    assert_eq!(found.len(), 2);
    filters.set(Kind::User, NameFilter::exact(["gp-nobody"]));
    let found = exporter.export_filtered(Kind::UserKeypair, &filters).await.unwrap();
    assert_eq!(found.iter().map(Resource::name).collect::<Vec<_>>(), [Some("gp-key")]);
}

/// Keystone's answers to lists, and to one of Nova.
struct Lists(Vec<(&'static str, u16, Value)>);

impl Respond for Lists {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let base = format!("http://{}", request.headers["host"].to_str().unwrap());
        if let Some(versions) = support::versions(request.url.path(), &base) {
            return versions;
        }
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let asked = format!("{}{query}", request.url.path());
        match self.0.iter().find(|(path, ..)| *path == asked) {
            Some((_, status, body)) => {
                let body = body.to_string().replace("BASE", &base);
                ResponseTemplate::new(*status).set_body_raw(body, "application/json")
            }
            None => {
                ResponseTemplate::new(404).set_body_json(json!({"error": {"message": asked, "code": 404}}))
            }
        }
    }
}

fn user(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "domain_id": "default", "enabled": true, "default_project_id": "gone"})
}

fn default_domain() -> (&'static str, u16, Value) {
    ("/identity/v3/domains/default", 200, json!({"domain": {"id": "default", "name": "Default"}}))
}

#[tokio::test]
async fn users_come_in_pages_and_a_default_project_that_is_gone_is_none() {
    let next = "BASE/identity/v3/users?limit=1&marker=b";
    let cloud = Cloud::answering_to(
        ADMINISTRATOR,
        Lists(vec![
            ("/identity/v3/users", 200, json!({"users": [user("b", "bob")], "links": {"next": next}})),
            (
                "/identity/v3/users?limit=1&marker=b",
                200,
                json!({"users": [user("a", "alice")], "links": {"next": null}}),
            ),
            default_domain(),
        ]),
    )
    .await;
    let users = export(&cloud.session, Kind::User, &NameFilter::all()).await.unwrap();
    assert_eq!(users.iter().map(Resource::name).collect::<Vec<_>>(), [Some("alice"), Some("bob")]);
    let Resource::User(alice) = &users[0] else { panic!("not a user") };
    assert_eq!(alice.params.default_project_ref, None);
    assert_eq!(alice.info.default_project_id.as_deref(), Some("gone"));
}

#[tokio::test]
async fn a_list_that_keystone_cuts_short_is_an_error() {
    let cut = json!({"users": [user("b", "bob")], "truncated": true, "links": {"next": null}});
    let cloud = Cloud::answering_to(ADMINISTRATOR, Lists(vec![("/identity/v3/users", 200, cut)])).await;
    let error = export(&cloud.session, Kind::User, &NameFilter::all()).await.unwrap_err();
    assert!(error.to_string().contains("cut the list short"), "{error}");
}

#[tokio::test]
async fn a_tenant_is_told_what_was_refused() {
    let message = "You are not authorized to perform the requested action: identity:list_users.";
    let refusal = json!({"error": {"code": 403, "message": message, "title": "Forbidden"}});
    let cloud = Cloud::answering(Lists(vec![("/identity/v3/users", 403, refusal)])).await;
    let error = export(&cloud.session, Kind::User, &NameFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains("identity:list_users"), "{error}");
}

#[tokio::test]
async fn only_direct_roles_of_users_in_projects_have_a_place_in_the_file() {
    let domain = json!({"id": "default", "name": "Default"});
    let named = |id: &str| json!({"id": id, "name": id, "domain": domain});
    let role = |name: &str| json!({"id": name, "name": name});
    let project = json!({"project": named("p")});
    let assignments = json!([
        {"user": named("alice"), "role": role("reader"), "scope": project},
        {"group": named("g"), "role": role("member"), "scope": project},
        {"user": named("alice"), "role": role("admin"), "scope": {"system": {"all": true}}},
        {"user": named("alice"), "role": role("admin"), "scope": {"domain": named("d")}},
        {"user": named("alice"), "role": role("member"),
            "scope": {"project": named("p"), "OS-INHERIT:inherited_to": "projects"}},
        {"user": {"id": "x", "name": "", "domain": domain}, "role": role("member"), "scope": project},
        {"user": named(ADMINISTRATOR), "role": role("admin"), "scope": project},
    ]);
    let answer = json!({"role_assignments": assignments, "links": {"next": null}});
    let path = "/identity/v3/role_assignments?include_names=True";
    let cloud = Cloud::answering_to(ADMINISTRATOR, Lists(vec![(path, 200, answer)])).await;
    let found = export(&cloud.session, Kind::RoleAssignment, &NameFilter::all()).await.unwrap();
    let users: Vec<_> = found.iter().map(Resource::filter_name).collect();
    assert_eq!(users, [Some("%auth%"), Some("alice")]);
}

#[tokio::test]
async fn a_private_flavor_says_who_may_use_it() {
    let flavor = json!({"id": "f", "name": "f", "os-flavor-access:is_public": false, "extra_specs": {}});
    let access = json!([{"flavor_id": "f", "tenant_id": "two"}, {"flavor_id": "f", "tenant_id": "gone"},
        {"flavor_id": "f", "tenant_id": "one"}]);
    let project = |id: &str| json!({"project": {"id": id, "name": id, "domain_id": "default"}});
    let cloud = Cloud::answering_to(
        ADMINISTRATOR,
        Lists(vec![
            ("/compute/v2.1/flavors/detail?is_public=None", 200, json!({"flavors": [flavor]})),
            ("/compute/v2.1/flavors/f/os-flavor-access", 200, json!({"flavor_access": access})),
            ("/identity/v3/projects/one", 200, project("one")),
            ("/identity/v3/projects/two", 200, project("two")),
            default_domain(),
        ]),
    )
    .await;
    let flavors = export(&cloud.session, Kind::Flavor, &NameFilter::all()).await.unwrap();
    let Resource::Flavor(flavor) = &flavors[0] else { panic!("not a flavor") };
    let projects = flavor.migration_params.access_refs.as_ref().unwrap();
    let names: Vec<_> = projects.iter().map(|project| project.name.as_deref()).collect();
    assert_eq!(names, [Some("one"), Some("two")]);
    let mut file = ResourceFile::new();
    file.resources = flavors;
    let text = file.to_yaml();
    assert!(text.contains("  _migration_params:\n    access_refs:\n    - domain_name: Default\n"), "{text}");
    assert_eq!(ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap(), file);
}
