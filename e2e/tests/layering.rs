//! Who may import whom (ARCHITECTURE.md, "Crates"), and how long a file may be.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A file longer than this is two files.
const LONGEST_FILE: usize = 600;

/// Crate, the crates of ours it may import, crates it must never import.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("osm-model", &[], &["tokio", "reqwest", "axum", "clap", "rusqlite", "async-trait"]),
    ("osm-transfer", &[], &["reqwest", "axum", "clap", "rusqlite", "serde_yaml"]),
    ("osm-openstack", &["osm-model"], &["axum", "clap", "rusqlite", "nbd"]),
    ("osm-vmware", &["osm-model", "osm-transfer"], &["axum", "clap", "rusqlite"]),
    (
        "osm-migrate",
        &["osm-model", "osm-openstack", "osm-transfer", "osm-vmware"],
        &["axum", "clap", "indicatif", "reqwest"],
    ),
    (
        "osm-cli",
        &["osm-lab", "osm-migrate", "osm-model", "osm-openstack", "osm-transfer", "osm-vmware"],
        &["axum", "reqwest", "rusqlite"],
    ),
    ("osm-lab", &["osm-transfer"], &["clap", "reqwest", "rusqlite", "serde_yaml"]),
];

/// Crates that hold no `unsafe` at all.
const SAFE_CRATES: &[&str] = &["osm-model", "osm-openstack", "osm-migrate", "osm-cli", "osm-lab"];

/// Where the others keep theirs: system calls, and VMware's library.
const UNSAFE_PLACES: &[(&str, &[&str])] =
    &[("osm-transfer", &["sys/"]), ("osm-vmware", &["vddk/ffi.rs", "vddk/library.rs"])];

#[test]
fn crates_import_only_what_their_layer_allows() {
    let dependencies = direct_dependencies();
    for (name, ours, never) in LAYERS {
        let found = dependencies.get(*name).unwrap_or_else(|| panic!("{name} is not in the workspace"));
        for dependency in found {
            assert!(!never.contains(&dependency.as_str()), "{name} must not import {dependency}");
            assert!(
                !dependency.starts_with("osm-") || ours.contains(&dependency.as_str()),
                "{name} must not import {dependency}"
            );
        }
    }
}

#[test]
fn the_lab_is_optional_for_the_command_line() {
    let metadata = metadata();
    let cli = package(&metadata, "osm-cli");
    let lab = array(&cli["dependencies"])
        .iter()
        .find(|dependency| dependency["name"] == "osm-lab" && dependency["kind"].is_null())
        .expect("osm-cli imports osm-lab");
    assert_eq!(lab["optional"], true);
    assert_eq!(cli["features"]["default"], serde_json::json!(["demo"]));
}

#[test]
fn crates_without_unsafe_forbid_it() {
    for name in SAFE_CRATES {
        let folder = root().join(name).join("src");
        let top = ["lib.rs", "main.rs"].iter().map(|file| folder.join(file)).find(|file| file.exists());
        let text = fs::read_to_string(top.expect("a crate has a top file")).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{name} must forbid unsafe code");
    }
}

#[test]
fn unsafe_blocks_stand_where_they_are_expected() {
    for (name, places) in UNSAFE_PLACES {
        let folder = root().join(name).join("src");
        for file in rust_files(&folder) {
            let within = file.strip_prefix(&folder).expect("in the folder").to_str().expect("plain names");
            let is_expected = places.iter().any(|place| within.starts_with(place));
            let text = fs::read_to_string(&file).unwrap();
            let uses =
                text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("unsafe {"));
            assert!(is_expected || !uses, "{} holds unsafe code outside {places:?}", file.display());
        }
    }
}

#[test]
fn no_file_passes_the_wall() {
    let mut too_long = Vec::new();
    for folder in members() {
        for file in rust_files(&folder) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > LONGEST_FILE {
                too_long.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    assert!(too_long.is_empty(), "split these: {too_long:#?}");
}

#[test]
fn file_names_say_what_lives_there() {
    const NAMELESS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager", "handler"];
    for folder in members() {
        for file in rust_files(&folder) {
            let names = file.strip_prefix(root()).expect("inside the workspace").with_extension("");
            let nameless = names.iter().filter_map(|part| part.to_str()).find(|part| NAMELESS.contains(part));
            assert_eq!(nameless, None, "{}", file.display());
        }
    }
}

/// The crates that every package imports for its library or binary, by package.
fn direct_dependencies() -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for package in array(&metadata()["packages"]) {
        let normal = array(&package["dependencies"])
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| {
                text(dependency.get("rename").filter(|name| name.is_string()).unwrap_or(&dependency["name"]))
            })
            .collect();
        all.insert(text(&package["name"]), normal);
    }
    all
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn package<'a>(metadata: &'a Value, name: &str) -> &'a Value {
    array(&metadata["packages"])
        .iter()
        .find(|package| package["name"] == name)
        .expect("a package of that name")
}

fn members() -> Vec<PathBuf> {
    array(&metadata()["packages"])
        .iter()
        .map(|package| Path::new(&text(&package["manifest_path"])).parent().expect("a folder").to_path_buf())
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
