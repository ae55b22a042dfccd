//! What validation says of good and broken data directories.
//!
//! Each case was given to OS Migrate too. Where it says less than it should, or stops with a
//! traceback, the expectation here is the better one; the comment says what it did.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use osm_model::{Error, ErrorKind, Kind, validate};

fn folder(name: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let mut paths: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| (PathBuf::from(path.file_name().unwrap()), fs::read_to_string(&path).unwrap());
    paths.into_iter().map(read).collect()
}

fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Syntax => "syntax",
        ErrorKind::UnknownType => "type",
        ErrorKind::Version => "version",
        ErrorKind::Field => "field",
        ErrorKind::Reference => "reference",
        ErrorKind::Duplicate => "duplicate",
        _ => "other",
    }
}

/// `kind file#resource field` of each error.
fn brief(errors: &[Error]) -> Vec<String> {
    let line = |error: &Error| {
        let context = error.context();
        let file = context.file.as_deref().unwrap_or_default();
        let resource = context.resource.map(|index| format!("#{index}")).unwrap_or_default();
        let field = context.field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
        format!("{} {file}{resource}{field}", kind_name(error.kind()))
    };
    errors.iter().map(line).collect()
}

/// The recorded cases and what we say. `02` is a directory without files.
const CASES: &[(&str, &[&str])] = &[
    ("00-good", &[]),
    // Refused by the peer, which does not know the type of role assignments that it exports.
    ("01-good-all-with-role-assignments", &[]),
    // A traceback of the peer.
    ("03-empty-file", &["syntax networks.yml"]),
    // A traceback of the peer.
    ("04-null-document", &["syntax networks.yml"]),
    ("05-empty-list", &[]),
    // A KeyError of the peer.
    ("06-resources-missing", &["field networks.yml resources"]),
    // A traceback of the peer.
    ("07-version-missing", &["version networks.yml"]),
    // A traceback of the peer.
    ("08-version-wrong", &["version networks.yml"]),
    // A traceback of the peer.
    ("09-not-yaml", &["syntax networks.yml"]),
    // An AttributeError of the peer.
    ("10-top-level-list", &["syntax networks.yml"]),
    ("11-type-missing", &["type networks.yml#0"]),
    ("12-type-unknown", &["type networks.yml#0"]),
    // The peer names each of the 17 members.
    ("13-params-missing", &["field networks.yml#0 params"]),
    ("14-info-and-migration-params-missing", &["field networks.yml#0 _info.id"]),
    (
        "15-param-members-missing",
        &[
            "field networks.yml#0 params.mtu",
            "field networks.yml#0 params.qos_policy_ref",
            "field networks.yml#1 params.name",
        ],
    ),
    ("16-info-member-missing", &["field networks.yml#0 _info.id"]),
    // Passed by the peer, whose imports then report a change for ever.
    ("17-unknown-member", &["field networks.yml#0 params.frobnicate"]),
    ("18-duplicate-in-one-file", &["duplicate networks.yml#4"]),
    ("19-duplicate-name-other-id", &["duplicate networks.yml#4"]),
    (
        "20-duplicate-across-files",
        &[
            "duplicate networks2.yml#0",
            "duplicate networks2.yml#1",
            "duplicate networks2.yml#2",
            "duplicate networks2.yml#3",
        ],
    ),
    ("21-name-null", &["field networks.yml#0 params.name"]),
    ("22-name-empty", &["field networks.yml#0 params.name"]),
    // Passed by the peer.
    (
        "23-wrong-value-types",
        &[
            "field networks.yml#0 params.is_shared",
            "field networks.yml#0 params.mtu",
            "field networks.yml#0 params.tags",
        ],
    ),
    (
        "24-workload-migration-param-missing",
        &["field workloads.yml#0 _migration_params.data_copy", "field workloads.yml#0 params.ports"],
    ),
    // Passed by the peer.
    (
        "25-workload-nested-broken",
        &[
            "field workloads.yml#0 params.ports[0].params.mac_address",
            "field workloads.yml#0 params.ports[0].type",
        ],
    ),
    // Passed by the peer.
    ("26-rule-duplicate", &["duplicate security_group_rules.yml#24"]),
    // An AttributeError of the peer.
    ("27-resource-not-a-mapping", &["syntax networks.yml#4"]),
    (
        "28-two-broken-files",
        &["field networks.yml#0 params.mtu", "field subnets.yml#0 params.cidr", "type subnets.yml#1"],
    ),
    // A TypeError of the peer.
    ("29-resources-null", &["field networks.yml resources"]),
];

