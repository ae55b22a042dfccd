//! AC3 to AC6: machines are cut over, and what is there already is left as it is.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod machines;

use machines::*;
use osm_lab::vcenter::{VFault, VFaultKind};

/// What is done to a machine's power and snapshots, in order.
const TURNS: [&str; 5] =
    ["ShutdownGuest", "PowerOffVM_Task", "CreateSnapshot_Task", "RemoveSnapshot_Task", "PowerOnVM_Task"];

async fn server_status(stage: &Stage, name: &str) -> Option<String> {
    let compute = stage.session().await.compute().await.unwrap();
    compute.server_by_name(name).await.unwrap().map(|server| server.status)
}

/// A seeded machine is cut over: it is off, its volumes hold its disks, its server runs.
async fn cut_over(stage: &Stage, vm: &str, disks: &[i32]) {
    stage.succeeds("cutover", &[]);
    assert!(!stage.runs(vm), "the source stays off");
    for key in disks {
        stage.holds("app01", *key, &stage.vcenter.live_file(vm, *key)).await;
        assert_eq!(stage.metadata(&format!("app01-{key}")).await["converted"], "true");
    }
    assert_eq!(server_status(stage, "app01").await.as_deref(), Some("ACTIVE"));
    assert_eq!(stage.vcenter.snapshots(vm), []);
}

/// So many seeds, then a cutover.
async fn cut_over_after(syncs: u64, disks: usize, windows_guest: bool) {
    let mut seed = if windows_guest { windows() } else { app01() };
    seed.disks.extend([osm_lab::vcenter::DiskSeed::new(2002, 8 * MIB).with(MIB, noise(5, MIB))]);
    seed.disks.truncate(disks);
    let keys: Vec<i32> = seed.disks.iter().map(|disk| disk.key).collect();
    let stage = Stage::new([seed]);
    let vm = stage.vm("app01");
    for sync in 0..syncs {
        stage.succeeds("seed", &[]);
        stage.power_untouched();
        for key in &keys {
            stage.guest_write(&vm, *key, (sync % 7) * MIB, &noise(sync + 50, 64 << 10));
        }
    }
    cut_over(&stage, &vm, &keys).await;
}

macro_rules! cuts_over {
    ($($name:ident($syncs:literal, $disks:literal, $windows:literal);)*) => {
        $(#[tokio::test]
        async fn $name() {
            cut_over_after($syncs, $disks, $windows).await;
        })*
    };
}

cuts_over! {
    ac3_01_linux_0_syncs_1_disk(0, 1, false);
    ac3_01_linux_0_syncs_3_disks(0, 3, false);
    ac3_01_linux_1_sync_1_disk(1, 1, false);
    ac3_01_linux_1_sync_3_disks(1, 3, false);
    ac3_01_linux_5_syncs_1_disk(5, 1, false);
    ac3_01_linux_5_syncs_3_disks(5, 3, false);
    ac3_01_linux_20_syncs_1_disk(20, 1, false);
    ac3_01_linux_20_syncs_3_disks(20, 3, false);
    ac3_01_windows_0_syncs_1_disk(0, 1, true);
    ac3_01_windows_0_syncs_3_disks(0, 3, true);
    ac3_01_windows_1_sync_1_disk(1, 1, true);
    ac3_01_windows_1_sync_3_disks(1, 3, true);
    ac3_01_windows_5_syncs_1_disk(5, 1, true);
    ac3_01_windows_5_syncs_3_disks(5, 3, true);
    ac3_01_windows_20_syncs_1_disk(20, 1, true);
    ac3_01_windows_20_syncs_3_disks(20, 3, true);
}

#[tokio::test]
async fn ac3_02_what_the_guest_writes_until_it_is_off_is_in_the_copy() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.vcenter.on_shutdown(&vm, vec![(BOOT, 6 * MIB, noise(90, 4096)), (DATA, 0, noise(91, 512))]);
    stage.vcenter.clear_calls();
    cut_over(&stage, &vm, &[BOOT, DATA]).await;
    assert_eq!(stage.read("app01", BOOT, 6 * MIB, 4096).await, noise(90, 4096));
    // A warm pass first, so that little is left to copy while the machine is off.
    let turns = [
        "CreateSnapshot_Task",
        "RemoveSnapshot_Task",
        "ShutdownGuest",
        "CreateSnapshot_Task",
        "RemoveSnapshot_Task",
    ];
    assert_eq!(stage.order(&TURNS), turns);
}

