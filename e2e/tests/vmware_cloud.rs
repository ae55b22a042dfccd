//! A machine of the lab's vCenter becomes a server of a cloud: a real one when the environment describes one, whose
//! conversion host reaches the vCenter over the network, else the lab's.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use osm_e2e::arrival::{same_bytes, session};
use osm_e2e::{Run, Side, Stage};
use osm_lab::vcenter::{DiskSeed, MachineSeed, NicSeed, Power, VCenter, VCenterOptions};
use osm_openstack::Session;
use osm_openstack::block_storage::{Filter, Volume};
use osm_openstack::network::{NetworkBody, NetworkObject, Subnet, SubnetBody};

const MIB: u64 = 1 << 20;
const KEYS: [i32; 2] = [2000, 2001];

/// Where a vCenter must listen for the destination's conversion host to reach it: beside the gateway of its floating IP.
fn address(stage: &Stage) -> IpAddr {
    if !stage.is_real() {
        return Ipv4Addr::LOCALHOST.into();
    }
    let word = stage.dst_host.split(',').find_map(|word| word.strip_prefix("address="));
    let host: Ipv4Addr = word.expect("the host's address is told").parse().unwrap();
    let [a, b, c, _] = host.octets();
    Ipv4Addr::new(a, b, c, 1).into()
}

fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state | 1).to_le_bytes()
    };
    (0..len / 8).flat_map(|_| next()).collect()
}

/// A network for the machine's card.
async fn network(dst: &Session) {
    let network = dst.network().await.unwrap();
    let known: Vec<NetworkObject> = network.list(&[("name", "from-vmware")]).await.unwrap();
    if known.is_empty() {
        let wish = NetworkBody { name: Some("from-vmware".to_owned()), ..NetworkBody::default() };
        let made: NetworkObject = network.create(&wish).await.unwrap();
        let subnet = SubnetBody {
            network_id: Some(made.id),
            ip_version: Some(4),
            cidr: Some("192.168.77.0/24".to_owned()),
            ..SubnetBody::default()
        };
        network.create::<Subnet>(&subnet).await.unwrap();
    }
}

async fn volume(dst: &Session, key: i32) -> Volume {
    let storage = dst.block_storage().await.unwrap();
    let mut found = storage.volumes(&Filter::named(format!("vmw01-{key}"))).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_vsphere_becomes_a_server_of_a_cloud() {
    let stage = Stage::set().unwrap();
    let dst = session(&stage, "dst").await;
    network(&dst).await;
    let folder = tempfile::tempdir().unwrap();
    let options =
        VCenterOptions { address: address(&stage), ..VCenterOptions::new(folder.path().join("vcenter")) };
    let vcenter = VCenter::start(options).unwrap();
    let mut nic = NicSeed::new("00:50:56:0a:0b:0c", "VM Network");
    nic.ips = vec![("192.168.77.50".to_owned(), 24)];
    let disks = [64, 24].map(|mib| mib * MIB);
    let vm = vcenter
        .add_machine(MachineSeed {
            disks: KEYS
                .iter()
                .zip(disks)
                .map(|(key, size)| DiskSeed::new(*key, size).with(MIB, noise(7, 4 * MIB)))
                .collect(),
            nics: vec![nic],
            cpus: 1,
            memory_mib: 64,
            ..MachineSeed::new("vmw01")
        })
        .unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    vcenter.write_ca(&PathBuf::from(path("ca.pem"))).unwrap();
    std::fs::write(path("password"), VCenter::PASSWORD).unwrap();
    let (url, password, ca, data) = (vcenter.url(), path("password"), path("ca.pem"), path("data"));
    let run = |verb: &str, more: &[&str]| {
        let usual = ["vmware", verb, "--server", &url, "--user", VCenter::USER, "--password-file", &password];
        let rest = ["--ca", &ca, "--data-dir", &data];
        Run::of(&stage.clouds, &[&usual, &rest[..], more].concat()).unwrap().expect_code(0)
    };
    run("inventory", &[]);
    let plan = PathBuf::from(&data).join("machines.yml");
    let text = std::fs::read_to_string(&plan).unwrap();
    let text = text
        .replace(" network: null", " network: from-vmware")
        .replace("ip_address: null", "ip_address: keep");
    std::fs::write(&plan, text).unwrap();
    let host = stage.dst_host.clone();
    let work = |verb: &str| {
        run(verb, &["--dst", "dst", "--dst-host", &host, "--read-by", "datastore", "--convert", "none"])
    };

    work("seed");
    for key in KEYS {
        same_bytes(
            &vcenter.last_frozen(&vm, key).unwrap(),
            &stage.disk(Side::Destination, &volume(&dst, key).await.id).unwrap(),
        );
    }
    assert!(vcenter.guest_write(&vm, 2000, 33 * MIB, &noise(8, 64 << 10)).unwrap());
    let passed = work("seed");
    let copied = passed.named("pass_done").last().unwrap()["copied"].as_u64().unwrap();
    assert_eq!(copied, 64 << 10);
    for key in KEYS {
        let copy = volume(&dst, key).await;
        assert_eq!(Some(&copy.metadata["changeID"]), vcenter.change_id(&vm, key).as_ref());
        same_bytes(
            &vcenter.last_frozen(&vm, key).unwrap(),
            &stage.disk(Side::Destination, &copy.id).unwrap(),
        );
    }

    vcenter.on_shutdown(&vm, vec![(2001, 0, noise(9, 4096))]);
    let moved = work("cutover");
    assert_eq!(vcenter.power_state(&vm), Power::Off);
    let done = moved.named("workload_done").last().unwrap();
    let server = done["server_id"].as_str().expect("it has a server");
    let compute = dst.compute().await.unwrap();
    assert_eq!(compute.server(server).await.unwrap().unwrap().status, "ACTIVE");
    assert_eq!(compute.attachments(server).await.unwrap().len(), 2);
    let copy = stage.disk(Side::Destination, &volume(&dst, 2001).await.id).unwrap();
    let mut last = vec![0; 4096];
    std::fs::File::open(copy).unwrap().read_exact_at(&mut last, 0).unwrap();
    assert!(last == noise(9, 4096), "what the guest wrote at last is there");
    let again = work("cutover");
    assert_eq!(again.named("workload_done").last().unwrap()["outcome"], "unchanged");
}
