//! The vCenter as a client sees it: sessions, properties, tasks, snapshots, power, bytes, and what goes wrong.

use std::time::{Duration, Instant};

use osm_lab::vcenter::{DiskSeed, MachineSeed, Power, VCenter, VFault, VFaultKind};
use reqwest::header::{COOKIE, RANGE};
use reqwest::{Method, Response};

use crate::soap::{Site, between, element, fault_of, site, site_with};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn who_is_not_the_user_is_not_let_in() {
    let mut site = site().await;
    let cookie = site.cookie.clone();
    assert!(cookie.starts_with("vmware_soap_session=\"") && cookie.contains("HttpOnly"), "{cookie}");
    let (status, answer, none) = site.login("wrong").await;
    assert_eq!((status, fault_of(&answer), none), (500, "InvalidLogin", None));
    assert!(site.vcenter.calls().iter().all(|call| !call.body.contains("vcenter&lt;")));

    site.call("CurrentTime", "ServiceInstance", "ServiceInstance", "").await;
    site.call("Logout", "SessionManager", "SessionManager", "").await;
    let gone = async |site: &Site| {
        let (status, answer) = site.ask("CurrentTime", "ServiceInstance", "ServiceInstance", "").await;
        (status, fault_of(&answer).to_owned())
    };
    assert_eq!(gone(&site).await, (500, "NotAuthenticated".to_owned()));
    site.call("RetrieveServiceContent", "ServiceInstance", "ServiceInstance", "").await;
    for end in [VCenter::expire_sessions, VCenter::restart] {
        site.log_in().await;
        end(&site.vcenter);
        assert_eq!(gone(&site).await.1, "NotAuthenticated");
    }
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it() {
    let lifetime = Duration::from_millis(300);
    let site = site_with(|options| options.session_lifetime = lifetime).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut idle = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let (status, _) = site.ask("CurrentTime", "ServiceInstance", "ServiceInstance", "").await;
        if status == 500 {
            break;
        }
        assert!(asked < deadline, "it never ends");
        idle += Duration::from_millis(100);
        tokio::time::sleep(idle).await;
    }
    assert!(idle >= lifetime / 2);
}