#[tokio::test]
async fn ac3_03_a_guest_that_does_not_shut_down_is_switched_off_if_allowed() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.vcenter.ignore_shutdown(&vm, true);
    let said = stage.fails("cutover", &["--shutdown-wait", "1", "--no-hard-off"]);
    assert!(said.contains("has not shut down within 1 s"), "{said}");
    assert!(stage.runs(&vm));
    stage.at_rest(&vm);
    // What a switched off machine had noted of its changes is lost.
    stage
        .vcenter
        .fault(VFault::new("PowerOffVM_Task", VFaultKind::Latency(std::time::Duration::from_millis(1))));
    let lines = stage.succeeds("cutover", &["--shutdown-wait", "1"]);
    assert!(warnings(&lines).contains("switched off"), "{}", warnings(&lines));
    stage.holds("app01", BOOT, &stage.vcenter.live_file(&vm, BOOT)).await;
}

#[tokio::test]
async fn ac3_04_without_tools_a_machine_is_switched_off_and_one_that_is_off_is_left() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.vcenter.set_tools(&vm, false);
    let said = stage.fails("cutover", &["--no-hard-off"]);
    assert!(said.contains("ToolsUnavailable"), "{said}");
    stage.vcenter.power_off(&vm);
    stage.vcenter.clear_calls();
    cut_over(&stage, &vm, &[BOOT, DATA]).await;
    stage.power_untouched();
}

#[tokio::test]
async fn ac3_07_without_a_seed_a_cutover_and_a_cold_migration_copy_everything() {
    for (verb, words) in [("cutover", &[][..]), ("migrate", &[]), ("migrate", &["--cbt-sync", "--cutover"])] {
        let stage = Stage::new([app01()]);
        let vm = stage.vm("app01");
        stage.succeeds(verb, words);
        assert!(!stage.runs(&vm));
        stage.holds("app01", BOOT, &stage.vcenter.live_file(&vm, BOOT)).await;
        assert_eq!(server_status(&stage, "app01").await.as_deref(), Some("ACTIVE"), "{verb} {words:?}");
    }
}

#[tokio::test]
async fn ac3_07_a_cold_migration_needs_no_record_of_changes() {
    let stage = Stage::new([osm_lab::vcenter::MachineSeed { tracking: false, ..app01() }]);
    let vm = stage.vm("app01");
    stage.succeeds("migrate", &[]);
    stage.holds("app01", BOOT, &stage.vcenter.live_file(&vm, BOOT)).await;
    assert!(!stage.metadata("app01-2000").await.contains_key("changeID"));
}

#[tokio::test]
async fn ac3_08_the_server_has_the_machines_cards_and_disks_and_is_made_once() {
    let stage = Stage::new([windows()]);
    let vm = stage.vm("app01");
    stage.edit("ip_address: null", "ip_address: keep");
    stage.succeeds("seed", &[]);
    cut_over(&stage, &vm, &[BOOT, DATA]).await;
    let session = stage.session().await;
    let compute = session.compute().await.unwrap();
    let server = compute.server_by_name("app01").await.unwrap().unwrap();
    let ports: Vec<osm_openstack::network::Port> =
        session.network().await.unwrap().list(&[("device_id", &server.id)]).await.unwrap();
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0].mac_address.as_deref(), Some("00:50:56:01:02:03"));
    assert_eq!(ports[0].fixed_ips[0].ip_address.as_deref(), Some("192.168.50.77"));
    assert_eq!(compute.attachments(&server.id).await.unwrap().len(), 2);
    let boot = stage.volume("app01-2000").await;
    assert!(boot.bootable && !stage.volume("app01-2001").await.bootable);
    let expected = [
        ("hw_firmware_type", "uefi"),
        ("hw_machine_type", "q35"),
        ("os_type", "windows"),
        ("hw_disk_bus", "virtio"),
    ];
    for (key, value) in expected {
        assert_eq!(boot.volume_image_metadata.get(key).map(String::as_str), Some(value), "{key}");
    }
    stage.lab.dst().clear_requests();
    stage.vcenter.clear_calls();
    let lines = stage.succeeds("cutover", &[]);
    assert_eq!(events(&lines, "workload_done")[0]["outcome"], "unchanged");
    let made: Vec<_> = stage.lab.dst().requests().into_iter().filter(|it| it.method == "POST").collect();
    assert!(made.iter().all(|it| it.path.contains("/metadata") || it.path.contains("tokens")), "{made:?}");
    assert_eq!(stage.order(&TURNS), Vec::<String>::new());
}

#[tokio::test]
async fn ac3_09_the_guest_may_boot_from_another_disk() {
    let stage = Stage::new([app01()]);
    stage.edit("boot_disk: null", "boot_disk: 2001");
    stage.succeeds("seed", &[]);
    stage.succeeds("cutover", &[]);
    for key in [BOOT, DATA] {
        let volume = stage.volume(&format!("app01-{key}")).await;
        assert_eq!((volume.bootable, volume.metadata["converted"].as_str()), (key == DATA, "true"));
    }
}

