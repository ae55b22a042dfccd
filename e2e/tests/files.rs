//! Files between clouds: what is exported from the destination is what was exported from the source,
//! and files that OS Migrate wrote are imported as they are. On the lab, or on the real clouds that
//! the environment describes (`e2e/openstack/README.md`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use osm_e2e::{Run, Stage};
use serde_json::{Value, json};

/// What belongs to conversion hosts stays where it is.
const NOT_OF_CONVERSION_HOSTS: &str = "^(?!os_migrate_conv)";

/// All kinds that have no disks, in the order of their dependencies.
const KINDS: [&str; 8] = [
    "networks",
    "subnets",
    "security_groups",
    "security_group_rules",
    "routers",
    "router_interfaces",
    "images",
    "keypairs",
];

#[test]
fn the_destination_is_exported_as_the_source_was() {
    let stage = Stage::set().unwrap();
    let (there, back) = (stage.data_dir.join("there"), stage.data_dir.join("back"));
    export(&stage, "src", &there);
    import(&stage, &there);
    export(&stage, "dst", &back);
    for kind in KINDS {
        let (source, copy) = (params(&there, kind), params(&back, kind));
        assert!(!source.is_empty(), "{kind}: the tenant has some, or nothing is shown");
        for resource in &source {
            assert!(copy.contains(resource), "{kind}: the destination lacks {resource:#}\nit has {copy:#?}");
        }
        // On the real clouds other scenarios leave things in the destination.
        assert!(stage.is_real() || copy.len() == source.len(), "{kind}: {copy:#?}");
    }
}

#[test]
fn files_of_os_migrate_import_as_they_are_and_once() {
    let stage = Stage::set().unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../osm-openstack/tests/golden/public/export");
    let data = stage.data_dir.join("golden");
    fs::create_dir_all(data.join("image_blobs")).unwrap();
    let files = KINDS.iter().map(|kind| format!("{kind}.yml")).collect::<Vec<_>>();
    let blobs = fs::read_dir(recorded.join("image_blobs")).unwrap();
    let blobs: Vec<PathBuf> = blobs.map(|blob| blob.unwrap().path()).collect();
    for file in &files {
        fs::copy(recorded.join(file), data.join(file)).unwrap();
    }
    for blob in &blobs {
        fs::copy(blob, data.join("image_blobs").join(blob.file_name().unwrap())).unwrap();
    }
    let before = stage.writes().unwrap();
    let first = import(&stage, &data);
    assert_eq!(first.summary()["failed"], 0, "{:#?}", first.events);
    let written = stage.writes().unwrap();
    assert!(written > before, "an import is seen in the destination's account");
    let again = import(&stage, &data);
    let summary = again.summary();
    assert_eq!((&summary["created"], &summary["updated"]), (&json!(0), &json!(0)), "{:#?}", again.events);
    assert_eq!(stage.writes().unwrap(), written, "the second import asks for no change");
}

fn export(stage: &Stage, cloud: &str, data: &Path) {
    let arguments =
        ["--data-dir", data.to_str().unwrap(), "--src", cloud, "--regex", NOT_OF_CONVERSION_HOSTS];
    Run::of(&stage.clouds, &[&["export"], &KINDS[..], &arguments].concat()).unwrap().expect_code(0);
}

fn import(stage: &Stage, data: &Path) -> Run {
    let arguments = ["--data-dir", data.to_str().unwrap(), "--dst", "dst"];
    Run::of(&stage.clouds, &[&["import"], &KINDS[..], &arguments].concat()).unwrap().expect_code(0)
}

/// What a person may edit of every resource of a file: all but ids and times.
fn params(data: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(data.join(format!("{kind}.yml"))).unwrap();
    let file: Value = serde_yaml::from_str(&text).unwrap();
    let resources = file["resources"].as_array().unwrap();
    let params = resources.iter().map(|resource| {
        let mut params = resource["params"].clone();
        // Neutron's own rules have none; a rule that was made without one has an empty one.
        if params["description"].is_null() {
            params["description"] = json!("");
        }
        params
    });
    params.collect()
}
