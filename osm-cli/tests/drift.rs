//! Flavors and images that changed under running servers: every difference is told before the move, and
//! refused when that is asked for.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::collections::BTreeMap;

use osm_openstack::Method;
use osm_openstack::compute::CreateFlavor;
use osm_openstack::image::{Change, ImageFilter};
use serde_json::{Value, json};
use stage::{Stage, lines, success, text};

/// The flavor of the small tenant's server, as every cloud of the lab has it.
fn tiny() -> CreateFlavor {
    CreateFlavor { name: "m1.tiny".into(), ram: 512, vcpus: 1, disk: 1, ..CreateFlavor::default() }
}

/// What an operator does to change a flavor: it is deleted, and another one gets its name.
async fn replace_flavor(stage: &Stage, cloud: &str, flavor: &CreateFlavor, specs: &[(&str, &str)]) {
    let compute = stage.session(&format!("{cloud}-admin")).await.compute().await.unwrap();
    let old = compute.flavors().await.unwrap().into_iter().find(|old| old.name == flavor.name).unwrap();
    let path = format!("flavors/{}", old.id);
    compute.service().request("delete flavor", Method::DELETE, path).empty().await.unwrap();
    let made = compute.create_flavor(flavor).await.unwrap();
    let specs = specs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let specs: BTreeMap<String, String> = specs.collect();
    if !specs.is_empty() {
        compute.set_flavor_extra_specs(&made.id, &specs).await.unwrap();
    }
    stage.forget_requests();
}

/// Subject, property, source, destination of each difference that is told.
fn drift(events: &[Value]) -> Vec<[Value; 4]> {
    let told = events.iter().filter(|event| event["event"] == "drift");
    told.map(|it| ["subject", "property", "source", "destination"].map(|key| it[key].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flavor_changed_under_the_server_is_compared_by_what_the_server_was_started_with() {
    let stage = Stage::small();
    let larger = CreateFlavor { ram: 1024, ..tiny() };
    replace_flavor(&stage, "src", &larger, &[]).await;
    // The destination still has the flavor that the server was started with: nothing changes for it.
    let events = success(&stage.migrate().arg("--fail-on-drift").output().unwrap());
    assert_eq!(drift(&events), Vec::<[Value; 4]>::new());

    let stage = Stage::small();
    replace_flavor(&stage, "src", &larger, &[]).await;
    replace_flavor(&stage, "dst", &larger, &[]).await;
    // Both clouds agree by now, and the server is another one all the same.
    let events = success(&stage.migrate().output().unwrap());
    assert_eq!(drift(&events), [["flavor m1.tiny", "ram", "512", "1024"].map(Value::from)]);
    let place = |name: &str| events.iter().position(|event| event["event"] == name).unwrap();
    assert!(place("drift") < place("workload_started"), "it is told before the move");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_flavor_of_another_size_is_told_property_by_property() {
    let stage = Stage::small();
    let other = CreateFlavor { vcpus: 2, disk: 5, ephemeral: Some(3), swap: Some(256), ..tiny() };
    replace_flavor(&stage, "dst", &other, &[("hw:cpu_policy", "dedicated")]).await;
    let events = success(&stage.migrate().output().unwrap());
    let row = |property: &str, source: Value, destination: &str| {
        [json!("flavor m1.tiny"), json!(property), source, json!(destination)]
    };
    let expected = [
        row("disk", json!("1"), "5"),
        row("ephemeral", json!("0"), "3"),
        row("swap", json!("0"), "256"),
        row("vcpus", json!("1"), "2"),
        row("extra_specs.hw:cpu_policy", Value::Null, "dedicated"),
    ];
    assert_eq!(drift(&events), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_told_to_people_too() {
    let stage = Stage::small();
    replace_flavor(&stage, "dst", &CreateFlavor { vcpus: 2, ..tiny() }, &[]).await;
    let mut command = stage.migrate();
    let output = command.args(["--output", "text", "--fail-on-drift"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    assert!(told.contains("drift: small: flavor m1.tiny: vcpus is 1 here, 2 there"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_on_drift_refuses_before_anything_is_touched() {
    let stage = Stage::small();
    replace_flavor(&stage, "dst", &CreateFlavor { ram: 256, ..tiny() }, &[]).await;
    let output = stage.migrate().arg("--fail-on-drift").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let events = lines(&output);
    assert_eq!(drift(&events).len(), 1);
    let failed = events.iter().find(|event| event["event"] == "workload_failed").unwrap();
    assert_eq!(failed["step"], "preflight");
    assert!(failed["error"].as_str().unwrap().contains("ram is 512 here, 256 there"), "{failed}");
    assert_eq!(stage.changes(), 0);
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    stage.no_orphans(0, 0, 0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_property_that_the_destination_changed_is_told() {
    let stage = Stage::demo();
    let glance = stage.session("dst").await.image().await.unwrap();
    let named = ImageFilter { name: Some("debian-12".into()), ..ImageFilter::default() };
    let image = glance.list(&named).await.unwrap().remove(0);
    let changes = [
        Change::set("hw_machine_type", "pc", true),
        Change::set("hw_rng_model", "virtio", false),
        Change::unset("os_distro"),
        Change::set("owner_note", "not of the guest", false),
    ];
    glance.update(&image.id, &changes).await.unwrap();
    let output = stage.migrate().args(["web", "--fail-on-drift"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let row = |property: &str, source: Value, destination: Value| {
        [json!("image debian-12"), json!(property), source, destination]
    };
    let expected = [
        row("hw_machine_type", json!("q35"), json!("pc")),
        row("hw_rng_model", Value::Null, json!("virtio")),
        row("os_distro", json!("debian"), Value::Null),
    ];
    assert_eq!(drift(&lines(&output)), expected);
    // Copied with its boot disk, the server takes the properties it has along.
    stage.edit("web", "boot_disk_copy: false", "boot_disk_copy: true");
    let events = success(&stage.migrate().args(["web", "--fail-on-drift"]).output().unwrap());
    assert!(drift(&events).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_volume_whose_metadata_changed_since_the_export_is_told_an_override_is_not() {
    let stage = Stage::small();
    let storage = stage.session("src").await.block_storage().await.unwrap();
    let boot = stage.volumes("src", "small").await.remove(0);
    let changed = BTreeMap::from([("hw_machine_type".to_owned(), "pc".to_owned())]);
    storage.set_image_metadata(&boot, &changed).await.unwrap();
    let output = stage.migrate().arg("--fail-on-drift").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = drift(&lines(&output));
    assert_eq!(told, [["volume small-boot", "hw_machine_type", "pc", "q35"].map(Value::from)]);
    // What is asked for is meant.
    let output = stage.migrate().args(["--fail-on-drift", "--machine-type", "q35"]).output().unwrap();
    assert!(drift(&success(&output)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_difference_nothing_is_told() {
    let stage = Stage::demo();
    let events = success(&stage.migrate().arg("--fail-on-drift").output().unwrap());
    assert!(drift(&events).is_empty());
}