#[tokio::test]
async fn ac3_10_only_the_data_may_be_asked_for() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    stage.guest_write(&vm, BOOT, MIB, &noise(70, 4096));
    let lines = stage.succeeds("cutover", &["--data-only"]);
    assert!(warnings(&lines).contains("its guest is not converted, and there is no server"));
    stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    assert_eq!(stage.metadata("app01-2000").await["converted"], "false");
    assert_eq!(server_status(&stage, "app01").await, None);
    stage.at_rest(&vm);
}

#[tokio::test]
async fn ac4_01_a_volume_that_is_there_is_an_error_without_sync() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let before = (stage.metadata("app01-2000").await, stage.metadata("app01-2001").await);
    for words in [&[][..], &["--cutover"]] {
        stage.vcenter.clear_calls();
        let said = stage.fails("migrate", words);
        assert!(said.contains("volume already exists"), "{said}");
        assert_eq!(stage.order(&TURNS), Vec::<String>::new());
    }
    let after = (stage.metadata("app01-2000").await, stage.metadata("app01-2001").await);
    let without_claims = |(one, other): (std::collections::BTreeMap<String, String>, _)| (one, other);
    assert_eq!(without_claims(before), without_claims(after));
    assert!(stage.runs(&vm));
    stage.at_rest(&vm);
}

#[tokio::test]
async fn ac4_03_04_a_later_disks_volume_is_seen_before_anything_is_made() {
    use osm_openstack::block_storage::CreateVolume;
    let stage = Stage::new([app01()]);
    let storage = stage.session().await.block_storage().await.unwrap();
    let kit = CreateVolume {
        name: Some("app01-2001".into()),
        size: 1,
        metadata: [("osm".to_owned(), "true".to_owned()), ("converted".to_owned(), "false".to_owned())]
            .into(),
        ..CreateVolume::default()
    };
    storage.create_volume(&kit).await.unwrap();
    let said = stage.fails("migrate", &[]);
    assert!(said.contains("volume already exists"), "{said}");
    assert_eq!(stage.volumes("app01-2000").await.len(), 0);
    storage.create_volume(&kit).await.unwrap();
    let said = stage.fails("seed", &[]);
    assert!(said.contains("more than one volumes found"), "{said}");
}

#[tokio::test]
async fn ac5_01_02_a_converted_machine_is_left_alone() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    for (boot, data) in [("True", "false"), ("1", "t")] {
        stage.set_metadata("app01-2000", "converted", boot).await;
        stage.set_metadata("app01-2001", "converted", data).await;
        for (verb, words) in [("seed", &[][..]), ("migrate", &["--cbt-sync"])] {
            stage.vcenter.clear_calls();
            let lines = stage.succeeds(verb, words);
            let told = serde_json::to_string(&lines).unwrap();
            assert!(told.contains("Volume already converted"), "{told}");
            assert_eq!(events(&lines, "workload_done")[0]["outcome"], "unchanged");
            assert_eq!(stage.order(&TURNS), Vec::<String>::new());
        }
    }
    assert!(stage.runs(&vm));
    stage.set_metadata("app01-2000", "converted", "maybe").await;
    let said = stage.fails("seed", &[]);
    assert!(said.contains("`converted` is `maybe`"), "{said}");
}

#[tokio::test]
async fn ac5_04_a_converted_machine_without_a_server_gets_one() {
    for (verb, words) in [("cutover", &[][..]), ("migrate", &[])] {
        let stage = Stage::new([app01()]);
        stage.succeeds("seed", &[]);
        for key in [BOOT, DATA] {
            stage.set_metadata(&format!("app01-{key}"), "converted", "true").await;
        }
        stage.vcenter.clear_calls();
        stage.succeeds(verb, words);
        assert_eq!(server_status(&stage, "app01").await.as_deref(), Some("ACTIVE"));
        assert_eq!(stage.order(&TURNS), Vec::<String>::new());
    }
}

#[tokio::test]
async fn ac6_02_03_05_07_08_every_guest_is_off_once_before_the_last_snapshot_of_all_its_disks() {
    for seed in [windows(), app01()] {
        let stage = Stage::new([seed]);
        let vm = stage.vm("app01");
        stage.succeeds("migrate", &[]);
        let last = ["ShutdownGuest", "CreateSnapshot_Task", "RemoveSnapshot_Task"];
        assert_eq!(stage.order(&TURNS), last);
        assert!(!stage.runs(&vm));
    }
    let stage = Stage::new([windows()]);
    stage.succeeds("seed", &[]);
    stage.vcenter.clear_calls();
    stage.succeeds("migrate", &["--cbt-sync", "--cutover"]);
    let warm = ["CreateSnapshot_Task", "RemoveSnapshot_Task"];
    let last = ["ShutdownGuest", "CreateSnapshot_Task", "RemoveSnapshot_Task"];
    assert_eq!(stage.order(&TURNS), [&warm[..], &last].concat());
}