#[test]
fn says_what_is_wrong_in_each_recorded_case() {
    for (case, expected) in CASES {
        let errors = validate(&folder(&format!("validate/{case}")));
        assert_eq!(brief(&errors), *expected, "{case}: {errors:#?}");
    }
}

/// Where OS Migrate's own verdict is wrong: it refuses the first and passes the others.
const PEER_IS_WRONG: [&str; 5] = [
    "01-good-all-with-role-assignments",
    "17-unknown-member",
    "23-wrong-value-types",
    "25-workload-nested-broken",
    "26-rule-duplicate",
];

#[test]
fn refuses_and_passes_what_the_peer_does_but_for_its_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/validate");
    let results = fs::read_to_string(root.join("results.json")).unwrap();
    let results: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&results).unwrap();
    assert_eq!(results.len(), 30);
    for (case, verdict) in &results {
        let files = if case == "02-no-files" { Vec::new() } else { folder(&format!("validate/{case}")) };
        let errors = validate(&files);
        let peer_refuses = verdict["failed"] != 0;
        let agrees = peer_refuses != errors.is_empty();
        assert_eq!(agrees, !PEER_IS_WRONG.contains(&case.as_str()), "{case}: {errors:#?}");
        // Each member that the peer misses, we name.
        for text in verdict["errors"].as_array().into_iter().flatten() {
            for missing in text.as_str().unwrap().split("Missing ").skip(1) {
                let member = missing.trim().trim_end_matches('.');
                let section = member.split_once('.').map_or(member, |(section, _)| section);
                let names = |error: &Error| {
                    let field = error.context().field.as_deref();
                    field == Some(member) || field == Some(section)
                };
                assert!(errors.iter().any(names), "{case}: {member}: {errors:#?}");
            }
        }
    }
}

