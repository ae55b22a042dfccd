//! Files that people edited are read, and what they added is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile, Server, yaml};

fn parse(text: &str) -> ResourceFile {
    ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap()
}

fn network(params: &str) -> osm_model::Network {
    let text = format!(
        "os_migrate_version: 1.0.5\nresources:\n- type: openstack.network.Network\n  params: {{{params}}}\n  _info: {{id: x}}\n"
    );
    match parse(&text).resources.remove(0) {
        Resource::Network(network) => network,
        other => panic!("not a network: {other:?}"),
    }
}

#[test]
fn reads_the_booleans_of_yaml_1_1() {
    for (word, value) in
        [("yes", true), ("On", true), ("TRUE", true), ("no", false), ("off", false), ("'False'", false)]
    {
        assert_eq!(network(&format!("is_shared: {word}")).params.is_shared, Some(value), "{word}");
    }
    assert_eq!(network("is_shared: ~").params.is_shared, None);
}

#[test]
fn reads_numbers_and_strings_for_each_other() {
    assert_eq!(network("mtu: '1450'").params.mtu, Some(1450));
    assert_eq!(network("mtu: 1_450").params.mtu, Some(1450));
    assert_eq!(network("mtu: 0x5AA").params.mtu, Some(1450));
    assert_eq!(network("name: 12.10").params.name.as_deref(), Some("12.10"));
    assert_eq!(network("name: 1e3").params.name.as_deref(), Some("1e3"));
    assert_eq!(network("name: 2020-04-07").params.name.as_deref(), Some("2020-04-07"));
    assert_eq!(network("name: true").params.name.as_deref(), Some("true"));
    assert_eq!(network("tags: [1, yes, 0123, 1:30]").params.tags, ["1", "yes", "0123", "1:30"]);
}

fn server(migration_params: &str) -> Server {
    let text = format!(
        "os_migrate_version: 1.0.5\nresources:\n- type: openstack.compute.Server\n  params: {{}}\n  _info: {{id: x}}\n  \
         _migration_params: {migration_params}\n"
    );
    match parse(&text).resources.remove(0) {
        Resource::Server(server) => server,
        other => panic!("not a server: {other:?}"),
    }
}

#[test]
fn reads_the_disks_of_a_hypervisor_with_or_without_quotes() {
    let server = server(
        "{nbdkit_disks: [{port: '10809', size: '10', bootable: 'True'}, {port: 10810, size: 1, bootable: no}]}",
    );
    let disks = server.migration_params.nbdkit_disks.unwrap();
    assert_eq!((disks[0].port, disks[0].size, disks[0].bootable), (Some(10809), Some(10), Some(true)));
    assert_eq!((disks[1].port, disks[1].size, disks[1].bootable), (Some(10810), Some(1), Some(false)));
}

#[test]
fn keeps_the_machine_type_a_user_asked_for() {
    assert_eq!(server("{}").migration_params.hw_machine_type, None);
    let with = server("{hw_machine_type: pc}");
    assert_eq!(with.migration_params.hw_machine_type.as_deref(), Some("pc"));
    let kept = yaml::dump(&Resource::Server(with).to_node());
    assert!(kept.contains("\n  hw_machine_type: pc\n"), "{kept}");
    let null = yaml::dump(&Resource::Server(server("{hw_machine_type: null}")).to_node());
    assert!(null.contains("\n  hw_machine_type: null\n"), "{null}");
}

#[test]
fn reads_folds_anchors_merges_and_deeper_lists() {
    let text = r"
os_migrate_version: 1.0.5
resources:
  - type: openstack.network.Network
    _info: &info {id: one, status: ACTIVE}
    params:
      name: >-
        two
        words
      description: |
        line
      tags:
        - a
        - b
  - type: openstack.network.Network
    _info:
      <<: *info
      id: two
    params: {name: a plain text
        on two lines}
";
    let file = parse(text);
    let Resource::Network(first) = &file.resources[0] else { panic!("not a network") };
    assert_eq!(first.params.name.as_deref(), Some("two words"));
    assert_eq!(first.params.description.as_deref(), Some("line\n"));
    assert_eq!(first.params.tags, ["a", "b"]);
    let Resource::Network(second) = &file.resources[1] else { panic!("not a network") };
    assert_eq!((second.info.id.as_deref(), second.info.status.as_deref()), (Some("two"), Some("ACTIVE")));
    assert_eq!(second.params.name.as_deref(), Some("a plain text on two lines"));
}

#[test]
fn keeps_unknown_keys_at_every_level_and_invents_none() {
    let text = "\
os_migrate_version: 1.0.5
resources:
- _info:
    extra_info: 1.10
    id: x
  _migration_params:
    note:
    - mine
  comment: at the resource
  params:
    allocation_pools:
    - end: 10.0.0.9
      note: pool
      start: 10.0.0.2
    name: sub
    network_ref:
      domain_name: null
      name: net
      note: ref
      project_name: null
    zone: 0x1F
  type: openstack.subnet.Subnet
- _info:
    id: y
  params:
    name: short
  type: openstack.identity.Project
site: home
";
    assert_eq!(parse(text).to_yaml(), text);
}

#[test]
fn refuses_what_it_cannot_understand_and_says_where() {
    let text = "os_migrate_version: 1.0.5\nresources:\n- type: openstack.network.Network\n  params: {mtu: big, name: n}\n";
    let error = ResourceFile::parse(text, OS_MIGRATE_VERSION).unwrap_err().with_file("networks.yml");
    assert_eq!(
        error.to_string(),
        "expected a whole number, not negative, found \"big\", in networks.yml, resource 0, \
         openstack.network.Network:n:, at params.mtu"
    );
    for (text, part) in [
        ("a: 1\na: 2\n", "duplicate key `a`"),
        ("a: !thing 1\n", "tag"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("a: [1\n", "line 2"),
        ("? [a]\n: 1\n", "a key must be"),
    ] {
        let error = yaml::load(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn a_file_of_another_version_is_refused() {
    let error =
        ResourceFile::parse("os_migrate_version: 1.0\nresources: []\n", OS_MIGRATE_VERSION).unwrap_err();
    assert_eq!(error.kind(), osm_model::ErrorKind::Version);
    assert!(error.to_string().contains("os_migrate_version 1.0, expected 1.0.5"), "{error}");
    assert!(ResourceFile::parse("os_migrate_version: 9\nresources: []\n", "9").is_ok());
}
