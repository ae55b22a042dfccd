//! `--check` tells what would be done and does nothing; `--output json` tells it line by line.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use bad_input::{Bench, files, only_read};
use serde_json::Value;

fn lines<'a>(said: &'a [Value], event: &str) -> Vec<&'a Value> {
    said.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn a_checked_import_writes_nothing_and_foresees_the_import() {
    let bench = Bench::with_files();
    let before = bench.lab.dst().counts();
    let check = bench.import(&["--check", "--output", "json"]).code(0);
    only_read(bench.lab.dst());
    assert_eq!(bench.lab.dst().counts(), before);

    let real = bench.import(&["--output", "json"]).code(0);
    let results = |said: &[Value]| -> Vec<_> {
        let of = |line: &&Value| (line["kind"].clone(), line["name"].clone(), line["result"].clone());
        lines(said, "imported").iter().map(of).collect()
    };
    assert_eq!(results(&check.lines()).len(), 5, "{}", check.out);
    assert_eq!(results(&check.lines()), results(&real.lines()), "{}\n{}", check.out, real.out);
    assert_eq!((&check.summary()["changed"], &check.summary()["created"]), (&true.into(), &5.into()));

    // What would be made has no id yet; what is made has both.
    for line in lines(&check.lines(), "imported") {
        assert!(line["destination_id"].is_null(), "{line}");
    }
    let networks = real.lines();
    let front = networks.iter().find(|line| line["name"] == "front").unwrap();
    assert_eq!((&front["source_id"], &front["result"]), (&"id-of-front".into(), &"changed".into()));
    assert!(front["destination_id"].is_string(), "{front}");

    let again = bench.import(&["--check", "--output", "json"]).code(0);
    assert_eq!((&again.summary()["changed"], &again.summary()["unchanged"]), (&false.into(), &5.into()));
    bench.edit("networks.yml", "mtu: 1450", "mtu: 1400");
    bench.lab.dst().clear_requests();
    let updates = bench.import(&["--check", "--output", "json"]).code(0);
    only_read(bench.lab.dst());
    assert_eq!((&updates.summary()["updated"], &updates.summary()["unchanged"]), (&2.into(), &3.into()));
}

#[test]
fn a_whole_tenant_is_checked_before_anything_of_it_is_there() {
    let bench = Bench::empty();
    bench.lab.seed_demo_tenant().unwrap();
    bench.export(&[]).code(0);
    bench.lab.dst().clear_requests();
    let check = bench.import(&["--check", "--output", "json"]);
    only_read(bench.lab.dst());
    let check = check.code(0);
    let real = bench.import(&["--output", "json"]).code(0);
    for count in ["created", "failed", "changed"] {
        assert_eq!(check.summary()[count], real.summary()[count], "{count}\n{}\n{}", check.out, real.out);
    }
}

#[test]
fn a_check_of_one_kind_counts_on_the_files_of_the_others() {
    let bench = Bench::with_files();
    let check = bench.import(&["subnets", "--check", "--output", "json"]).code(0);
    only_read(bench.lab.dst());
    assert_eq!(lines(&check.lines(), "imported").len(), 2, "{}", check.out);
    assert_eq!(check.summary()["created"], 2, "{}", check.out);
    std::fs::remove_file(bench.data().join("networks.yml")).unwrap();
    bench.import(&["subnets", "--check"]).code(1);
}

#[test]
fn a_check_fails_where_the_import_would() {
    let bench = Bench::with_files();
    bench.edit("subnets.yml", "name: back\n", "name: elsewhere\n");
    let check = bench.import(&["--check", "--output", "json"]).code(1);
    only_read(bench.lab.dst());
    let said = check.lines();
    let failed: Vec<_> = said.iter().filter(|line| line["result"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{}", check.out);
    assert_eq!(failed[0]["name"], "back-subnet");
    assert!(failed[0]["error"].as_str().unwrap().contains("elsewhere"), "{}", failed[0]);
}

#[test]
fn a_checked_export_writes_no_file() {
    let bench = Bench::small();
    let check = bench.export(&["--check", "--output", "json"]).code(0);
    bench.source_is_untouched();
    assert_eq!(files(&bench.data()), Vec::<String>::new());
    assert!(!bench.data().exists());
    let real = bench.export(&["--output", "json"]).code(0);
    assert_eq!(check.summary()["written"], real.summary()["written"]);
    assert_eq!(check.summary()["changed"], true);
    for line in lines(&real.lines(), "exported") {
        assert!(line["source_id"].is_string() && line["destination_id"].is_null(), "{line}");
        assert_eq!((&line["outcome"], &line["result"]), (&"written".into(), &"changed".into()), "{line}");
    }
    let again = bench.export(&["--check", "--output", "json"]).code(0);
    assert_eq!(again.summary()["changed"], false, "{}", again.out);
}

#[test]
fn people_are_told_what_would_be_done() {
    let bench = Bench::with_files();
    let check = bench.import(&["networks", "--check"]).code(0);
    check.one_line(&["networks front: would be created"]);
    check.one_line(&["2 created (a check: nothing was written)"]);
}

#[test]
fn a_validation_ends_with_a_summary() {
    let bench = Bench::with_files();
    let data = bench.data();
    let said = bench.run(&["validate", "--data-dir", data.to_str().unwrap(), "--output", "json"]).code(0);
    assert_eq!((&said.summary()["changed"], &said.summary()["failed"]), (&false.into(), &0.into()));
}