#[test]
fn refuses_an_old_file_once_with_what_to_do() {
    for version in ["0.9", "0.17.0", "'0.0.1'"] {
        let text = format!(
            "os_migrate_version: {version}\nresources:\n- params:\n    flavor_name: m1\n    qos_policy_name: x\n  \
             type: openstack.compute.Server\n"
        );
        let errors = validate(&[(PathBuf::from("workloads.yml"), text)]);
        assert_eq!(brief(&errors), ["version workloads.yml"], "{errors:#?}");
        let said = errors[0].to_string();
        for part in [version.trim_matches('\''), "0.x", "1.0.5", "export again"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn passes_a_whole_export_with_role_assignments() {
    // The peer refuses its own role assignments.
    let errors = validate(&folder("export"));
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn passes_an_export_without_administrators_files() {
    let mut files = folder("export");
    files.retain(|(name, _)| Kind::OF_TENANT.iter().any(|kind| Path::new(kind.file_name()) == name));
    assert_eq!(files.len(), 11);
    assert!(validate(&files).is_empty());
}

#[test]
fn refuses_a_directory_without_files() {
    let errors = validate(&[]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("no resource file"), "{}", errors[0]);
}

#[test]
fn messages_name_file_resource_field_and_fix() {
    let errors = validate(&folder("validate/24-workload-migration-param-missing"));
    assert_eq!(
        errors[0].to_string(),
        "member `data_copy` is missing: add it (true or false, as the export wrote it), in workloads.yml, resource 0, \
         openstack.compute.Server:gp-web1:06f2a3cb-e668-4612-8f3c-01e06762cdb0, at _migration_params.data_copy"
    );
    let errors = validate(&folder("validate/09-not-yaml"));
    assert!(errors[0].to_string().ends_with("in networks.yml, line 3 column 1"), "{}", errors[0]);
    assert_eq!((errors[0].context().line, errors[0].context().column), (Some(3), Some(1)));
    let errors = validate(&folder("validate/08-version-wrong"));
    let text = errors[0].to_string();
    assert!(text.contains("1.0.4") && text.contains("1.0.5") && text.contains("networks.yml"), "{text}");
}

/// The exported file with one text replaced.
fn edited(name: &str, from: &str, to: &str) -> Vec<String> {
    let (path, text) = folder("export").into_iter().find(|(path, _)| path == Path::new(name)).unwrap();
    assert!(text.contains(from), "{from:?} is not in {name}");
    brief(&validate(&[(path, text.replacen(from, to, 1))]))
}

#[test]
fn refuses_unknown_words_in_migration_params() {
    let at = "field workloads.yml#0 _migration_params";
    assert_eq!(
        edited("workloads.yml", "floating_ip_mode: auto", "floating_ip_mode: atuo"),
        [format!("{at}.floating_ip_mode")]
    );
    assert_eq!(
        edited("workloads.yml", "port_creation_mode: nova", "port_creation_mode: null"),
        [format!("{at}.port_creation_mode")]
    );
    for mode in ["skip", "new", "existing"] {
        let to = format!("floating_ip_mode: {mode}");
        assert!(edited("workloads.yml", "floating_ip_mode: auto", &to).is_empty(), "{mode}");
    }
    assert!(edited("workloads.yml", "port_creation_mode: nova", "port_creation_mode: neutron").is_empty());
}

#[test]
fn refuses_broken_references() {
    let reference = "    network_ref:\n      domain_name: '%auth%'\n      name: 'gp backnet '\n      project_name: '%auth%'\n";
    let without = reference.replace("      project_name: '%auth%'\n", "");
    assert_eq!(
        edited("subnets.yml", reference, &without),
        ["reference subnets.yml#0 params.network_ref.project_name"]
    );
    let nameless = reference.replace("'gp backnet '", "null");
    assert_eq!(
        edited("subnets.yml", reference, &nameless),
        ["reference subnets.yml#0 params.network_ref.name"]
    );
    assert_eq!(
        edited("subnets.yml", reference, "    network_ref: some name\n"),
        ["field subnets.yml#0 params.network_ref"]
    );
    let more = format!("{reference}      region: x\n");
    assert_eq!(
        edited("subnets.yml", reference, &more),
        ["reference subnets.yml#0 params.network_ref.region"]
    );
}

#[test]
fn checks_lists_of_nested_mappings() {
    assert_eq!(
        edited("subnets.yml", "    - end: 10.10.4.62\n      start: 10.10.4.2", "    - end: 10.10.4.62"),
        ["field subnets.yml#0 params.allocation_pools[0].start"]
    );
    assert_eq!(
        edited("workloads.yml", "        - ip_address: 10.10.1.11\n", "        - ip_address: [1]\n"),
        ["field workloads.yml#0 params.ports[0].params.fixed_ips_refs[0].ip_address"]
    );
}

#[test]
fn checks_the_types_only_administrators_export() {
    assert_eq!(edited("users.yml", "    is_enabled: true\n", ""), ["field users.yml#0 params.is_enabled"]);
    assert_eq!(
        edited("projects.yml", "is_domain: false", "is_domain: perhaps"),
        ["field projects.yml#0 params.is_domain"]
    );
    assert_eq!(
        edited("user_project_role_assignments.yml", "      name: golden-pub\n", ""),
        ["reference user_project_role_assignments.yml#0 params.project_ref.name"]
    );
}

#[test]
fn a_volume_needs_no_name() {
    assert!(edited("detached_volumes.yml", "name: gp-detached-boot", "name: ''").is_empty());
    assert!(edited("detached_volumes.yml", "name: gp-detached-boot", "name: null").is_empty());
}

#[test]
fn keys_outside_params_are_the_users_own() {
    assert!(
        edited("networks.yml", "  _migration_params: {}", "  _migration_params: {note: mine}\n  note: x")
            .is_empty()
    );
    assert!(edited("networks.yml", "os_migrate_version", "note: x\nos_migrate_version").is_empty());
}

#[test]
fn keypairs_of_two_users_may_share_a_name() {
    let mut files = folder("export");
    files.retain(|(name, _)| name.to_str().unwrap().contains("keypairs"));
    assert_eq!(files.len(), 2);
    assert!(validate(&files).is_empty());
    let all_auth = files[1]
        .1
        .replace("name: golden-pub-user", "name: '%auth%'")
        .replace("name: Default", "name: '%auth%'");
    files[1].1 = all_auth.replace("domain_name: Default", "domain_name: '%auth%'");
    assert_eq!(
        brief(&validate(&files)),
        [
            "duplicate users_keypairs.yml#0",
            "duplicate users_keypairs.yml#1",
            "duplicate users_keypairs.yml#2"
        ]
    );
}
