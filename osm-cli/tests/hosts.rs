//! Conversion hosts are made, used and deleted without a trace; what somebody else made stays.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "each test program uses its part")]
mod sshd;
#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::fs;
use std::process::Output;

use osm_lab::Counts;
use osm_openstack::network::{Network, Router, SecurityGroup, SecurityGroupBody, SecurityGroupRule, Subnet};
use serde_json::Value;
use sshd::Sshd;
use stage::{Stage, lines, success, text};

struct Hosts {
    stage: Stage,
    sshd: Sshd,
    before: [Counts; 2],
}

impl Hosts {
    fn start() -> Option<Self> {
        let sshd = Sshd::start()?;
        let stage = Stage::small();
        for cloud in [stage.lab.src(), stage.lab.dst()] {
            cloud.show_host_key(&sshd.host_key());
        }
        let before = [stage.lab.src().counts(), stage.lab.dst().counts()];
        Some(Self { stage, sshd, before })
    }

    /// `osm-cli hosts VERB` with both hosts.
    fn hosts(&self, verb: &str, words: &[&str]) -> Output {
        let mut command = self.stage.osm(&["hosts", verb, "--src", "src", "--dst", "dst"]);
        command.arg("--data-dir").arg(self.stage.data_dir());
        for cloud in [self.stage.lab.src(), self.stage.lab.dst()] {
            let server = format!("conv-{}", cloud.name());
            let host = self.sshd.undeployed(&server, &cloud.device_dir(&server));
            command.arg(format!("--{}-host", cloud.name())).arg(host);
        }
        command.args(words).output().unwrap()
    }

    fn deploy(&self, words: &[&str]) -> Output {
        let usual = ["--flavor", "m1.conv", "--external-network", "public", "--timeout", "20"];
        self.hosts("deploy", &[&usual, words].concat())
    }

    fn counts(&self) -> [Counts; 2] {
        [self.stage.lab.src().counts(), self.stage.lab.dst().counts()]
    }

    async fn network(&self, cloud: &str) -> Network {
        self.stage.session(cloud).await.network().await.unwrap()
    }
}

/// What became of the parts: `conv-src: network os_migrate_conv: created`.
fn parts(lines: &[Value]) -> Vec<String> {
    let parts = lines.iter().filter(|line| line["event"] == "host_part");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    parts
        .map(|it| format!("{}: {}: {}", word(&it["host"]), word(&it["part"]), word(&it["outcome"])))
        .collect()
}