#[tokio::test]
async fn a_view_is_told_page_by_page() {
    let site = site().await;
    for number in 0..5 {
        let seed = MachineSeed { folder: "a/b".into(), ..MachineSeed::new(format!("m/{number}")) };
        site.vcenter.add_machine(seed).unwrap();
    }
    let create = "<container type=\"Folder\">group-d1</container><type>VirtualMachine</type><recursive>true</recursive>";
    let answer = site.call("CreateContainerView", "ViewManager", "ViewManager", create).await;
    let view = between(&answer, "type=\"ContainerView\">", "<").unwrap();
    let spec = format!(
        "<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet><pathSet>config.keyId</pathSet></propSet>\
         <objectSet><obj type=\"ContainerView\">{view}</obj><skip>true</skip><selectSet xsi:type=\"TraversalSpec\">\
         <type>ContainerView</type><path>view</path></selectSet></objectSet></specSet>\
         <options><maxObjects>2</maxObjects></options>"
    );
    let mut answer = site.call("RetrievePropertiesEx", "PropertyCollector", "propertyCollector", &spec).await;
    let (mut pages, mut names) = (1, Vec::new());
    loop {
        assert!(!answer.contains("keyId"), "what is not set is left out");
        let found = answer.split("<val xsi:type=\"xsd:string\">").skip(1);
        names.extend(found.map(|rest| rest.split('<').next().unwrap().to_owned()));
        let Some(token) = element(&answer, "token").map(str::to_owned) else { break };
        let inside = format!("<token>{token}</token>");
        let collector = "propertyCollector";
        answer = site.call("ContinueRetrievePropertiesEx", "PropertyCollector", collector, &inside).await;
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert_eq!(names, ["m%2f0", "m%2f1", "m%2f2", "m%2f3", "m%2f4"]);
    let path = "<inventoryPath>DC0/vm/a/b/m%2f3</inventoryPath>";
    let found = site.call("FindByInventoryPath", "SearchIndex", "SearchIndex", path).await;
    assert!(found.contains("vm-45"), "{found}");
    site.call("DestroyView", "ContainerView", view, "").await;
    let (_, answer) = site.ask("DestroyView", "ContainerView", view, "").await;
    assert_eq!(fault_of(&answer), "ManagedObjectNotFound");
    let (status, answer) = site.ask("MakeCoffee", "Folder", "group-d1", "").await;
    assert_eq!((status, fault_of(&answer)), (500, "MethodNotFound"));
}

#[tokio::test]
async fn files_are_named_after_the_chain_of_snapshots() {
    let site = site().await;
    let vm = site.machine(|_| {});
    let files = async |kind: &str, id: &str| -> Vec<String> {
        let devices = site.properties(kind, id, &["config.hardware.device"]).await;
        let names = devices.split("<fileName>").skip(1);
        names.map(|rest| rest.split('<').next().unwrap().replace("[ds] app/", "")).collect()
    };
    assert_eq!(files("VirtualMachine", &vm).await, ["app.vmdk"]);
    let foreign = site.vcenter.take_snapshot(&vm, "theirs").unwrap();
    let ours = site.snapshot(&vm, "ours").await;
    assert_eq!(files("VirtualMachineSnapshot", &foreign).await, ["app.vmdk"]);
    assert_eq!(files("VirtualMachineSnapshot", &ours).await, ["app-000001.vmdk", "app.vmdk"]);
    assert_eq!(files("VirtualMachine", &vm).await, ["app-000002.vmdk", "app-000001.vmdk", "app.vmdk"]);
    let tree = site.properties("VirtualMachine", &vm, &["snapshot"]).await;
    assert!(tree.contains(&format!("<currentSnapshot type=\"VirtualMachineSnapshot\">{ours}<")));
    let (root, child) = tree.split_once("<childSnapshotList").unwrap();
    assert_eq!((element(root, "name"), element(child, "name")), (Some("snapshot"), Some("ours")));
    assert!(root.contains("<name>theirs</name>") && child.contains("<description>d</description>"));

    site.vcenter.remove_snapshot(&foreign);
    assert_eq!(site.vcenter.snapshots(&vm), [(ours.clone(), "ours".to_owned())]);
    assert_eq!(files("VirtualMachineSnapshot", &ours).await, ["app.vmdk"]);
    assert_eq!(files("VirtualMachine", &vm).await, ["app-000002.vmdk", "app.vmdk"]);
    site.task("RemoveAllSnapshots_Task", "VirtualMachine", &vm, "").await.unwrap();
    assert_eq!(files("VirtualMachine", &vm).await, ["app.vmdk"]);
    assert!(!site.properties("VirtualMachine", &vm, &["snapshot"]).await.contains("propSet"));
    // Nothing is left of what they froze but the last.
    let frozen = std::fs::read_dir(site.dir.path().join("vcenter/frozen")).unwrap().count();
    assert_eq!(frozen, 1);
}

#[tokio::test]
async fn a_revert_goes_back_and_leaves_the_machine_off() {
    let site = site().await;
    let vm = site.machine(|_| {});
    site.vcenter.guest_write(&vm, 2000, 0, b"one").unwrap();
    let snapshot = site.vcenter.take_snapshot(&vm, "one").unwrap();
    site.vcenter.guest_write(&vm, 2000, 0, b"two").unwrap();
    site.task("RevertToSnapshot_Task", "VirtualMachineSnapshot", &snapshot, "").await.unwrap();
    assert_eq!(&std::fs::read(site.vcenter.live_file(&vm, 2000)).unwrap()[..3], b"one");
    assert_eq!(site.vcenter.power_state(&vm), Power::Off);
}

#[tokio::test]
async fn a_guest_writes_before_it_is_off() {
    let site = site().await;
    let vm = site.machine(|_| {});
    let vcenter = &site.vcenter;
    let first = site.snapshot(&vm, "s").await;
    let since = vcenter.change_id(&vm, 2000).unwrap();
    site.remove(&first).await;
    vcenter.on_shutdown(&vm, vec![(2000, 3 * MIB, b"journal".to_vec())]);
    vcenter.set_tools(&vm, false);
    let shut_down = async || site.ask("ShutdownGuest", "VirtualMachine", &vm, "").await;
    assert_eq!(fault_of(&shut_down().await.1), "ToolsUnavailable");
    vcenter.set_tools(&vm, true);
    vcenter.ignore_shutdown(&vm, true);
    assert_eq!(shut_down().await.0, 200);
    // A task that begins later ends later.
    site.task("Rename_Task", "VirtualMachine", &vm, "<newName>app2</newName>").await.unwrap();
    assert_eq!(vcenter.power_state("app2"), Power::On);
    vcenter.ignore_shutdown(&vm, false);
    assert_eq!(shut_down().await.0, 200);
    let deadline = Instant::now() + Duration::from_secs(20);
    while vcenter.power_state(&vm) == Power::On {
        assert!(Instant::now() < deadline, "it stays on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fault_of(&shut_down().await.1), "InvalidPowerState");
    let last = site.snapshot(&vm, "s").await;
    assert_eq!(site.areas(&vm, &last, 2000, &since, 64 * MIB).await, [(3 * MIB, 64 << 10)]);
    let off = site.task("PowerOffVM_Task", "VirtualMachine", &vm, "").await;
    assert_eq!(off, Err("InvalidPowerState".to_owned()));
    site.task("PowerOnVM_Task", "VirtualMachine", &vm, "").await.unwrap();
    assert_eq!(vcenter.power_state(&vm), Power::On);
}

/// A request for bytes of `app-flat.vmdk`.
async fn fetch(site: &Site, method: Method, file: &str, range: Option<&str>) -> Response {
    let url = format!("{}/folder/app/{file}?dcPath=DC0&dsName=ds", site.vcenter.url());
    let mut request = site.http.request(method, url).header(COOKIE, &site.cookie);
    if let Some(range) = range {
        request = request.header(RANGE, range);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn the_base_file_holds_what_the_oldest_snapshot_froze() {
    let site = site().await;
    let content: Vec<u8> = (0..3 * MIB).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let vm = site.machine(|seed| seed.disks = vec![DiskSeed::new(2000, 4 * MIB).with(100, content.clone())]);
    let get = async |range| fetch(&site, Method::GET, "app-flat.vmdk", range).await;
    assert_eq!(get(None).await.status(), 500, "locked by the machine that runs");
    site.snapshot(&vm, "one").await;
    site.vcenter.guest_write(&vm, 2000, 100, b"later").unwrap();
    site.snapshot(&vm, "two").await;

    let head = fetch(&site, Method::HEAD, "app-flat.vmdk", None).await;
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &"4194304".parse().unwrap())
    );
    let whole = get(None).await.bytes().await.unwrap();
    assert_eq!(whole.len(), 4 << 20);
    assert!(whole[100..][..content.len()] == content[..]);
    site.vcenter.clear_calls();
    let range = get(Some("bytes=100-1500099")).await;
    assert_eq!(range.status(), 206);
    assert_eq!(range.headers()["content-range"], "bytes 100-1500099/4194304");
    assert!(range.bytes().await.unwrap() == content[..1_500_000]);
    assert_eq!(site.vcenter.folder_bytes(), 1_500_000);
    let call = site.vcenter.calls().remove(0);
    assert_eq!((call.method.as_str(), call.object.as_str()), ("GET /folder", "/folder/app/app-flat.vmdk"));
    assert_eq!(call.body, "bytes=100-1500099");
    let beyond = get(Some("bytes=4194304-")).await;
    assert_eq!(
        (beyond.status().as_u16(), &beyond.headers()["content-range"]),
        (416, &"bytes */4194304".parse().unwrap())
    );
    for missing in ["app-000001-flat.vmdk", "app-000002-flat.vmdk", "app.vmdk", "other-flat.vmdk"] {
        assert_eq!(fetch(&site, Method::GET, missing, None).await.status(), 404, "{missing}");
    }
    site.task("RemoveAllSnapshots_Task", "VirtualMachine", &vm, "").await.unwrap();
    site.vcenter.power_off(&vm);
    assert_eq!(get(Some("bytes=100-104")).await.bytes().await.unwrap(), "later");
}

#[tokio::test]
async fn bytes_are_for_who_is_logged_in_and_names_may_be_encoded_twice() {
    let site = site().await;
    site.machine(|seed| {
        (seed.name, seed.powered_on) = ("a b%".to_owned(), false);
        seed.disks =
            vec![DiskSeed { datastore: "d (1)".into(), ..DiskSeed::new(2000, MIB) }.with(0, *b"hello")];
    });
    for (store, found) in [("d%20(1)", 200), ("d%2520%25281%2529", 200), ("d+(1)", 200), ("d", 404)] {
        let url =
            format!("{}/folder/a%20b%25/a%20b%25-flat.vmdk?dsName={store}&dcPath=DC0", site.vcenter.url());
        let open = || site.http.get(&url);
        assert_eq!(open().send().await.unwrap().status(), 401);
        assert_eq!(open().basic_auth(VCenter::USER, Some("x")).send().await.unwrap().status(), 401);
        let basic = open().basic_auth(VCenter::USER, Some(VCenter::PASSWORD)).send().await.unwrap();
        assert_eq!(basic.status(), found, "{store}");
    }
}

#[tokio::test]
async fn a_fault_hits_the_calls_that_it_is_for() {
    let mut site = site().await;
    let vm = site.machine(|_| {});
    let time = async |site: &Site| site.send("CurrentTime", "ServiceInstance", "ServiceInstance", "").await;
    let fails = VFaultKind::TaskFails { kind: "FileFault".into(), message: "no space".into() };
    site.vcenter.fault(VFault::new("CreateSnapshot_Task", fails).object(&vm));
    let inside = "<name>s</name><memory>false</memory><quiesce>true</quiesce>";
    let failed = site.task("CreateSnapshot_Task", "VirtualMachine", &vm, inside).await;
    assert_eq!(failed, Err("FileFault".to_owned()));
    assert!(site.vcenter.snapshots(&vm).is_empty());
    assert!(site.vcenter.calls().iter().any(|call| call.body.contains("<quiesce>true</quiesce>")));

    site.vcenter.fault(VFault::new("RemoveAllSnapshots_Task", VFaultKind::TaskSticks));
    let begun = site.call("RemoveAllSnapshots_Task", "VirtualMachine", &vm, "").await;
    let task = between(&begun, "<returnval type=\"Task\">", "<").unwrap();
    site.task("ConsolidateVMDisks_Task", "VirtualMachine", &vm, "").await.unwrap();
    let info = site.properties("Task", task, &["info.state"]).await;
    assert!(info.contains("<val xsi:type=\"TaskInfoState\">running</val>"), "{info}");
    site.call("CancelTask", "Task", task, "").await;
    assert!(site.properties("Task", task, &["info"]).await.contains("RequestCanceled"));

    let soap = VFaultKind::Soap {
        kind: "NoPermission".into(),
        key: Some("a.key".into()),
        message: "no & <never>".into(),
        detail: vec![("privilegeId".into(), "VirtualMachine.State.CreateSnapshot".into())],
    };
    site.vcenter.fault(VFault::new("CurrentTime", soap).skip(1));
    assert_eq!(time(&site).await.unwrap().status(), 200);
    let refused = time(&site).await.unwrap().text().await.unwrap();
    assert_eq!(element(&refused, "faultstring"), Some("no &amp; &lt;never&gt;"));
    assert_eq!(element(&refused, "privilegeId"), Some("VirtualMachine.State.CreateSnapshot"));
    assert_eq!(element(&refused, "key"), Some("a.key"));

    site.vcenter.fault(VFault::new("CurrentTime", VFaultKind::Status(503)));
    site.vcenter.fault(VFault::new("CurrentTime", VFaultKind::Drop).skip(1));
    site.vcenter.fault(VFault::new("CurrentTime", VFaultKind::CutBody(10)).skip(2));
    site.vcenter.fault(VFault::new("CurrentTime", VFaultKind::Latency(Duration::from_millis(50))).skip(3));
    assert_eq!(time(&site).await.unwrap().status(), 503);
    assert!(time(&site).await.is_err());
    assert!(time(&site).await.unwrap().text().await.is_err());
    let begun = Instant::now();
    time(&site).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(50));
    site.vcenter.fault(VFault::new("CurrentTime", VFaultKind::Expire));
    assert_eq!(time(&site).await.unwrap().status(), 500);
    assert_eq!(time(&site).await.unwrap().status(), 500);
    site.log_in().await;
    site.vcenter.fault(VFault::new("GET /folder", VFaultKind::CutBody(1000)).object("app-flat"));
    site.vcenter.power_off(&vm);
    let cut = fetch(&site, Method::GET, "app-flat.vmdk", Some("bytes=0-1999999")).await;
    assert!(cut.bytes().await.is_err());
    assert_eq!(fetch(&site, Method::GET, "app-flat.vmdk", None).await.status(), 200);
}

#[tokio::test]
async fn whoever_says_nothing_keeps_nobody_waiting() {
    let site = site().await;
    let address = site.vcenter.url().replace("https://", "");
    let silent = tokio::net::TcpStream::connect(address).await.unwrap();
    crate::soap::trusting(&site.vcenter).get(site.vcenter.url()).send().await.unwrap();
    drop(silent);
    assert_eq!(site.vcenter.thumbprint().len(), 95);
}
