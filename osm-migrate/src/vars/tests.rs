use std::path::Path;

use osm_model::Kind;

use super::*;
use crate::conversion::FloatingIpPlan;

fn parse(text: &str) -> Result<Vars> {
    Vars::parse([(Path::new("vars.yml"), text)])
}

/// A file such as the peer's documentation shows.
const WHOLE: &str = "\
---
os_migrate_src_auth:
  auth_url: http://192.0.2.2/identity/v3
  password: hunter2
  project_domain_id: default
  project_name: src
  user_domain_id: default
  username: src
os_migrate_src_region_name: RegionOne
os_migrate_src_validate_certs: no
os_migrate_src_ca_cert: /etc/ca.pem
os_migrate_dst_auth_type: v3applicationcredential
os_migrate_dst_auth:
  auth_url: https://192.0.2.3:5000/v3
  application_credential_id: abc
  application_credential_secret: 'hunter3'
os_migrate_dst_block_storage_api_version: 3
os_migrate_data_dir: /root/os-migrate-data
os_migrate_networks_filter:
  - osm_net
  - regex: ^osm_(?!uch)
os_migrate_workload_stop_before_migration: true
os_migrate_timeout: 3600
os_migrate_src_conversion_host_name: my_host
os_migrate_dst_conversion_floating_ip_address: 203.0.113.9
os_migrate_src_conversion_floating_ip_address: false
os_migrate_src_filter_current_project: true
os_migrate_src_filters: {}
";

#[test]
fn a_whole_file_is_understood() {
    let vars = parse(WHOLE).unwrap();
    assert_eq!(vars.warnings, Vec::<String>::new());
    let src = vars.src.cloud.as_ref().unwrap();
    assert_eq!((src.name(), src.region(), src.verify()), ("src", Some("RegionOne"), false));
    assert_eq!(vars.dst.cloud.as_ref().unwrap().auth_url().as_str(), "https://192.0.2.3:5000/v3");
    assert_eq!(vars.data_dir.as_deref(), Some(Path::new("/root/os-migrate-data")));
    let networks = vars.filters.get(Kind::Network);
    assert!(networks.matches("osm_net") && networks.matches("osm_other") && !networks.matches("osm_uch"));
    assert!(vars.filters.get(Kind::Subnet).matches("anything"));
    assert_eq!((vars.stop, vars.timeout), (Some(true), Some(Duration::from_secs(3600))));
    let host = vars.src.ssh(Path::new("/nowhere"));
    assert_eq!((host.server.as_str(), host.user.as_deref()), ("my_host", Some("cloud-user")));
    assert_eq!((host.address, host.key), (None, None));
    assert_eq!(vars.dst.address.as_deref(), Some("203.0.113.9"));
    assert_eq!(vars.dst.host, "os_migrate_conv_dst");
    assert_eq!(vars.dst.plan.floating_ip, FloatingIpPlan::Address("203.0.113.9".to_owned()));
}

