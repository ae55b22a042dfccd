//! Resource files and arguments that are wrong.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use std::fs;

use crate::bad_input::{Bench, Said, has, network, resources};

/// A file for each way a file can be wrong, and what must be said of it.
fn wrong_files(bench: &Bench) -> Vec<Vec<&'static str>> {
    let wrong_type = network("one").replace("mtu: 1450", "mtu: big");
    let unknown_key = network("two").replace("    mtu: 1450\n", "    mtu: 1450\n    colour: red\n");
    let no_type = network("three").replace("openstack.network.Network", "openstack.network.Netwrok");
    let twin = network("two").replace("id-of-two", "id-of-its-twin");
    bench.write("networks.yml", &resources(&[wrong_type, unknown_key, no_type, twin]));
    bench.write("routers.yml", "os_migrate_version: 1.0.4\nresources: []\n");
    bench.write("subnets.yml", "os_migrate_version: 1.0.5\nresources: [\n");
    bench.write("keypairs.yml", "just a sentence\n");
    vec![
        vec!["networks.yml", "resource 0", ":one:id-of-one", "params.mtu", "whole number", "\"big\""],
        vec!["networks.yml", "resource 1", ":two:id-of-two", "params.colour", "unknown key"],
        vec!["networks.yml", "resource 2", "openstack.network.Netwrok", "unknown resource type"],
        vec!["networks.yml", "resource 3", "duplicate", "resource 1 in", "rename"],
        vec!["routers.yml", "1.0.4", "expected 1.0.5", "export again"],
        vec!["subnets.yml", "not valid YAML", "line 3"],
        vec!["keypairs.yml"],
    ]
}

#[track_caller]
fn one_error_each(said: &Said, errors: &[String], wanted: &[Vec<&str>]) {
    for parts in wanted {
        let fitting = errors.iter().filter(|error| parts.iter().all(|part| error.contains(part))).count();
        assert_eq!(fitting, 1, "{parts:?} in\n{said:?}");
    }
    assert_eq!(errors.len(), wanted.len(), "{errors:#?}");
}

#[test]
fn every_error_of_every_file_is_told_with_file_resource_and_field() {
    let bench = Bench::empty();
    let wanted = wrong_files(&bench);
    let data = bench.data();
    let validate = bench.run(&["validate", "--data-dir", data.to_str().unwrap()]).code(2);
    let import = bench.import(&[]).code(2);
    let migrate =
        bench.run(&["migrate", "--src", "src", "--dst", "dst", "--data-dir", data.to_str().unwrap()]).code(2);
    for said in [&validate, &import, &migrate] {
        assert_eq!(said.out, "", "errors go to standard error");
        let mut lines: Vec<String> = said.err.lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap();
        has(&last, &["osm-cli: ", "7 errors in ", "data"]);
        one_error_each(said, &lines, &wanted);
    }
    assert_eq!(bench.lab.dst().requests(), [], "no cloud was asked anything");
    assert_eq!(bench.lab.src().requests(), []);
    assert!(!data.join("state.db").exists(), "no state was made");
}

#[test]
fn every_error_of_every_file_is_a_json_line() {
    let bench = Bench::empty();
    let wanted = wrong_files(&bench);
    let said = bench.run(&["validate", "--output", "json", "--data-dir", bench.data().to_str().unwrap()]);
    let error = said.error_line(2);
    has(error["message"].as_str().unwrap(), &["7 errors in "]);
    let of_files = said.lines().into_iter().filter(|line| line["event"] == "invalid");
    let errors: Vec<String> = of_files.map(|line| line["error"].as_str().unwrap().to_owned()).collect();
    one_error_each(&said, &errors, &wanted);
}

#[test]
fn a_file_in_another_encoding_is_named() {
    let bench = Bench::with_files();
    fs::write(bench.data().join("networks.yml"), b"os_migrate_version: \xff\n").unwrap();
    bench.import(&[]).code(2).one_message(&["networks.yml", "UTF-8"]);
    assert_eq!(bench.lab.dst().requests(), []);
}

