//! The files that OS Migrate wrote from a real cloud, imported as they are.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use osm_model::{OS_MIGRATE_VERSION, ResourceFile};

use crate::bad_input::{Bench, only_read};

const KINDS: [&str; 7] = [
    "networks",
    "subnets",
    "security_groups",
    "security_group_rules",
    "routers",
    "router_interfaces",
    "keypairs",
];

#[test]
fn files_of_os_migrate_import_as_they_are_and_once() {
    let bench = Bench::empty();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../osm-openstack/tests/golden/public/export");
    for kind in KINDS {
        let name = format!("{kind}.yml");
        bench.write(&name, &fs::read_to_string(golden.join(&name)).unwrap());
    }
    let said = bench.import(&KINDS).code(0);
    assert!(!said.out.contains('!'), "{}", said.out);
    bench.lab.dst().clear_requests();
    let again = bench.import(&KINDS).code(0);
    assert!(again.out.lines().last().unwrap().ends_with(" unchanged"), "{}", again.out);
    assert!(!again.out.contains("updated") && !again.out.contains("created"), "{}", again.out);
    only_read(bench.lab.dst());

    // What the destination has differs in ids and times only.
    let back = bench.path("back");
    let mut export = bench.command(&["export", "--src", "dst", "--data-dir", back.to_str().unwrap()]);
    assert!(export.args(KINDS).output().unwrap().status.success());
    for kind in KINDS {
        let name = format!("{kind}.yml");
        let (there, here) = (params(&golden.join(&name)), params(&back.join(&name)));
        let lost: Vec<_> = there.difference(&here).collect();
        assert!(lost.is_empty(), "{kind}: {lost:#?}\nof {here:#?}");
    }
}

/// The params of each resource; the group `default` describes itself, and the addresses of slaac
/// subnets follow from the MAC address of the port, which is another one.
fn params(path: &Path) -> BTreeSet<String> {
    let file = ResourceFile::parse(&fs::read_to_string(path).unwrap(), OS_MIGRATE_VERSION).unwrap();
    let own = file.resources.iter().filter(|resource| resource.filter_name() != Some("default"));
    let text = |text: String| match text.split_once(":f816:3eff:") {
        Some((before, after)) => format!("{before}:slaac{}", after.split_once('"').unwrap().1),
        None => text,
    };
    own.map(|resource| text(resource.to_node().to_json()["params"].to_string())).collect()
}