#[test]
fn no_secret_is_shown() {
    let shown = format!("{:?}", parse(WHOLE).unwrap());
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn a_later_file_counts_more() {
    let texts = [
        (Path::new("a.yml"), "os_migrate_data_dir: /a\nos_migrate_timeout: 5\n"),
        (Path::new("b.yml"), "os_migrate_data_dir: /b\n"),
    ];
    let vars = Vars::parse(texts).unwrap();
    assert_eq!(vars.data_dir.as_deref(), Some(Path::new("/b")));
    assert_eq!(vars.timeout, Some(Duration::from_secs(5)));
}

#[test]
fn what_is_not_known_or_has_no_effect_is_told() {
    let vars = parse(
        "os_migrate_data_dri: /x\n\
         os_migrate_src_filter_current_project: false\n\
         os_migrate_conversion_rhsm_password: hunter2\n\
         os_migrate_workload_boot_volume_prefix: copy-\n\
         my_own: 1\n",
    );
    let vars = vars.unwrap();
    let told = |parts: &[&str]| {
        let fitting = vars.warnings.iter().filter(|it| parts.iter().all(|part| it.contains(part)));
        assert_eq!(fitting.count(), 1, "{parts:?} in {:#?}", vars.warnings);
    };
    told(&["vars.yml, line 1: ", "`os_migrate_data_dri`", "`os_migrate_data_dir` is the nearest"]);
    told(&["`os_migrate_src_filter_current_project: false` is not supported yet"]);
    told(&["`os_migrate_conversion_rhsm_password` has no effect"]);
    told(&["`os_migrate_workload_boot_volume_prefix` is not supported yet"]);
    told(&["no variable `my_own`; it has no effect"]);
    assert!(!vars.warnings.concat().contains("hunter2"));
}

#[test]
fn every_mistake_names_the_variable_and_the_fix() {
    let auth = "os_migrate_src_auth:\n  auth_url: http://h/v3\n  username: u\n";
    let cases: &[(&str, &[&str])] = &[
        ("os_migrate_data_dir: [a]\n", &["line 1", "`os_migrate_data_dir` is a list", "one value"]),
        ("os_migrate_data_dir: 7\n", &["`os_migrate_data_dir` is no text", "quotes"]),
        ("\nos_migrate_validate_files: maybe\n", &["line 2", "`os_migrate_validate_files`", "true or false"]),
        ("os_migrate_timeout: soon\n", &["`os_migrate_timeout` is no number", "1800"]),
        ("os_migrate_networks_filter: net\n", &["`os_migrate_networks_filter`", "a filter is a list"]),
        ("os_migrate_networks_filter: [{regexp: a}]\n", &["one key `regex`", "`regexp`"]),
        ("os_migrate_images_filter: [{regex: '('}]\n", &["`os_migrate_images_filter`", "no", "regular"]),
        ("os_migrate_src_auth: secret\n", &["`os_migrate_src_auth` is text, not a mapping", "auth_url"]),
        (&format!("{auth}  password: 12345\n"), &["`os_migrate_src_auth.password`", "quotes"]),
        (auth, &["os_migrate_src_*", "password", "is missing"]),
        (
            &format!("{auth}  password: hunter2\nos_migrate_src_block_storage_api_version: 2\n"),
            &["line 5", "`os_migrate_src_block_storage_api_version` is not 3"],
        ),
        (
            "os_migrate_data_dir: \"{{ lookup('env', 'HOME') }}/d\"\n",
            &["`os_migrate_data_dir` is a template", "collection"],
        ),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", &["encrypted with Ansible Vault", "ansible-vault view"]),
        (
            "os_migrate_src_auth:\n  password: !vault |\n    $ANSIBLE_VAULT;1.1\n",
            &["line 2", "`password`", "Ansible"],
        ),
        ("- a\n", &["holds no variables"]),
        ("a: 'hunter2\n", &["vars.yml", "quotes"]),
    ];
    for (text, parts) in cases {
        let error = parse(text).expect_err(text);
        let said = error.chain();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}\nfor\n{text}");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!said.contains("hunter2") && !said.contains("12345"), "{said}");
    }
}

#[test]
fn a_conversion_host_is_what_the_variables_say() {
    let vars = parse(
        "os_migrate_conversion_image_name: both\n\
         os_migrate_src_conversion_image_name: mine\n\
         os_migrate_conversion_flavor_name: m1.conv\n\
         os_migrate_src_conversion_manage_network: false\n\
         os_migrate_src_conversion_net_name: provider\n\
         os_migrate_src_conversion_manage_fip: false\n\
         os_migrate_dst_conversion_host_boot_from_volume: true\n\
         os_migrate_dst_conversion_subnet_dns_nameservers: ['192.0.2.53']\n\
         os_migrate_conversion_subnet_alloc_start: 192.168.10.10\n\
         os_migrate_conversion_subnet_alloc_end: 192.168.10.99\n\
         os_migrate_delete_dst_conversion_host: false\n\
         os_migrate_conversion_keypair_generate: false\n",
    );
    let vars = vars.unwrap();
    let (src, dst) = (&vars.src.plan, &vars.dst.plan);
    assert_eq!((src.image.as_str(), dst.image.as_str()), ("mine", "both"));
    assert_eq!((src.flavor.as_deref(), src.network.managed), (Some("m1.conv"), false));
    assert_eq!((src.network.name.as_str(), &src.floating_ip), ("provider", &FloatingIpPlan::None));
    assert_eq!((src.boot_volume_gib, dst.boot_volume_gib), (None, Some(20)));
    assert_eq!(dst.network.dns, ["192.0.2.53"]);
    assert_eq!(dst.network.pool, Some(("192.168.10.10".into(), "192.168.10.99".into())));
    assert!(vars.src.delete && !vars.dst.delete && !vars.key_kind.generate);
    let error = parse("os_migrate_dst_conversion_subnet_dns_nameservers: 8.8.8.8\n").unwrap_err();
    assert!(error.to_string().contains("os_migrate_dst_conversion_subnet_dns_nameservers"), "{error}");
}