#[tokio::test]
async fn ac3_06_a_conversion_that_fails_is_done_again_without_a_copy() {
    // What stands for virt-v2v needs QEMU's tools in vmware_convert.rs; one that fails at once needs none.
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    stage.succeeds("seed", &[]);
    let fails = stage.dir.path().join("virt-v2v-in-place");
    std::fs::write(&fails, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&fails, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let scratch = stage.dir.path().to_str().unwrap();
    let words = ["--convert", "virt-v2v", "--virt-v2v", fails.to_str().unwrap(), "--scratch", scratch];
    stage.fails("cutover", &words);
    for key in [BOOT, DATA] {
        stage.holds("app01", key, &stage.vcenter.live_file(&vm, key)).await;
        assert_eq!(stage.metadata(&format!("app01-{key}")).await["converted"], "false");
    }
    let lines = stage.succeeds("cutover", &[]);
    if !stage.runs(&vm) {
        assert_eq!(copied(&lines), 0);
    }
    assert_eq!(server_status(&stage, "app01").await.as_deref(), Some("ACTIVE"));
}

#[tokio::test]
async fn ac4_02_a_cutover_without_a_last_synchronisation_is_asked_for() {
    let stage = Stage::new([app01()]);
    let vm = stage.vm("app01");
    let said = stage.fails("cutover", &["--no-final-sync"]);
    assert!(said.contains("no complete copies"), "{said}");
    stage.succeeds("seed", &[]);
    let said = stage.fails("cutover", &["--no-final-sync"]);
    assert!(said.contains("would be lost") && said.contains("--accept-data-loss"), "{said}");
    stage.vcenter.power_off(&vm);
    stage.vcenter.clear_calls();
    stage.succeeds("cutover", &["--no-final-sync"]);
    assert_eq!(stage.order(&TURNS), Vec::<String>::new());
    stage.holds("app01", BOOT, &stage.vcenter.live_file(&vm, BOOT)).await;
    assert_eq!(server_status(&stage, "app01").await.as_deref(), Some("ACTIVE"));
}

#[tokio::test]
async fn ac5_03_the_rest_of_a_machine_that_the_kit_has_converted_is_marked() {
    let stage = Stage::new([app01()]);
    stage.succeeds("seed", &[]);
    stage.set_metadata("app01-2000", "converted", "true").await;
    stage.vcenter.clear_calls();
    stage.succeeds("migrate", &[]);
    assert_eq!(stage.order(&TURNS), Vec::<String>::new());
    assert_eq!(stage.metadata("app01-2001").await["converted"], "true");
}

#[tokio::test]
async fn ac6_04_where_only_data_is_asked_for_nothing_is_stopped() {
    for verb in ["migrate", "cutover"] {
        let stage = Stage::new([windows()]);
        let vm = stage.vm("app01");
        stage.succeeds(verb, &["--data-only"]);
        stage.power_untouched();
        assert!(stage.runs(&vm));
        stage.holds_last_snapshot(&vm, "app01", BOOT).await;
    }
}

#[tokio::test]
async fn a_server_gets_its_floating_ip_and_must_come_up() {
    let stage = Stage::new([app01()]);
    stage.edit("floating_ip_pool: null", "floating_ip_pool: public");
    lead_outside(&stage).await;
    let said = stage.fails("migrate", &["--check-console", "never said", "--check-wait", "1"]);
    assert!(said.contains("the server did not come up"), "{said}");
    assert_eq!(stage.lab.dst().counts().floating_ips, 1);
    stage.succeeds("migrate", &[]);
    assert_eq!(stage.lab.dst().counts().floating_ips, 1, "it has one");
    assert_eq!(server_status(&stage, "app01").await.as_deref(), Some("ACTIVE"));
}

/// A router from the machine's network to the external one.
async fn lead_outside(stage: &Stage) {
    use osm_openstack::network::{GatewayBody, Interface, NetworkObject, Router, RouterBody, Subnet};
    let network = stage.session().await.network().await.unwrap();
    let known: Vec<NetworkObject> = network.list(&[("name", "public")]).await.unwrap();
    let gateway = GatewayBody { network_id: known[0].id.clone(), enable_snat: None };
    let wish = RouterBody {
        name: Some("outside".to_owned()),
        external_gateway_info: Some(gateway),
        ..RouterBody::default()
    };
    let router: Router = network.create(&wish).await.unwrap();
    let subnets: Vec<Subnet> = network.list(&[("name", "small-subnet")]).await.unwrap();
    network.add_router_interface(&router.id, &Interface::Subnet(subnets[0].id.clone())).await.unwrap();
}
