//! What an administrator moves, from one cloud of the lab to the other, through `osm-cli`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use osm_lab::{Lab, LabOptions};
use serde_json::Value;
use tempfile::TempDir;

struct Clouds {
    lab: Lab,
    dir: TempDir,
}

impl Clouds {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab::start(LabOptions::new(dir.path().join("lab"))).unwrap();
        lab.seed_organisation();
        lab.write_clouds_yaml(&dir.path().join("clouds.yaml")).unwrap();
        Self { lab, dir }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn osm(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osm-cli"));
        command.arg("--clouds").arg(self.dir.path().join("clouds.yaml"));
        command.args(["--output", "json"]).args(words).arg("--data-dir").arg(self.data());
        command.output().unwrap()
    }

    /// What was asked of the destination but reading and logging in.
    fn writes(&self) -> Vec<String> {
        let requests = self.lab.dst().requests();
        let writes = requests.iter().filter(|it| it.method != "GET" && !it.path.ends_with("/auth/tokens"));
        writes.map(|it| format!("{} {}", it.method, it.path)).collect()
    }
}

fn events(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn succeeded(output: &Output) -> Vec<Value> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    events(output)
}

fn outcomes(events: &[Value]) -> Vec<[Value; 3]> {
    let imported = events.iter().filter(|event| event["event"] == "imported");
    imported.map(|event| ["kind", "name", "outcome"].map(|member| event[member].clone())).collect()
}

#[test]
fn an_organisation_arrives_and_a_second_import_writes_nothing() {
    let clouds = Clouds::new();
    succeeded(&clouds.osm(&["export", "--admin", "--src", "src-admin"]));
    let projects = fs::read_to_string(clouds.data().join("projects.yml")).unwrap();
    let place = |name: &str| projects.find(&format!("    name: {name}\n    parent_ref:")).unwrap();
    assert!(place("acme-dev") < place("acme"), "the child stands before its parent: {projects}");
    assert!(!clouds.data().join("networks.yml").exists());
    succeeded(&clouds.osm(&["validate"]));
    clouds.lab.dst().clear_requests();
    let foreseen = succeeded(&clouds.osm(&["import", "--admin", "--dst", "dst-admin", "--check"]));
    assert_eq!(clouds.writes(), Vec::<String>::new());
    let created = succeeded(&clouds.osm(&["import", "--admin", "--dst", "dst-admin"]));
    for (kind, name) in [
        ("projects", "acme-dev"),
        ("users", "bob"),
        ("user_project_role_assignments", "bob: auditor in acme"),
        ("users_keypairs", "alice: laptop"),
        ("flavors", "acme.own"),
    ] {
        let made =
            |event: &&Value| event["kind"] == kind && event["name"] == name && event["outcome"] == "created";
        assert!(created.iter().any(|event| made(&event)), "{kind} {name}: {created:?}");
    }
    assert_eq!(outcomes(&foreseen), outcomes(&created), "a check foresees the import");
    clouds.lab.dst().clear_requests();
    succeeded(&clouds.osm(&["import", "--admin", "--dst", "dst-admin"]));
    assert_eq!(clouds.writes(), Vec::<String>::new());
}

#[test]
fn a_tenant_is_refused_and_told_what() {
    let clouds = Clouds::new();
    let output = clouds.osm(&["export", "users", "--src", "src"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("identity:list_users"), "{text}");
    assert!(!clouds.data().join("users.yml").exists());
}

#[test]
fn a_role_that_is_missing_fails_its_assignments_only() {
    let clouds = Clouds::new();
    succeeded(&clouds.osm(&["export", "--admin", "--src", "src-admin"]));
    let path = clouds.data().join("user_project_role_assignments.yml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("name: auditor", "name: absent-role")).unwrap();
    let output = clouds.osm(&["import", "--admin", "--dst", "dst-admin"]);
    assert_eq!(output.status.code(), Some(1));
    let failed: Vec<Value> =
        events(&output).into_iter().filter(|event| event["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0]["error"].as_str().unwrap().contains("role `absent-role`"), "{failed:?}");
}

#[test]
fn what_is_not_there_is_named_and_fails_what_needs_it_only() {
    let clouds = Clouds::new();
    succeeded(&clouds.osm(&["export", "--admin", "--src", "src-admin"]));
    let path = clouds.data().join("projects.yml");
    let text = fs::read_to_string(&path).unwrap();
    let import = |text: &str| {
        fs::write(&path, text).unwrap();
        let output = clouds.osm(&["import", "projects", "--dst", "dst-admin"]);
        assert_eq!(output.status.code(), Some(1));
        let failed = events(&output).into_iter().filter(|event| event["outcome"] == "failed");
        failed.map(|event| (event["name"].clone(), event["error"].to_string())).collect::<Vec<_>>()
    };
    // A domain is the cloud's own: it is not made.
    let elsewhere = text.replacen(
        "domain_ref:\n      domain_name: null\n      name: Default",
        "domain_ref:\n      domain_name: null\n      name: elsewhere",
        1,
    );
    assert_ne!(elsewhere, text);
    let failed = import(&elsewhere);
    assert!(
        failed.iter().any(|(_, error)| error.contains("elsewhere") && error.contains("params.domain_ref")),
        "{failed:?}"
    );
    // Nor is a parent that no file has.
    let orphan = text.replacen(
        "parent_ref:\n      domain_name: Default\n      name: acme",
        "parent_ref:\n      domain_name: Default\n      name: nobody",
        1,
    );
    assert_ne!(orphan, text);
    let failed = import(&orphan);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1.contains("nobody") && failed[0].1.contains("params.parent_ref"), "{failed:?}");
}

#[test]
fn a_tenant_cannot_import_what_is_the_clouds() {
    let clouds = Clouds::new();
    succeeded(&clouds.osm(&["export", "--admin", "--src", "src-admin"]));
    let output = clouds.osm(&["import", "users", "--dst", "dst"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("status 403") && text.contains("such as an administrator"), "{text}");
    assert_eq!(clouds.writes(), Vec::<String>::new());
}
