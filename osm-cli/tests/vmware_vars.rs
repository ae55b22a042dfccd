//! AC7: the variables of the VMware migration kit, with the real program on the lab.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use machines::*;
use osm_lab::vcenter::VCenter;
use osm_migrate::Vars;
use serde_json::Value;

/// A `vars.yaml` as a user of the kit has it: this vCenter, this cloud, and `more`.
fn vars(stage: &Stage, more: &str) -> PathBuf {
    let who = stage.lab.dst().tenant();
    let text = format!(
        "vcenter_hostname: {}\nvcenter_username: {}\nvcenter_password: '{}'\nvcenter_ca_cert: {}\n\
         os_migrate_vmw_data_dir: {}\ndst_cloud:\n  auth:\n    auth_url: {}\n    username: {}\n    password: {}\n    \
         project_name: {}\n    project_id: {}\n    user_domain_name: Default\n  region_name: RegionOne\n  \
         interface: public\n  identity_api_version: 3\n{more}",
        stage.vcenter.url(),
        VCenter::USER,
        VCenter::PASSWORD,
        stage.dir.path().join("ca.pem").display(),
        stage.data_dir().display(),
        who.auth_url,
        who.username,
        who.password,
        who.project_name,
        who.project_id,
    );
    let path = stage.dir.path().join("vars.yaml");
    fs::write(&path, text).unwrap();
    path
}

/// `osm-cli vmware VERB --vars FILE`, with nothing typed that the variables say.
fn osm(stage: &Stage, verb: &str, more: &str, words: &[&str]) -> Command {
    let file = vars(stage, more);
    let mut command = stage.osm(&["vmware", verb, "--vars"]);
    command.arg(file);
    if verb != "inventory" {
        let devices = stage.lab.dst().device_dir("os_migrate_conv_dst");
        let host = format!("local:os_migrate_conv_dst,devices={}", devices.display());
        command.args(["--dst-host", &host, "--read-by", "datastore", "--convert", "none"]);
    }
    command.args(words);
    command
}

fn succeeds(stage: &Stage, verb: &str, more: &str, words: &[&str]) -> Vec<Value> {
    success(&osm(stage, verb, more, words).output().unwrap())
}

/// The exit code of a run that fails, and what it said.
fn fails(stage: &Stage, verb: &str, more: &str, words: &[&str]) -> (Option<i32>, String) {
    let output = osm(stage, verb, more, words).output().unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    (output.status.code(), text(&output))
}

/// What the destination was asked to make, by the last part of the path.
fn made(stage: &Stage, what: &str) -> Vec<Value> {
    let requests = stage.lab.dst().requests().into_iter();
    let of_kind = requests.filter(|it| it.method == "POST" && it.path.ends_with(what));
    of_kind.map(|it| serde_json::from_str(&it.body).unwrap()).collect()
}

fn outcome(lines: &[Value]) -> &str {
    events(lines, "workload_done")[0]["outcome"].as_str().unwrap()
}

#[tokio::test]
async fn ac7_01_two_variables_seed_twice_and_cut_over() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.lab.dst().clear_requests();
    for pass in 0..2 {
        let lines = succeeds(&stage, "migrate", "cbt_sync: true\ncutover: false\n", &[]);
        assert_eq!(outcome(&lines), "seeded");
        assert_eq!(lines.last().unwrap()["changed"], true);
        stage.holds_last_snapshot(&vm, "app01", BOOT).await;
        stage.guest_write(&vm, BOOT, (5 + pass) * MIB, &noise(40 + pass, 8192));
    }
    stage.power_untouched();
    assert!(made(&stage, "/ports").is_empty() && made(&stage, "/servers").is_empty());
    let said = "import_workloads_cbt_sync: yes\nimport_workloads_cutover: 'True'\n";
    let lines = succeeds(&stage, "migrate", said, &[]);
    assert_eq!(outcome(&lines), "created");
    assert_eq!((made(&stage, "/ports").len(), made(&stage, "/servers").len()), (1, 1));
    assert!(!stage.runs(&vm));
    for key in [BOOT, DATA] {
        stage.holds("app01", key, &stage.vcenter.live_file(&vm, key)).await;
    }
}

