//! `--vars`, with the real program on the lab.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;

use std::fs;

use crate::bad_input::{Bench, has};

/// A variables file that reaches both clouds of the lab.
fn vars(bench: &Bench, more: &str) -> String {
    let mut text = format!("os_migrate_data_dir: {}\n", bench.data().display());
    for (side, cloud) in [("src", bench.lab.src()), ("dst", bench.lab.dst())] {
        let who = cloud.tenant();
        text += &format!(
            "os_migrate_{side}_region_name: RegionOne\nos_migrate_{side}_auth:\n  auth_url: {}\n  username: {}\n  password: {}\n  \
             project_name: {}\n  user_domain_name: Default\n  project_domain_name: Default\n",
            who.auth_url, who.username, who.password, who.project_name
        );
    }
    let path = bench.path("os-migrate-vars.yml");
    fs::write(&path, text + more).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_variables_file_is_all_it_takes() {
    let bench = Bench::small();
    let file = vars(&bench, "os_migrate_networks_filter:\n- regex: ^small\nos_migrate_timeot: 5\n");
    let said = bench.run(&["export", "networks", "subnets", "--vars", &file]).code(0);
    said.one_line(&["networks small-net: written"]);
    said.one_line(&[
        "note: ",
        "os-migrate-vars.yml, line",
        "`os_migrate_timeot`",
        "`os_migrate_timeout` is the nearest",
    ]);
    bench.run(&["validate", "--vars", &file]).code(0);
    bench.run(&["import", "--vars", &file]).code(0).one_line(&["subnets small-subnet: created"]);
    // What is typed counts more.
    let said = bench.run(&["export", "networks", "--vars", &file, "--name", "nothing"]).code(0);
    said.one_line(&["nothing to do"]);
    let said = bench.run(&["export", "--vars", &file, "--src", "nowhere"]).code(2);
    has(&said.err, &["nowhere"]);
}

#[test]
fn an_empty_filter_and_unchecked_files() {
    let bench = Bench::small();
    let file = vars(&bench, "os_migrate_networks_filter: []\nos_migrate_validate_files: false\n");
    bench.run(&["export", "networks", "--vars", &file]).code(0).one_line(&["nothing to do"]);
    fs::write(bench.data().join("broken.yml"), "os_migrate_version: 1.0.5\nresources: [{type: x}]\n")
        .unwrap();
    bench.run(&["import", "networks", "--vars", &file]).code(0);
    bench.run(&["validate", "--vars", &file]).code(2);
}

#[test]
fn what_is_missing_is_named() {
    let bench = Bench::small();
    let path = bench.path("empty.yml");
    fs::write(&path, "# nothing yet\n").unwrap();
    let path = path.to_str().unwrap();
    let said = bench.run(&["export", "--vars", path]).code(2);
    said.one_message(&["--data-dir DIR", "os_migrate_data_dir"]);
    let data = bench.data();
    let said = bench.run(&["export", "--vars", path, "--data-dir", data.to_str().unwrap()]).code(2);
    said.one_message(&["--src CLOUD", "os_migrate_src_auth"]);
    let said = bench.run(&["export", "--vars", "/nowhere/vars.yml"]).code(2);
    said.one_message(&["/nowhere/vars.yml", "cannot be read"]);
}

#[test]
fn a_clouds_file_in_the_data_directory_will_do() {
    let bench = Bench::small();
    fs::create_dir(bench.data()).unwrap();
    bench.lab.write_clouds_yaml(&bench.data().join("clouds.yaml")).unwrap();
    let file = bench.path("vars.yml");
    fs::write(&file, format!("os_migrate_data_dir: {}\n", bench.data().display())).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_osm-cli"));
    let output = command.args(["export", "networks", "--vars"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