/// How a host is reached, as deploy has told it.
fn spec(lines: &[Value], host: &str) -> String {
    let ready = lines.iter().find(|line| line["event"] == "host_ready" && line["host"] == host);
    ready.expect("the host is ready")["spec"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_made_used_and_deleted_without_a_trace() {
    let Some(hosts) = Hosts::start() else { return };
    let stage = &hosts.stage;
    let deployed = success(&hosts.deploy(&["--boot-volume", "2"]));
    let linked = deployed.iter().find(|line| line["event"] == "hosts_linked").expect("it is told");
    assert_eq!(linked["direct"], true);
    let known = fs::read_to_string(stage.data_dir().join("conversion/known_hosts")).unwrap();
    assert!(known.starts_with("[127.0.0.1]:") && known.contains("ssh-ed25519"), "{known}");
    for cloud in ["src", "dst"] {
        let server = stage.server(cloud, &format!("conv-{cloud}")).await.unwrap();
        assert_eq!((server.status.as_str(), server.key_name.as_deref()), ("ACTIVE", Some("os_migrate_conv")));
        assert!(server.image.is_none(), "it boots from a volume");
    }

    // The source's lets in SSH and the agents of the other host, the destination's SSH.
    let doors = async |cloud| {
        let network = hosts.network(cloud).await;
        let groups: Vec<SecurityGroup> = network.list(&[("name", "os_migrate_conv")]).await.unwrap();
        let rules: Vec<SecurityGroupRule> =
            network.list(&[("security_group_id", &groups[0].id)]).await.unwrap();
        let mut doors: Vec<_> = rules
            .into_iter()
            .filter(|rule| rule.direction == "ingress")
            .map(|rule| (rule.port_range_min.unwrap(), rule.port_range_max.unwrap(), rule.remote_ip_prefix))
            .collect();
        doors.sort();
        doors
    };
    assert_eq!(doors("dst").await.len(), 1);
    let of_src = doors("src").await;
    assert_eq!((of_src[0].0, of_src[0].1), (22, 22));
    let floating = stage.server("dst", "conv-dst").await.unwrap();
    let floating = floating.addresses_of_type("floating").next().unwrap().addr.clone();
    assert!(of_src.contains(&(10810, 10841, Some(format!("{floating}/32")))), "{of_src:?}");
    assert!(of_src[1..].iter().all(|(first, _, from)| *first == 10810 && from.is_some()), "{of_src:?}");

    // Once more: all is there.
    stage.forget_requests();
    let again = success(&hosts.hosts("deploy", &["--timeout", "20"]));
    assert_eq!(stage.changes(), 0, "{again:?}");
    assert!(parts(&again).iter().all(|part| part.ends_with(": unchanged")), "{:?}", parts(&again));
    success(&hosts.hosts("check", &[]));

    // A server that was stopped runs again, and an address that is let in no longer is taken out.
    let compute = stage.session("src").await.compute().await.unwrap();
    let id = stage.lab.src().server_id("conv-src").unwrap();
    compute.stop_server(&id).await.unwrap();
    compute.wait_server(&id, "SHUTOFF", std::time::Duration::from_secs(10)).await.unwrap();
    let refused = hosts.hosts("check", &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("SHUTOFF") && text(&refused).contains("conv-src"), "{}", text(&refused));
    success(&hosts.deploy(&["--ssh-from", "127.0.0.0/8"]));
    assert_eq!(doors("dst").await, [(22, 22, Some("127.0.0.0/8".to_owned()))]);

    // They do what they are for. The lab names the folder of devices after the server, which was not there at first.
    let volumes = stage.volumes("src", "small").await;
    let (src, dst) = (spec(&again, "conv-src"), spec(&again, "conv-dst"));
    success(&stage.migrate_by(&src, &dst).output().unwrap());
    stage.moved_once("small", &volumes).await;
    stage.equal_disks("small", &volumes).await;

    let [src, dst] = hosts.before;
    let deleted = success(&hosts.hosts("delete", &[]));
    let moved = Counts { servers: dst.servers + 1, volumes: dst.volumes + 2, ports: dst.ports + 1, ..dst };
    assert_eq!(hosts.counts(), [src, moved], "{:?}", parts(&deleted));
    for cloud in ["src", "dst"] {
        let network = hosts.network(cloud).await;
        assert!(network.list::<Router>(&[("name", "os_migrate_conv")]).await.unwrap().is_empty());
        assert!(network.list::<Subnet>(&[("name", "os_migrate_conv")]).await.unwrap().is_empty());
    }
    assert_eq!(fs::read_to_string(stage.data_dir().join("conversion/known_hosts")).unwrap(), "");
    let nothing = success(&hosts.hosts("delete", &[]));
    assert_eq!(parts(&nothing), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_made_is_used_and_stays() {
    let Some(hosts) = Hosts::start() else { return };
    let network = hosts.network("src").await;
    let body = SecurityGroupBody { name: Some("os_migrate_conv".to_owned()), description: None };
    let group: SecurityGroup = network.create(&body).await.unwrap();
    // The network is given, so nothing is made for it, and no floating IP is wanted.
    let words = ["--network", "provider", "--no-floating-ip"];
    success(&hosts.deploy(&words));
    assert_eq!(hosts.counts()[0].networks, hosts.before[0].networks);
    assert_eq!(hosts.counts()[0].floating_ips, hosts.before[0].floating_ips);
    let deleted = success(&hosts.hosts("delete", &words));
    let stays = "conv-src: security group os_migrate_conv: exists".to_owned();
    assert!(parts(&deleted).contains(&stays), "{:?}", parts(&deleted));
    assert!(network.get::<SecurityGroup>(&group.id).await.unwrap().is_some());
    assert_eq!(hosts.counts()[1], hosts.before[1]);

    // The lab's own conversion host was not made by us: nothing is made for it, and it is not deleted.
    let cloud = hosts.stage.lab.src();
    let known = hosts.sshd.known_hosts();
    hosts.stage.forget_requests();
    let mut command = hosts.stage.osm(&["hosts", "deploy", "--src", "src", "--data-dir"]);
    command.arg(hosts.stage.data_dir()).arg("--src-host").arg(hosts.sshd.spec(cloud, &known, ""));
    let used = success(&command.output().unwrap());
    assert_eq!(parts(&used), ["os_migrate_conv_src: server os_migrate_conv_src: unchanged"]);
    assert_eq!(hosts.stage.changes(), 0);
    let mut command = hosts.stage.osm(&["hosts", "delete", "--src", "src", "--data-dir"]);
    let kept = success(&command.arg(hosts.stage.data_dir()).output().unwrap());
    assert!(parts(&kept).contains(&"os_migrate_conv_src: server os_migrate_conv_src: exists".to_owned()));
    assert!(hosts.stage.lab.src().server_id("os_migrate_conv_src").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_told_before_anything_is() {
    let Some(hosts) = Hosts::start() else { return };
    hosts.stage.forget_requests();
    for (words, said) in [
        (&["--external-network", "public"][..], ["no flavor is named", "--flavor"]),
        (&["--flavor", "m9.huge", "--external-network", "public"], ["m9.huge", "--flavor"]),
        (&["--flavor", "m1.conv"], ["no external network", "--external-network"]),
        (&["--flavor", "m1.conv", "--external-network", "moon"], ["moon", "--external-network"]),
        (
            &["--flavor", "m1.conv", "--external-network", "public", "--image", "none"],
            ["image none", "--image"],
        ),
        (&["--flavor", "m1.conv", "--network", "nowhere", "--no-floating-ip"], ["nowhere", "network"]),
    ] {
        let output = hosts.hosts("deploy", words);
        assert!(!output.status.success(), "{words:?}");
        for part in said {
            assert!(text(&output).contains(part), "no `{part}` in {}", text(&output));
        }
        assert_eq!(hosts.stage.changes(), 0, "{words:?}: {:?}", lines(&output));
    }
    let none = hosts.stage.osm(&["hosts", "check", "--data-dir", "/tmp"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2), "{}", text(&none));
    let missing = hosts.hosts("check", &[]);
    assert!(text(&missing).contains("there is no such server"), "{}", text(&missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_who_its_console_says_is_refused() {
    let Some(hosts) = Hosts::start() else { return };
    let other = Sshd::start().expect("there was one before");
    hosts.stage.lab.dst().show_host_key(&other.host_key());
    // The destination's alone: here both are the same sshd, and would be known by the same name.
    let cloud = hosts.stage.lab.dst();
    let host = hosts.sshd.undeployed("conv-dst", &cloud.device_dir("conv-dst"));
    let mut command = hosts.stage.osm(&["hosts", "deploy", "--dst", "dst", "--flavor", "m1.conv"]);
    command.args(["--external-network", "public", "--timeout", "20", "--dst-host", &host, "--data-dir"]);
    let output = command.arg(hosts.stage.data_dir()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("Host key verification failed"), "{}", text(&output));
    // What was made is found again, and deleted.
    success(&hosts.hosts("delete", &[]));
    assert_eq!(hosts.counts(), hosts.before);
}