#[tokio::test]
async fn ac7_02_names_words_and_what_is_typed() {
    let stage = Stage::new([app01()]);
    succeeds(&stage, "migrate", "cbt_sync: 1\n", &[]);
    // With sync a copy is welcome, without it is an error.
    for (more, words) in [
        ("cbt_sync: true\n", &[][..]),
        ("import_workloads_cbt_sync: \"yes\"\n", &[]),
        ("cbt_sync: no\nimport_workloads_cbt_sync: 1\n", &[]),
        ("cbt_sync: false\n", &["--cbt-sync"]),
        ("", &["--cbt-sync=true"]),
    ] {
        let lines = succeeds(&stage, "migrate", more, &[&["--check"], words].concat());
        assert!(!warnings(&lines).contains("cbt_sync"), "{more}");
    }
    for (more, words) in [
        ("", &[][..]),
        ("cbt_sync: 'False'\ncutover: true\n", &[]),
        ("cbt_sync: true\nimport_workloads_cbt_sync: off\n", &[]),
        ("cbt_sync: true\n", &["--cbt-sync=false"]),
    ] {
        let (_, said) = fails(&stage, "migrate", more, &[&["--check"], words].concat());
        assert!(said.contains("volume already exists"), "{more}{words:?}: {said}");
    }
    let (code, said) = fails(&stage, "migrate", "cbt_sync: perhaps\n", &[]);
    assert!(code == Some(2) && said.contains("`cbt_sync` is neither true nor false"), "{said}");
    // The verbs have their own phase.
    assert_eq!(outcome(&succeeds(&stage, "seed", "cbt_sync: false\ncutover: true\n", &[])), "seeded");
}

