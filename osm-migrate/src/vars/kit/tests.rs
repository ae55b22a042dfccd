use std::path::Path;

use osm_model::NameFilter;
use osm_model::machine::{Machine, MachineNic, MachinesFile, NicParams};
use secrecy::ExposeSecret as _;

use super::KitVars;
use crate::vars::Vars;
use crate::{ErrorKind, Result};

fn vars(text: &str) -> Result<Vars> {
    Vars::parse([(Path::new("vars.yaml"), text)])
}

fn kit(text: &str) -> Result<KitVars> {
    vars(text)?.kit()
}

/// What the kit's own example says.
const WHOLE: &str = "\
esxi_hostname: 10.10.10.7
vcenter_hostname: vcenter.example
vcenter_username: root
vcenter_password: hunter2
vcenter_datacenter: Datacenter
already_deploy_conversion_host: true
dst_cloud:
  auth:
    auth_url: https://openstack.dst.cloud:13000/v3
    username: tenant
    project_name: migration
    user_domain_name: osm.com
    password: hunter3
  region_name: regionOne
  interface: public
  identity_api_version: 3
used_mapped_networks: true
network_map:
  \"VM Network\": \"public,73ef65b0\"
  dmz: outside
openstack_private_network: provider_network_1
security_groups: 4f077e64
use_fixed_ips: true
os_migrate_vmw_data_dir: /opt/os-migrate
vms_list:
  - rhel-1
  - rhel-2
cinder_volume_type: __DEFAULT__
volume_type_mapping:
   - vmware_datastore: datastore1
     openstack_type: volume_type_1
availability_zone: nova
";

