//! What resources say of themselves, and how files take them in.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use osm_model::{
    Entry, FilterSet, Kind, Network, NetworkInfo, NetworkParams, OS_MIGRATE_VERSION, PortParams, Reference,
    Resource, ResourceFile, Server, Upsert, VolumeParams,
};

fn network(id: &str, name: &str) -> Network {
    Entry::new(
        NetworkParams { name: Some(name.to_owned()), ..Default::default() },
        NetworkInfo { id: Some(id.to_owned()), ..Default::default() },
    )
}

fn resource(id: &str, name: &str) -> Resource {
    Resource::Network(network(id, name))
}

#[test]
fn upsert_replaces_in_place_or_appends() {
    let mut file = ResourceFile::new();
    assert_eq!(file.upsert(resource("a", "one")), Upsert::Appended);
    assert_eq!(file.upsert(resource("b", "two")), Upsert::Appended);
    assert_eq!(file.upsert(resource("a", "one")), Upsert::Unchanged);
    assert_eq!(file.upsert(resource("a", "renamed")), Upsert::Replaced);
    let names: Vec<_> = file.resources.iter().filter_map(Resource::name).collect();
    assert_eq!(names, ["renamed", "two"]);
}

#[test]
fn upsert_never_takes_two_without_an_id_for_the_same() {
    let mut file = ResourceFile::new();
    let nameless = Resource::Network(Entry::new(NetworkParams::default(), NetworkInfo::default()));
    assert_eq!(file.upsert(nameless.clone()), Upsert::Appended);
    assert_eq!(file.upsert(nameless), Upsert::Appended);
}

#[test]
fn upsert_tells_types_and_users_apart() {
    let mut file = ResourceFile::new();
    let keypair = |user: Reference| {
        let mut keypair = osm_model::Keypair::default();
        keypair.params.name = Some("key".to_owned());
        keypair.params.user_ref = Some(user);
        keypair.info.id = Some("key".to_owned());
        Resource::Keypair(keypair)
    };
    assert_eq!(file.upsert(keypair(Reference::auth_user())), Upsert::Appended);
    assert_eq!(file.upsert(keypair(Reference::named("mate"))), Upsert::Appended);
    assert_eq!(file.upsert(keypair(Reference::auth_user())), Upsert::Unchanged);
    assert_eq!(file.upsert(resource("key", "key")), Upsert::Appended);
}

#[test]
fn upsert_keeps_what_people_wrote_into_other_resources() {
    let text = "\
os_migrate_version: 1.0.5
resources:
- _info:
    id: a
  _migration_params: {}
  note: mine
  params:
    name: one
  type: openstack.network.SecurityGroup
";
    let mut file = ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap();
    file.upsert(resource("b", "two"));
    assert!(file.to_yaml().starts_with(text), "{}", file.to_yaml());
}

#[test]
fn role_assignments_are_the_same_by_their_three_ids() {
    let assignment = |user: Option<&str>| {
        let mut assignment = osm_model::RoleAssignment::default();
        assignment.info.project_id = Some("p".to_owned());
        assignment.info.role_id = Some("r".to_owned());
        assignment.info.user_id = user.map(str::to_owned);
        Resource::RoleAssignment(assignment)
    };
    let mut file = ResourceFile::new();
    assert_eq!(file.upsert(assignment(Some("u"))), Upsert::Appended);
    assert_eq!(file.upsert(assignment(Some("v"))), Upsert::Appended);
    assert_eq!(file.upsert(assignment(Some("u"))), Upsert::Unchanged);
    assert_eq!(file.upsert(assignment(None)), Upsert::Appended);
    assert_eq!(file.upsert(assignment(None)), Upsert::Appended);
}

#[test]
fn a_new_file_has_version_and_empty_list() {
    assert_eq!(ResourceFile::new().to_yaml(), "os_migrate_version: 1.0.5\nresources: []\n");
}

#[test]
fn an_import_compares_params_only() {
    let one = resource("a", "one");
    let mut changed = network("b", "one");
    changed.info.status = Some("DOWN".to_owned());
    assert!(one.same_params(&Resource::Network(changed.clone())));
    changed.params.mtu = Some(9000);
    assert!(!one.same_params(&Resource::Network(changed)));
}

#[test]
fn an_import_compares_nested_params_but_not_their_info() {
    let server = |id: &str, mac: &str| {
        let mut server = Server::default();
        let mut port = osm_model::Port::new(
            PortParams { mac_address: Some(mac.to_owned()), ..Default::default() },
            Default::default(),
        );
        port.info.id = Some(id.to_owned());
        server.params.ports.push(port);
        server.params.volumes.push(osm_model::Volume::new(VolumeParams::default(), Default::default()));
        server.migration_params.boot_disk_copy = id == "a";
        Resource::Server(server)
    };
    assert!(server("a", "m").same_params(&server("b", "m")));
    assert!(!server("a", "m").same_params(&server("a", "n")));
}