#[tokio::test]
async fn ac7_03_what_is_typed_counts_more() {
    let stage = Stage::new([app01()]);
    let wrong = stage.dir.path().join("wrong");
    fs::write(&wrong, "not-the-one").unwrap();
    let (code, said) = fails(&stage, "inventory", "", &["--password-file", wrong.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{said}");
    let (_, said) = fails(&stage, "inventory", "", &["--user", "nobody@vsphere.local"]);
    assert!(!said.contains(VCenter::PASSWORD), "{said}");
    let (_, said) = fails(&stage, "inventory", "", &["--server", "https://127.0.0.1:1/sdk"]);
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let (code, said) = fails(&stage, "seed", "", &["--dst", "nowhere"]);
    assert!(code == Some(2) && said.contains("nowhere"), "{said}");
    let elsewhere = stage.dir.path().join("elsewhere");
    succeeds(&stage, "inventory", "", &["--data-dir", elsewhere.to_str().unwrap()]);
    assert!(elsewhere.join("machines.yml").is_file());
    // What is said nowhere is named, with both ways to say it.
    let empty = stage.dir.path().join("empty.yaml");
    fs::write(&empty, "vms_list: [app01]\n").unwrap();
    let output = stage.osm(&["vmware", "inventory", "--vars"]).arg(&empty).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("--server HOST") && said.contains("`vcenter_hostname`"), "{said}");
    let output = stage.osm(&["vmware", "inventory"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[tokio::test]
async fn ac7_04_a_vcenter_is_never_left_unverified() {
    let stage = Stage::new([app01()]);
    let ca = stage.dir.path().join("ca.pem");
    for name in ["vmware_insecure", "import_workloads_vmware_insecure"] {
        let path = vars(&stage, &format!("{name}: yes\n"));
        let whole = fs::read_to_string(&path).unwrap();
        let without: Vec<&str> = whole.lines().filter(|line| !line.starts_with("vcenter_ca_cert")).collect();
        fs::write(&path, without.join("\n")).unwrap();
        let output = stage.osm(&["vmware", "inventory", "--vars"]).arg(&path).output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in ["vars.yaml, line", name, "--ca", "--thumbprint"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        success(
            &stage.osm(&["vmware", "inventory", "--ca"]).arg(&ca).arg("--vars").arg(&path).output().unwrap(),
        );
    }
    succeeds(&stage, "inventory", "vmware_insecure: false\n", &[]);
}

#[tokio::test]
async fn ac7_05_machines_networks_types_and_zones_are_those_of_the_variables() {
    let stage = Stage::new([app01(), machine("app02"), machine("app03")]);
    stage.lab.dst().set_volume_types(&["usual", "fast"]);
    stage.lab.dst().set_zones(&["nova", "az2"]);
    let data = stage.dir.path().join("kit");
    let place = data.to_str().unwrap();
    let more = "vms_list: [app01, app02]\nused_mapped_networks: true\nnetwork_map: {VM Network: small-net}\n\
                use_fixed_ips: yes\ncinder_volume_type: usual\navailability_zone: nova\n\
                import_workloads_cinder_az: az2\n\
                volume_type_mapping:\n- {vmware_datastore: ds, openstack_type: fast}\n";
    let words = ["--data-dir", place];
    let lines = succeeds(&stage, "inventory", more, &[&words[..], &["--check"]].concat());
    assert_eq!(events(&lines, "machine").len(), 2);
    assert!(!data.exists(), "a check writes nothing");
    succeeds(&stage, "inventory", more, &words);
    let plan = fs::read_to_string(data.join("machines.yml")).unwrap();
    assert!(plan.contains("name: app02") && !plan.contains("name: app03"), "{plan}");
    for filled in ["network: small-net", "ip_address: keep", "availability_zone: nova"] {
        assert_eq!(plan.matches(filled).count(), 2, "{filled} in {plan}");
    }
    assert!(!plan.contains(VCenter::PASSWORD));
    stage.lab.dst().clear_requests();
    let lines = succeeds(&stage, "migrate", &format!("{more}vm_name: app02\ncbt_sync: true\n"), &words);
    assert_eq!(events(&lines, "workload_done").len(), 1);
    let volumes = made(&stage, "/volumes");
    assert_eq!(volumes.len(), 2);
    for volume in volumes {
        assert_eq!(volume["volume"]["volume_type"], "fast");
        assert_eq!(volume["volume"]["availability_zone"], "az2");
    }
    let typed = [&words[..], &["--volume-type-map", "ds=usual", "--zone", "nova", "app01"]].concat();
    stage.lab.dst().clear_requests();
    succeeds(&stage, "migrate", &format!("{more}cbt_sync: true\n"), &typed);
    assert_eq!(made(&stage, "/volumes")[0]["volume"]["volume_type"], "usual");
    assert_eq!(made(&stage, "/volumes")[0]["volume"]["availability_zone"], "nova");
    // One that is asked for and not in the plan is not left out without a word.
    let (code, said) = fails(&stage, "migrate", "vms_list: [app01, app03]\ncbt_sync: true\n", &words);
    assert!(code == Some(2) && said.contains("app03") && said.contains("inventory"), "{said}");
    assert!(!said.contains("workload_started"), "{said}");
}

#[tokio::test]
async fn ac7_06_a_conversion_that_is_skipped_leaves_no_server() {
    let stage = Stage::new([app01()]);
    stage.lab.dst().clear_requests();
    let lines = succeeds(&stage, "migrate", "cbt_sync: true\ncutover: true\nskip_conversion: true\n", &[]);
    assert_eq!(outcome(&lines), "seeded");
    assert!(warnings(&lines).contains("there is no server"), "{}", warnings(&lines));
    assert!(made(&stage, "/servers").is_empty());
}

#[tokio::test]
async fn ac7_06_a_cutover_without_a_last_pass_is_asked_for_by_a_variable_of_its_own() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    succeeds(&stage, "migrate", "cbt_sync: true\n", &[]);
    let more = "cbt_sync: true\ncutover: true\nimport_workloads_final_sync: false\n";
    let (_, said) = fails(&stage, "migrate", more, &[]);
    assert!(said.contains("would be lost"), "{said}");
    assert!(stage.runs(&vm));
    stage.vcenter.clear_calls();
    let lines = succeeds(&stage, "migrate", &format!("{more}import_workloads_accept_data_loss: yes\n"), &[]);
    assert_eq!(outcome(&lines), "created");
    assert!(stage.calls("CreateSnapshot_Task").is_empty());
}

#[tokio::test]
async fn ac7_07_the_words_of_the_kit_are_in_the_events() {
    let stage = Stage::new([app01()]);
    succeeds(&stage, "migrate", "cbt_sync: true\n", &[]);
    let output = osm(&stage, "migrate", "cbt_sync: false\ncutover: true\n", &[]).output().unwrap();
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(output.status.code(), Some(1));
    let failed = events(&lines, "workload_failed")[0];
    assert!(failed["error"].as_str().unwrap().contains("volume already exists"), "{failed}");
    assert_eq!(failed["kind"], "blocked");
    let summary = lines.last().unwrap();
    assert_eq!((&summary["changed"], &summary["failed"]), (&Value::Bool(false), &Value::from(1)));
    assert!(summary["failures"][0]["error"].as_str().unwrap().contains("volume already exists"));
    succeeds(&stage, "migrate", "cbt_sync: true\ncutover: true\n", &[]);
    for more in ["cbt_sync: true\n", "cbt_sync: true\ncutover: true\n", ""] {
        let lines = succeeds(&stage, "migrate", more, &[]);
        let done = events(&lines, "step_done");
        assert!(done.iter().any(|step| step["detail"] == "Volume already converted"), "{lines:?}");
        assert_eq!(outcome(&lines), "unchanged");
        assert_eq!(lines.last().unwrap()["changed"], false);
    }
}

/// The rows of the kit's part of docs/variables.md: names, and what is said of their support.
fn rows(page: &str) -> Vec<(String, String)> {
    let part = page.split("## Of the VMware migration kit").nth(1).unwrap();
    let mut rows = Vec::new();
    for row in part.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (names, rest) = row.split_once(" | ").unwrap();
        let support = rest.rsplit(" | ").next().unwrap().trim_end_matches(['|', ' ']);
        rows.extend(
            names.split_whitespace().map(|name| (name.trim_matches('`').to_owned(), support.to_owned())),
        );
    }
    rows
}

/// A value that asks for something else than what is done here anyway.
fn unusual(name: &str) -> &'static str {
    let usually_true =
        ["nbdkit", "nbkit", "use_existing_flavor", "create_network_port", "create_os_instance"];
    if usually_true.iter().any(|word| name.contains(word)) { "false" } else { "true" }
}

#[test]
fn ac7_08_every_variable_of_the_page_does_what_the_page_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/variables.md");
    let rows = rows(&fs::read_to_string(page).unwrap());
    assert!(rows.len() > 80, "{}", rows.len());
    for (name, support) in &rows {
        let value = match support.as_str() {
            "yes" => "null",
            _ => unusual(name),
        };
        let text = format!("{name}: {value}\n");
        let vars = Vars::parse([(Path::new("vars.yaml"), text.as_str())]).unwrap();
        let told = vars.warnings.concat();
        match support.split(':').next().unwrap() {
            "yes" => assert_eq!(told, "", "{name}"),
            "not needed" => assert!(told.contains(&format!("`{name}` has no effect")), "{name}: {told}"),
            "partly" => {
                assert!(told.contains(&format!("`{name}: {value}` is not supported")), "{name}: {told}")
            }
            "not yet" => assert!(told.contains(&format!("`{name}` is not supported yet")), "{name}: {told}"),
            other => panic!("{name}: {other}"),
        }
    }
}

#[tokio::test]
async fn ac7_08_what_has_no_effect_is_a_warning_of_the_run() {
    let stage = Stage::new([app01()]);
    let more = "import_workloads_debug: true\nuser_data: '#cloud-config'\nimport_workloads_use_heat: no\n\
                import_workloads_nbdkit_assume_zero: true\ncbt_snyc: true\n";
    for verb in ["inventory", "seed"] {
        let lines = succeeds(&stage, verb, more, &[]);
        let told = warnings(&lines);
        for part in [
            "`import_workloads_debug` has no effect",
            "`user_data` is not supported yet",
            "`import_workloads_nbdkit_assume_zero` has no effect",
            "`cbt_snyc`; `cbt_sync` is the nearest",
        ] {
            assert_eq!(told.matches(part).count(), 1, "{verb}: {part} in {told}");
        }
        assert!(!told.contains("use_heat"), "{told}");
    }
}