#[test]
fn a_whole_file_is_understood() {
    let vars = vars(WHOLE).unwrap();
    let without: Vec<&str> = ["esxi_hostname", "vcenter_datacenter", "already_deploy_conversion_host"].into();
    assert_eq!(vars.warnings.len(), without.len(), "{:#?}", vars.warnings);
    for name in without {
        assert!(vars.warnings.iter().any(|warning| warning.contains(name)), "{name}");
    }
    assert_eq!(vars.data_dir.as_deref(), Some(Path::new("/opt/os-migrate")));
    let cloud = vars.dst.cloud.as_ref().unwrap();
    assert_eq!((cloud.name(), cloud.region(), cloud.verify()), ("dst", Some("regionOne"), true));
    assert!(vars.src.cloud.is_none());
    let kit = vars.kit().unwrap();
    assert_eq!((kit.server.as_deref(), kit.user.as_deref()), (Some("vcenter.example"), Some("root")));
    assert_eq!(kit.password.as_ref().unwrap().expose_secret(), "hunter2");
    assert_eq!(kit.machines, Some(vec!["rhel-1".to_owned(), "rhel-2".to_owned()]));
    assert_eq!((kit.cbt_sync, kit.cutover, kit.data_only), (false, false, false));
    assert_eq!((kit.volume_type.as_deref(), kit.zone.as_deref()), (Some("__DEFAULT__"), Some("nova")));
    assert_eq!(kit.volume_types["datastore1"], "volume_type_1");
    let shown = format!("{vars:?} {kit:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn flags_are_what_ansible_takes_for_them_and_long_names_count_more() {
    for (word, meant) in [
        ("yes", true),
        ("true", true),
        ("1", true),
        ("\"True\"", true),
        ("'on'", true),
        ("no", false),
        ("0", false),
    ] {
        for name in ["cbt_sync", "import_workloads_cbt_sync"] {
            assert_eq!(kit(&format!("{name}: {word}\n")).unwrap().cbt_sync, meant, "{name}: {word}");
        }
        assert_eq!(kit(&format!("cutover: {word}\n")).unwrap().cutover, meant);
    }
    let both =
        kit("cutover: true\nimport_workloads_cutover: false\nvm_name: one\nvms_list: [two]\n").unwrap();
    assert!(!both.cutover && !both.no_final_sync && !both.create_flavor);
    let rare = kit("import_workloads_final_sync: no\nuse_existing_flavor: no\n").unwrap();
    assert!(rare.no_final_sync && rare.create_flavor && !rare.accept_data_loss);
    assert_eq!(both.machines, Some(vec!["one".to_owned()]));
}

#[test]
fn certificates_may_go_unverified_of_the_cloud_and_never_of_a_vcenter() {
    let asked = kit("x: 1\nvmware_insecure: yes\n").unwrap().insecure;
    assert_eq!(asked.as_deref(), Some("vars.yaml, line 2: `vmware_insecure`"));
    assert_eq!(kit("import_workloads_vmware_insecure: no\nvmware_insecure: yes\n").unwrap().insecure, None);
    for text in [
        WHOLE.replace("  interface: public", "  openstack_insecure: true"),
        format!("{WHOLE}openstack_insecure: 'True'\n"),
    ] {
        assert!(!vars(&text).unwrap().dst.cloud.unwrap().verify());
    }
}

#[test]
fn what_os_migrate_calls_the_destination_counts_more() {
    let own = "os_migrate_data_dir: /own\nos_migrate_dst_conversion_host_name: mine\nimport_workloads_instance_uuid: 3f\n\
               os_migrate_dst_auth: {auth_url: 'https://own/v3', username: u, password: p, project_name: n}\n";
    let vars = vars(&format!("{WHOLE}{own}")).unwrap();
    assert_eq!(vars.data_dir.as_deref(), Some(Path::new("/own")));
    assert_eq!(vars.dst.cloud.unwrap().auth_url().as_str(), "https://own/v3");
    assert_eq!((vars.dst.host.as_str(), vars.src.host.as_str()), ("mine", "os_migrate_conv_src"));
    let of_kit =
        super::super::Vars::parse([(Path::new("v"), "import_workloads_instance_uuid: 3f\n")]).unwrap();
    assert_eq!((of_kit.dst.host.as_str(), of_kit.src.host.as_str()), ("3f", "os_migrate_conv_src"));
    let named = kit("dst_cloud: prod\n").unwrap();
    assert_eq!(named.dst.as_deref(), Some("prod"));
}

#[test]
fn virt_v2v_is_told_what_the_kit_tells_it() {
    let told =
        kit("boot_script_path: /root/first.sh\nimport_workloads_extra_opts: --key  all:clevis\n").unwrap();
    assert_eq!(told.words, ["--firstboot", "/root/first.sh", "--key", "all:clevis"]);
    let folder = kit("vddk_libdir: /opt/a\nlibdir: /opt/b\n").unwrap().library;
    assert_eq!(folder.as_deref(), Some(Path::new("/opt/b")));
}

#[test]
fn every_mistake_names_the_variable_and_the_fix() {
    let cases: &[(&str, &[&str])] = &[
        ("vcenter_password: 12345\n", &["line 1", "`vcenter_password`", "quotes"]),
        ("cbt_sync: maybe\n", &["`cbt_sync`", "true or false"]),
        ("vms_list: [1, a]\n", &["`vms_list`", "names"]),
        ("vms_list: {a: b}\n", &["`vms_list`", "names"]),
        ("vcenter_thumbprint: AA:BB\n", &["`vcenter_thumbprint`", "32 pairs"]),
        ("volume_type_mapping: fast\n", &["`volume_type_mapping` is not a list", "openstack_type"]),
        ("volume_type_mapping: [{vmware_datastore: a}]\n", &["entry 1", "openstack_type"]),
        ("network_map: net\n", &["`network_map` is text, not a mapping"]),
        ("network_map: {a: [b]}\n", &["`network_map` holds", "NAME: VALUE"]),
        ("extra_opts: --key 'a b'\n", &["`extra_opts`", "--virt-v2v-word"]),
        ("dst_cloud: [a]\n", &["`dst_cloud` is a list", "region_name"]),
        ("dst_cloud: {auth: {password: 12345}}\n", &["`auth.password`", "quotes"]),
        (
            "dst_cloud: {auth: {username: u, password: hunter2}}\n",
            &["`dst_cloud` describes no cloud", "auth_url"],
        ),
    ];
    for (text, parts) in cases {
        let error = kit(text).expect_err(text);
        let said = error.chain();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}\nfor\n{text}");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!said.contains("hunter2") && !said.contains("12345"), "{said}");
    }
}