#[test]
fn an_import_does_not_compare_what_cannot_be_sent() {
    let read = |params: &str| {
        let text = format!(
            "os_migrate_version: 1.0.5\nresources:\n- type: openstack.network.SecurityGroup\n  params: {params}\n"
        );
        ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap().resources.remove(0)
    };
    assert!(read("{name: g, description: d, frobnicate: 1}").same_params(&read("{name: g, description: d}")));
    assert!(read("{name: g}").same_params(&read("{name: g, description: null}")));
    assert!(!read("{name: g, description: d}").same_params(&read("{name: g, description: ''}")));
}

#[test]
fn identities_are_type_and_name() {
    assert_eq!(resource("a", "one").import_identity().as_deref(), Some("openstack.network.Network:one"));
    assert_eq!(resource("a", "").import_identity(), None);
    let mut keypair = osm_model::Keypair::default();
    keypair.params.name = Some("key".to_owned());
    keypair.params.user_ref = Some(Reference::auth_user());
    let identity = Resource::Keypair(keypair).import_identity();
    assert_eq!(identity.as_deref(), Some("openstack.compute.Keypair:key:%auth%:%auth%"));
    let mut rule = osm_model::SecurityGroupRule::default();
    rule.params.security_group_ref = Some(Reference::auth("web"));
    let rule = Resource::SecurityGroupRule(rule);
    assert_eq!((rule.name(), rule.filter_name(), rule.import_identity()), (None, Some("web"), None));
}

#[test]
fn kinds_know_their_words_files_and_types() {
    for kind in Kind::IN_ORDER {
        assert_eq!(kind.word().parse::<Kind>().unwrap(), kind);
        assert_eq!(kind.file_name(), format!("{kind}.yml"));
        let of_type = if kind == Kind::UserKeypair { Kind::Keypair } else { kind };
        assert_eq!(Kind::from_type_name(kind.type_name()), Some(of_type));
    }
    assert_eq!("security-group-rule".parse::<Kind>().unwrap(), Kind::SecurityGroupRule);
    assert_eq!("workloads".parse::<Kind>().unwrap(), Kind::Workload);
    assert_eq!("user-project-role-assignment".parse::<Kind>().unwrap(), Kind::RoleAssignment);
    let error = "domains".parse::<Kind>().unwrap_err().to_string();
    assert!(error.contains("networks, subnets, security_groups, security_group_rules, routers"), "{error}");
}

#[test]
fn each_kind_is_a_tenants_or_an_administrators() {
    for kind in Kind::IN_ORDER {
        let of_tenant = Kind::OF_TENANT.contains(&kind);
        assert!(of_tenant || Kind::OF_ADMINISTRATOR.contains(&kind), "{kind}");
    }
}

#[test]
fn users_and_projects_are_told_apart_by_domain() {
    let user = |domain: &str| {
        let mut user = osm_model::User::default();
        user.params.name = Some("alice".to_owned());
        user.params.domain_ref = Some(Reference::named(domain));
        Resource::User(user)
    };
    assert_eq!(user("Default").import_identity().as_deref(), Some("openstack.user.User:alice:Default"));
    assert_ne!(user("Default").import_identity(), user("ldap").import_identity());
}

#[test]
fn keypairs_of_others_are_chosen_by_user_and_by_name() {
    let keypair = |user: &str, name: &str| {
        let mut keypair = osm_model::Keypair::default();
        keypair.params.name = Some(name.to_owned());
        keypair.params.user_ref = Some(Reference::named(user));
        Resource::Keypair(keypair)
    };
    let mut filters = FilterSet::default();
    filters.set(Kind::User, osm_model::NameFilter::exact(["alice"]));
    assert!(filters.lets_pass(Kind::UserKeypair, &keypair("alice", "laptop")));
    assert!(!filters.lets_pass(Kind::UserKeypair, &keypair("bob", "laptop")));
    assert!(filters.lets_pass(Kind::Keypair, &keypair("bob", "laptop")));
    filters.set(Kind::Keypair, osm_model::NameFilter::exact(["desktop"]));
    assert!(!filters.lets_pass(Kind::UserKeypair, &keypair("alice", "laptop")));
    assert!(filters.lets_pass(Kind::UserKeypair, &keypair("alice", "desktop")));
}

#[test]
fn resources_become_json_for_machines() {
    let json = serde_json::to_value(resource("a", "one")).unwrap();
    assert_eq!(json["type"], "openstack.network.Network");
    assert_eq!(json["params"]["name"], "one");
    assert_eq!(json["params"]["mtu"], serde_json::Value::Null);
}

#[test]
fn a_filter_set_chooses_interfaces_by_router_and_rules_by_group() {
    let mut filters = FilterSet::default();
    filters.set(Kind::Router, osm_model::NameFilter::exact(["edge"]));
    assert!(filters.get(Kind::RouterInterface).matches("edge"));
    assert!(!filters.get(Kind::RouterInterface).matches("other"));
    assert!(filters.get(Kind::SecurityGroupRule).matches("anything"));
}