#[test]
fn a_wrong_file_is_not_replaced_by_an_export() {
    let bench = Bench::small();
    let mine = "os_migrate_version: 1.0.5\nresources: [\n";
    bench.write("networks.yml", mine);
    let said = bench.export(&["networks", "subnets"]).code(1);
    said.one_line(&["! networks: ", "networks.yml", "not valid YAML"]);
    said.one_line(&["subnets small-subnet: written"]);
    assert_eq!(fs::read_to_string(bench.data().join("networks.yml")).unwrap(), mine);
    bench.source_is_untouched();
}

#[test]
fn an_unknown_kind_is_named_with_the_kinds_there_are() {
    let bench = Bench::empty();
    for said in [bench.export(&["networks", "nets"]), bench.import(&["nets"])] {
        said.code(2).one_message(&["`nets`", "networks, subnets, security_groups"]);
    }
    assert_eq!(bench.lab.src().requests(), []);
}

#[test]
fn a_bad_regular_expression_is_named() {
    let bench = Bench::empty();
    bench.export(&["--regex", "web("]).code(2).one_message(&[
        "`web(`",
        "not a regular expression",
        "parenthesis",
    ]);
    assert_eq!(bench.lab.src().requests(), []);
}

#[test]
fn a_missing_argument_is_named() {
    let bench = Bench::empty();
    let said = bench.run(&["export", "--src", "src"]).code(2);
    has(&said.err, &["--data-dir <DIR>", "Usage: "]);
    let error = bench.run(&["export", "--src", "src", "--output", "json"]).error_line(2);
    has(error["message"].as_str().unwrap(), &["required", "--data-dir <DIR>"]);
    let error = bench.run(&["--output=json", "exprot"]).error_line(2);
    has(error["message"].as_str().unwrap(), &["exprot"]);
}

#[test]
fn a_data_directory_without_files_is_told_what_to_do() {
    let bench = Bench::empty();
    let data = bench.data();
    let verbs: [&[&str]; 4] = [
        &["validate"],
        &["import", "--dst", "dst"],
        &["migrate", "--src", "src", "--dst", "dst"],
        &["status"],
    ];
    for verb in verbs {
        let words = [verb, &["--data-dir", data.to_str().unwrap()]].concat();
        bench.run(&words).code(2).one_message(&[
            "data directory",
            data.to_str().unwrap(),
            "export something",
        ]);
        assert!(!data.exists(), "{verb:?} made it");
    }
    fs::create_dir(&data).unwrap();
    for verb in verbs.iter().filter(|verb| **verb != ["status"]) {
        let words = [verb, &["--data-dir", data.to_str().unwrap()][..]].concat();
        let said = bench.run(&words).code(2);
        has(&said.err, &["no resource file", "export something first", "1 error in "]);
    }
    bench.run(&["status", "--data-dir", data.to_str().unwrap()]).code(0).one_line(&["no workload"]);
}

#[test]
fn a_data_directory_that_is_a_file_is_refused() {
    let bench = Bench::small();
    fs::write(bench.data(), "mine").unwrap();
    bench.export(&[]).code(2).one_message(&["data directory", bench.data().to_str().unwrap()]);
    bench.import(&[]).code(2).one_message(&["data directory", bench.data().to_str().unwrap()]);
    assert_eq!(fs::read_to_string(bench.data()).unwrap(), "mine");
    bench.source_is_untouched();
}

#[test]
fn what_has_disks_is_not_imported() {
    let bench = Bench::small();
    bench.export(&[]).code(0);
    for kind in ["workloads", "detached_volumes"] {
        bench.import(&["networks", kind]).code(2).one_message(&[kind, "`osm-cli migrate`"]);
    }
    assert_eq!(bench.lab.dst().requests(), []);
    let said = bench.import(&[]).code(0);
    assert!(!said.out.contains("workloads") && !said.out.contains("skipped"), "{}", said.out);
}

#[test]
fn what_has_no_name_is_told_by_what_it_belongs_to() {
    let bench = Bench::small();
    let said = bench.export(&["security_groups", "security_group_rules"]).code(0);
    said.one_line(&["security_group_rules default: egress any: written"]);
    said.one_line(&["security_group_rules default: ingress any from group default: written"]);
    assert!(!said.out.contains("no name"), "{}", said.out);
    said.one_line(&["5 written"]);
}

#[test]
fn a_name_that_nothing_has_is_said_to_be_nothing() {
    let bench = Bench::small();
    bench.export(&["networks", "--name", "smal-net"]).code(0).one_line(&["nothing to do"]);
}
