//! What OS Migrate wrote is read and written again byte for byte.
//!
//! `OSM_GOLDEN_DIR` names another recording, with the files in its `export/`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use osm_model::{Kind, OS_MIGRATE_VERSION, Resource, ResourceFile, yaml};

fn exports() -> Vec<(PathBuf, String)> {
    let given = std::env::var_os("OSM_GOLDEN_DIR").map(PathBuf::from);
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match given {
        None => project.join("tests/golden"),
        // Tests run in the folder of their package, whoever calls cargo may be above it.
        Some(folder) if !folder.exists() => project.join("..").join(folder),
        Some(folder) => folder,
    };
    let entries = fs::read_dir(folder.join("export")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml"));
    let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    files.sort();
    assert!(!files.is_empty(), "no exported files");
    files
}

#[test]
fn has_a_file_of_each_export_playbook() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/export");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 15);
}

fn parse(name: &str) -> ResourceFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/export");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap()
}

#[test]
fn writes_every_document_as_it_was() {
    for (path, text) in exports() {
        let written = yaml::dump(&yaml::load(&text).unwrap());
        assert!(written == text, "{} differs:\n{}", path.display(), first_difference(&written, &text));
    }
}

#[test]
fn writes_every_typed_file_as_it_was() {
    for (path, text) in exports() {
        let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
        let written = file.to_yaml();
        assert!(written == text, "{} differs:\n{}", path.display(), first_difference(&written, &text));
    }
}

#[test]
fn models_every_member_that_is_exported() {
    for (path, text) in exports() {
        let file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
        for resource in file.resources {
            // Nothing may be carried along as unknown: then it would not be compared.
            let extra = match &resource {
                Resource::Network(it) => [&it.params.extra, &it.info.extra],
                Resource::Subnet(it) => [&it.params.extra, &it.info.extra],
                Resource::Router(it) => [&it.params.extra, &it.info.extra],
                Resource::RouterInterface(it) => [&it.params.extra, &it.info.extra],
                Resource::SecurityGroup(it) => [&it.params.extra, &it.info.extra],
                Resource::SecurityGroupRule(it) => [&it.params.extra, &it.info.extra],
                Resource::Image(it) => [&it.params.extra, &it.info.extra],
                Resource::Keypair(it) => [&it.params.extra, &it.info.extra],
                Resource::Flavor(it) => [&it.params.extra, &it.info.extra],
                Resource::Server(it) => [&it.params.extra, &it.info.extra],
                Resource::Volume(it) => [&it.params.extra, &it.info.extra],
                Resource::Project(it) => [&it.params.extra, &it.info.extra],
                Resource::User(it) => [&it.params.extra, &it.info.extra],
                Resource::RoleAssignment(it) => [&it.params.extra, &it.info.extra],
            };
            for extra in extra {
                assert!(extra.is_empty(), "{}: {extra:?}", path.display());
            }
        }
    }
}

#[test]
fn reads_the_values_behind_the_quotes() {
    let networks = parse(Kind::Network.file_name()).resources;
    let names: Vec<_> = networks.iter().filter_map(Resource::name).collect();
    assert_eq!(names, ["gp backnet ", "yes", "gp-front", "1e3"]);
    let Resource::Network(first) = &networks[0] else { panic!("not a network") };
    assert_eq!(first.params.description.as_deref(), Some("line one\nline two: x\n\n  indented\n"));
    assert_eq!(first.params.tags, ["0123", "0x1F", "1_000", "<<", "=", "a b"]);
    assert_eq!(first.params.mtu, Some(1450));
    assert_eq!(first.params.is_default, None);

    let workloads = parse(Kind::Workload.file_name()).resources;
    let Resource::Server(web) = &workloads[0] else { panic!("not a server") };
    assert_eq!(web.params.metadata["n"], "1e3");
    assert_eq!(web.params.metadata["yes"], "no");
    assert_eq!(web.params.ports[0].params.mac_address.as_deref(), Some("22:33:44:55:06:10"));
    assert_eq!(web.params.ports[1].params.fixed_ips_refs[0].ip_address.as_deref(), Some("10.10.4.11"));
    assert_eq!(web.params.floating_ips[0].info.tags, ["1e3", "fip"]);
    assert!(web.migration_params.data_copy);
}

#[test]
fn reads_what_administrators_export() {
    let projects = parse(Kind::Project.file_name()).resources;
    let Resource::Project(child) = &projects[0] else { panic!("not a project") };
    let parent = child.params.parent_ref.as_ref().unwrap();
    assert_eq!(parent.name.as_deref(), Some("golden-pub-extra"));
    assert_eq!(parent.domain_name.as_deref(), Some("Default"));
    let users = parse(Kind::User.file_name()).resources;
    let Resource::User(mate) = &users[1] else { panic!("not a user") };
    assert_eq!(mate.params.email.as_deref(), Some("+123@example.org"));
    assert_eq!(mate.params.is_enabled, Some(false));
    let assignments = parse(Kind::RoleAssignment.file_name()).resources;
    assert_eq!((assignments[0].filter_name(), assignments[0].id()), (Some("golden-pub-mate"), None));
    let keypairs = parse(Kind::UserKeypair.file_name()).resources;
    assert!(keypairs.iter().all(|keypair| keypair.is_of(Kind::UserKeypair)));
    let flavors = parse(Kind::Flavor.file_name()).resources;
    let Resource::Flavor(private) = &flavors[2] else { panic!("not a flavor") };
    assert_eq!((private.params.rxtx_factor, private.params.swap), (Some(1.5), Some(64)));
    assert_eq!(private.migration_params.access_refs, None);
}

#[test]
fn the_defaults_of_a_workload_are_those_of_an_export() {
    let workloads = parse(Kind::Workload.file_name()).resources;
    let Resource::Server(web) = &workloads[0] else { panic!("not a server") };
    assert_eq!(web.migration_params, osm_model::ServerMigrationParams::default());
}

#[test]
fn an_export_of_the_same_changes_nothing() {
    for (path, text) in exports() {
        let mut file = ResourceFile::parse(&text, OS_MIGRATE_VERSION).unwrap();
        for resource in file.clone().resources {
            assert_eq!(file.upsert(resource), osm_model::Upsert::Unchanged, "{}", path.display());
        }
        assert_eq!(file.to_yaml(), text);
    }
}

fn first_difference(written: &str, expected: &str) -> String {
    let mut pairs = written.lines().zip(expected.lines()).enumerate();
    match pairs.find(|(_, (one, other))| one != other) {
        Some((line, (one, other))) => format!("line {}:\n  wrote    {one:?}\n  expected {other:?}", line + 1),
        None => "one is longer".to_owned(),
    }
}