fn plan() -> MachinesFile {
    let mut machine = Machine::default();
    machine.info.name = "app01".to_owned();
    for (mac, network, address) in [("AA", "VM Network", "192.0.2.7"), ("bb", "other", "fe80::1")] {
        machine.info.nics.push(MachineNic {
            mac: mac.to_owned(),
            network: Some(network.to_owned()),
            addresses: vec![address.to_owned()],
            ..MachineNic::default()
        });
        let mac = mac.to_ascii_lowercase();
        machine.params.nics.push(NicParams { mac, keep_mac: true, ..NicParams::default() });
    }
    MachinesFile { vcenter: None, machines: vec![machine] }
}

#[test]
fn a_plan_is_filled_in_where_it_says_nothing() {
    let text = "network_map: {VM Network: 'net,sub'}\nused_mapped_networks: true\nuse_fixed_ips: 1\n\
                openstack_private_network: private\nsecurity_groups: [a, b]\nflavor_uuid: m1\n\
                ssh_key_name: key\nimport_workloads_nova_az: az1\n";
    let said = kit(text).unwrap().plan;
    let mut filled = plan();
    assert!(!said.fill(&mut filled, &NameFilter::exact(["other"])));
    assert_eq!(filled, plan());
    assert!(said.fill(&mut filled, &NameFilter::all()));
    let params = &filled.machines[0].params;
    let nic = &params.nics[0];
    assert_eq!((nic.network.as_deref(), nic.subnet.as_deref()), (Some("net"), Some("sub")));
    assert_eq!(nic.ip_address.as_deref(), Some("keep"));
    // By the map alone; and an address that is none of IPv4 is not kept.
    assert_eq!((&params.nics[1].network, &params.nics[1].ip_address), (&None, &None));
    assert_eq!(params.security_groups, ["a", "b"]);
    assert_eq!((params.flavor.as_deref(), params.key_name.as_deref()), (Some("m1"), Some("key")));
    assert_eq!(params.availability_zone.as_deref(), Some("az1"));
    assert!(!said.fill(&mut filled, &NameFilter::all()), "nothing is left to fill in");
    // What was edited stays.
    let other = kit("flavor_uuid: m2\nopenstack_private_network: private\n").unwrap().plan;
    assert!(other.fill(&mut filled, &NameFilter::all()));
    let params = &filled.machines[0].params;
    assert_eq!(params.flavor.as_deref(), Some("m1"));
    assert_eq!(
        (params.nics[0].network.as_deref(), params.nics[1].network.as_deref()),
        (Some("net"), Some("private"))
    );
}

#[test]
fn one_network_for_all_unless_mapped_ones_are_asked_for() {
    let map = "network_map: {VM Network: mapped}\n";
    let one = "openstack_private_network: private\nexport_metadata_subnet_uuid: sub\nuse_fixed_ips: true\n";
    for (text, network, subnet) in [
        (format!("{map}{one}"), Some("private"), Some("sub")),
        (format!("{map}{one}used_mapped_networks: false\n"), Some("private"), Some("sub")),
        (format!("{map}{one}used_mapped_networks: true\n"), Some("mapped"), None),
        (map.to_owned(), Some("mapped"), None),
        (format!("{map}used_mapped_networks: false\n"), None, None),
    ] {
        let mut filled = plan();
        kit(&text).unwrap().plan.fill(&mut filled, &NameFilter::all());
        let nic = &filled.machines[0].params.nics[0];
        assert_eq!((nic.network.as_deref(), nic.subnet.as_deref()), (network, subnet), "{text}");
    }
}
