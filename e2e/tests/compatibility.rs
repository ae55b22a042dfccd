//! `docs/compatibility.md` decides every quirk and names tests that exist.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/compatibility.md")).unwrap()
}

/// The rows of its tables, cell by cell.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Every function of the workspace's sources.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            functions(&path, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1);
            let word =
                |rest: &str| rest.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            found.extend(names.map(word));
            // The golden tests are a list in a macro.
            let list = text.split("same_file! {").nth(1).and_then(|rest| rest.split('}').next());
            found.extend(list.into_iter().flat_map(str::split_whitespace).map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_page_names_exists() {
    let mut known = BTreeSet::new();
    functions(&root(), &mut known);
    let page = page();
    let mut named = 0;
    for row in rows(&page).iter().filter(|row| *row.last().unwrap() != "shown by") {
        let tests: Vec<&str> = row.last().unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || row.contains(&"open"), "{row:?} names no test");
        named += tests.len();
        let missing: Vec<_> = tests.iter().filter(|test| !known.contains(**test)).collect();
        assert!(missing.is_empty(), "{row:?} names {missing:?}");
    }
    assert!(named > 60, "{named}");
}

#[test]
fn every_quirk_is_decided_and_every_fault_answered() {
    let page = page();
    let rows = rows(&page);
    for quirk in 1..=34 {
        let name = format!("Q{quirk}");
        let decisions: Vec<_> = rows.iter().filter(|row| row[0] == name).collect();
        let [decision] = decisions.as_slice() else { panic!("{name}: {decisions:?}") };
        assert!(["kept", "fixed", "open"].iter().any(|word| decision[2].starts_with(word)), "{decision:?}");
    }
    for fault in 1..=10 {
        assert!(rows.iter().any(|row| row[0] == fault.to_string()), "fault {fault}");
    }
}
