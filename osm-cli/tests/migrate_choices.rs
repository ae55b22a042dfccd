//! What an operator can choose in `workloads.yml`: no copying, and where floating IPs come from.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::time::Duration;

use osm_openstack::block_storage::CreateVolume;
use osm_openstack::network::{
    CreatePort, FloatingIp, FloatingIpBody, Network, NetworkObject, Port, PortBody,
};
use serde_json::Value;
use stage::{Stage, lines, success, text};

const LIMIT: Duration = Duration::from_secs(20);

/// A volume of the destination that somebody has filled.
async fn volume(stage: &Stage, name: &str) -> String {
    let storage = stage.session("dst").await.block_storage().await.unwrap();
    let wish = CreateVolume { name: Some(name.into()), size: 1, ..CreateVolume::default() };
    let id = storage.create_volume(&wish).await.unwrap().id;
    storage.wait_volume(&id, &["available"], LIMIT).await.unwrap();
    storage.set_bootable(&id, name == "boot").await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn without_copying_the_server_gets_the_volumes_that_are_named() {
    let stage = Stage::small();
    let volumes = stage.volumes("src", "small").await;
    let (boot, data) = (volume(&stage, "boot").await, volume(&stage, "data").await);
    stage.edit("small", "data_copy: true", "data_copy: false");
    stage.edit("small", "boot_volume:\n      uuid: null", &format!("boot_volume:\n      uuid: {boot}"));
    stage.edit(
        "small",
        "additional_volumes:\n    - uuid: null",
        &format!("additional_volumes:\n    - uuid: {data}"),
    );
    stage.lab.src().clear_requests();
    // No host is needed, since no bytes move.
    success(&stage.migrate_by("local:nowhere", "local:nowhere").output().unwrap());
    let there = stage.server("dst", "small").await.unwrap();
    assert_eq!(there.status, "ACTIVE");
    assert_eq!(stage.volumes("dst", "small").await, [boot, data]);
    // It may go on running: nobody reads its disks.
    assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
    assert_eq!(stage.volumes("src", "small").await, volumes);
    let changes: Vec<_> = stage.lab.src().requests();
    let changes: Vec<_> =
        changes.iter().filter(|it| it.method != "GET" && !it.path.contains("/auth/")).collect();
    let claims =
        |it: &&&osm_lab::RecordedRequest| it.path.contains("osm_claim_") || it.body.contains("osm_claim_");
    assert_eq!(changes.iter().filter(claims).count(), changes.len(), "{changes:?}");
    stage.no_orphans(1, 2, 1, 0);

    let again = success(&stage.migrate_by("local:nowhere", "local:nowhere").output().unwrap());
    assert_eq!(again.last().unwrap()["unchanged"], 1);
    stage.no_orphans(1, 2, 1, 0);
}

/// OS Migrate gives every copy the destination's default type, and overlooks the boot volume's own params.
#[tokio::test(flavor = "multi_thread")]
async fn copies_keep_name_and_type_and_boot_volume_params_outweigh_them() {
    let stage = Stage::demo();
    let sources = stage.volumes("src", "db").await;
    stage.edit(
        "db",
        "      description: null\n      name: null\n",
        "      description: null\n      name: db-root\n",
    );
    success(&stage.migrate().arg("db").output().unwrap());
    let copies = stage.volumes("dst", "db").await;
    let (there, here) = (stage.session("src").await, stage.session("dst").await);
    for (index, (source, copy)) in sources.iter().zip(&copies).enumerate() {
        let source = there.block_storage().await.unwrap().volume(source).await.unwrap().unwrap();
        let copy = here.block_storage().await.unwrap().volume(copy).await.unwrap().unwrap();
        assert!(source.volume_type.is_some());
        assert_eq!(copy.volume_type, source.volume_type);
        let name = if index == 0 { Some("db-root".to_owned()) } else { source.name };
        assert_eq!((copy.name, copy.description), (name, source.description));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_copying_a_boot_volume_that_is_missing_is_told_first() {
    let stage = Stage::small();
    stage.edit("small", "data_copy: true", "data_copy: false");
    let lost = "6f1b3c5e-0000-4000-8000-000000000000";
    for (uuid, word) in [("null", "boot_volume.uuid"), (lost, lost)] {
        if uuid != "null" {
            stage.edit(
                "small",
                "boot_volume:\n      uuid: null",
                &format!("boot_volume:\n      uuid: {uuid}"),
            );
        }
        let output = stage.migrate().output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let failed = lines(&output).into_iter().find(|it| it["event"] == "workload_failed").unwrap();
        assert_eq!(failed["step"], "preflight");
        assert!(failed["error"].as_str().unwrap().contains(word), "{failed}");
        assert_eq!(stage.server("src", "small").await.unwrap().status, "ACTIVE");
        assert!(stage.server("dst", "small").await.is_none());
        stage.no_orphans(0, 0, 0, 0);
    }
}

/// The demo tenant's web server, to be made anew from its image: what is tested is its address.
struct Web {
    stage: Stage,
    network: Network,
    /// A floating IP that the destination's tenant has, of the address the file names.
    ip: FloatingIp,
    mode: &'static str,
}

impl Web {
    async fn open(mode: &'static str) -> Self {
        let stage = Stage::demo();
        let session = stage.session("dst").await;
        let network = session.network().await.unwrap();
        let public = named(&network, "public").await;
        let body = FloatingIpBody { floating_network_id: Some(public), ..FloatingIpBody::default() };
        let ip: FloatingIp = network.create(&body).await.unwrap();
        let source: Vec<FloatingIp> =
            stage.session("src").await.network().await.unwrap().list_own().await.unwrap();
        let exported = source[0].floating_ip_address.as_deref().unwrap();
        stage.edit("web", exported, ip.floating_ip_address.as_deref().unwrap());
        stage.edit("web", "data_copy: true", "data_copy: false");
        stage.edit("web", "floating_ip_mode: auto", &format!("floating_ip_mode: {mode}"));
        Self { stage, network, ip, mode }
    }

    /// The server is gone again and the floating IP free; from now on with another mode.
    async fn again(mut self, mode: &'static str) -> Self {
        let compute = self.stage.session("dst").await.compute().await.unwrap();
        let id = self.stage.server("dst", "web").await.unwrap().id;
        compute.delete_server(&id).await.unwrap();
        compute.wait_server_gone(&id, LIMIT).await.unwrap();
        for ip in self.all().await.into_iter().filter(|ip| ip.id != self.ip.id) {
            self.network.delete::<FloatingIp>(&ip.id).await.unwrap();
        }
        self.lead_to(None).await;
        self.stage.lose_state();
        let line = |mode| format!("floating_ip_mode: {mode}");
        self.stage.edit("web", &line(self.mode), &line(mode));
        self.mode = mode;
        self.ip = self.now().await;
        self
    }

    /// Gives the address to another port, as if another server used it.
    async fn occupied(self) -> Self {
        let net = named(&self.network, "front").await;
        let wish = CreatePort { network_id: net, body: PortBody::default() };
        let port: Port = self.network.create(&wish).await.unwrap();
        self.lead_to(Some(port.id)).await;
        Self { ip: self.now().await, ..self }
    }

    async fn lead_to(&self, port: Option<String>) {
        let body = FloatingIpBody { port_id: Some(port), ..FloatingIpBody::default() };
        let _ip: FloatingIp = self.network.update(&self.ip.id, &body).await.unwrap();
    }

    /// The floating IP as it is now.
    async fn now(&self) -> FloatingIp {
        self.all().await.into_iter().find(|ip| ip.id == self.ip.id).unwrap()
    }

    async fn all(&self) -> Vec<FloatingIp> {
        self.network.list_own().await.unwrap()
    }

    fn migrate(&self) -> Vec<Value> {
        success(&self.stage.migrate().arg("web").output().unwrap())
    }

    /// The floating addresses of the server.
    async fn addresses(&self) -> Vec<String> {
        let server = self.stage.server("dst", "web").await.expect("the server is there");
        assert_eq!(server.status, "ACTIVE");
        server.addresses_of_type("floating").map(|address| address.addr.clone()).collect()
    }

    fn address(&self) -> &str {
        self.ip.floating_ip_address.as_deref().unwrap()
    }
}

async fn named(network: &Network, name: &str) -> String {
    let found: Vec<NetworkObject> = network.list(&[("name", name)]).await.unwrap();
    found[0].id.clone()
}

fn warned(events: &[Value], words: &str) -> bool {
    events.iter().any(|it| it["event"] == "warning" && it["message"].as_str().unwrap().contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_ip_that_is_free_is_used_as_the_mode_says() {
    let web = Web::open("skip").await;
    web.migrate();
    assert!(web.addresses().await.is_empty());
    assert_eq!(web.all().await, std::slice::from_ref(&web.ip));

    let web = web.again("new").await;
    let events = web.migrate();
    assert!(!warned(&events, "floating"), "{events:?}");
    let addresses = web.addresses().await;
    assert_eq!(addresses.len(), 1);
    assert_ne!(addresses[0], web.address());
    assert_eq!(web.all().await.len(), 2);
    assert_eq!(web.now().await, web.ip);

    let mut web = web;
    for mode in ["existing", "auto"] {
        web = web.again(mode).await;
        let events = web.migrate();
        assert!(!warned(&events, "floating"), "{mode}: {events:?}");
        assert_eq!(web.addresses().await, [web.address()], "{mode}");
        assert_eq!(web.all().await.len(), 1, "{mode}");
        assert_eq!(web.now().await.fixed_ip_address.as_deref(), Some("10.10.1.11"), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_ip_is_never_taken_away_from_another_port() {
    let web = Web::open("existing").await.occupied().await;
    let output = web.stage.migrate().arg("web").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let failed = lines(&output).into_iter().find(|it| it["event"] == "workload_failed").unwrap();
    assert_eq!(failed["step"], "floating_ips");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains(web.address()) && error.contains("in use by port"), "{error}");
    assert!(failed["hint"].as_str().unwrap().contains("floating_ip_mode: new"), "{failed}");
    assert_eq!(web.now().await, web.ip);
    assert_eq!(web.all().await.len(), 1);

    // Once it is free, the next run gives it to the server that is there.
    let server = web.stage.server("dst", "web").await.unwrap().id;
    web.lead_to(None).await;
    web.migrate();
    assert_eq!(web.addresses().await, [web.address()]);
    assert_eq!(web.stage.server("dst", "web").await.unwrap().id, server);

    let web = web.again("auto").await.occupied().await;
    let events = web.migrate();
    assert!(warned(&events, "in use by port"), "{events:?}");
    let addresses = web.addresses().await;
    assert_eq!(addresses.len(), 1);
    assert_ne!(addresses[0], web.address());
    assert_eq!(web.now().await, web.ip, "the other port keeps its address");
}
