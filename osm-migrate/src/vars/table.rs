//! The variables of OS Migrate, and what each does here. docs/variables.md says the same in more words.
//!
//! Those of the VMware migration kit are in [`super::kit::table`].

use Support::{Fitting, Ignored, Pending, Used};

use super::kit::table::KIT;

/// What a variable does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It does what it does in OS Migrate.
    Used,
    /// This value is how things are here; another one has no effect, for this reason.
    Fitting(bool, &'static str),
    /// It has no effect, for this reason, and nothing is lost.
    Ignored(&'static str),
    /// It has no effect yet.
    Pending(&'static str),
}

/// What the conversion hosts of OS Migrate need and ours do not.
const NO_CONTENT: &str = "nothing is installed on conversion hosts, they need no packages";
const OWN_PROJECT: &str =
    "what the credentials' own project has is exported and imported: use credentials of each project in turn";

/// Variables that come once for each side: what follows `os_migrate_src_` and `os_migrate_dst_`.
pub(super) const OF_A_SIDE: &[(&str, Support)] = &[
    ("auth", Used),
    ("auth_type", Used),
    ("region_name", Used),
    ("block_storage_api_version", Used),
    ("validate_certs", Used),
    ("ca_cert", Used),
    ("client_cert", Used),
    ("client_key", Used),
    ("filter_current_project", Fitting(true, OWN_PROJECT)),
    ("filters", Pending(OWN_PROJECT)),
    ("project_id", Ignored("the project is that of the credentials")),
    ("conversion_host_name", Used),
    ("conversion_floating_ip_address", Used),
    ("conversion_image_name", Used),
    ("conversion_flavor_name", Used),
    ("conversion_external_network_name", Used),
    ("conversion_net_name", Used),
    ("conversion_net_mtu", Used),
    ("conversion_subnet_name", Used),
    ("conversion_subnet_dns_nameservers", Used),
    ("conversion_router_name", Used),
    ("conversion_secgroup_name", Used),
    ("conversion_keypair_name", Used),
    ("conversion_manage_network", Used),
    ("conversion_manage_fip", Used),
    ("conversion_host_delete_fip", Used),
    ("conversion_host_boot_from_volume", Used),
    ("conversion_host_volume_size", Used),
    ("conversion_availability_zone", Used),
    ("conversion_host_pre_content_hook", Ignored(NO_CONTENT)),
    ("conversion_host_post_content_hook", Ignored(NO_CONTENT)),
];

/// The other variables.
pub(super) const GENERAL: &[(&str, Support)] = &[
    ("os_migrate_data_dir", Used),
    ("os_migrate_clouds_path", Used),
    ("os_migrate_validate_files", Used),
    ("os_migrate_export_images_blobs", Used),
    ("os_migrate_image_blobs_dir", Used),
    ("os_migrate_timeout", Used),
    ("os_migrate_workload_cleanup_on_failure", Used),
    ("os_migrate_workload_stop_before_migration", Used),
    ("os_migrate_workloads_boot_disk_copy", Used),
    (
        "os_migrate_workload_boot_volume_prefix",
        Pending("volumes made of boot disks are called os-migrate-NAME; rename them afterwards"),
    ),
    (
        "os_migrate_workloads_data_copy",
        Ignored("OS Migrate does not read it either: edit _migration_params.data_copy in workloads.yml"),
    ),
    ("os_migrate_conversion_host_ssh_user", Used),
    ("os_migrate_conversion_keypair_private_path", Used),
    (
        "os_migrate_conversion_link_keypair_private_path",
        Ignored(
            "the conversion hosts need no key for each other: they meet with certificates made for each disk",
        ),
    ),
    ("os_migrate_conversion_image_name", Used),
    ("os_migrate_conversion_flavor_name", Used),
    ("os_migrate_conversion_external_network_name", Used),
    ("os_migrate_conversion_subnet_cidr", Used),
    ("os_migrate_conversion_subnet_alloc_start", Used),
    ("os_migrate_conversion_subnet_alloc_end", Used),
    ("os_migrate_conversion_router_ip", Used),
    ("os_migrate_conversion_keypair_generate", Used),
    ("os_migrate_conversion_host_ssh_key_type", Used),
    ("os_migrate_conversion_host_ssh_key_bits", Used),
    ("os_migrate_conversion_host_deploy_timeout", Used),
    ("os_migrate_deploy_src_conversion_host", Used),
    ("os_migrate_deploy_dst_conversion_host", Used),
    ("os_migrate_delete_src_conversion_host", Used),
    ("os_migrate_delete_dst_conversion_host", Used),
    (
        "os_migrate_link_conversion_hosts",
        Ignored("`hosts deploy` sees to it that the hosts reach each other"),
    ),
    ("os_migrate_reboot_conversion_hosts", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_host_content_install", Ignored(NO_CONTENT)),
    (
        "os_migrate_conversion_host_ssh_user_enable_password_access",
        Ignored("conversion hosts are reached by key"),
    ),
    ("os_migrate_conversion_host_ssh_user_password", Ignored("conversion hosts are reached by key")),
    ("do_yum_update", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_manage", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_username", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_password", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_org_id", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_activationkey", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_repositories", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_release", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_baseurl", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_server_hostname", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_server_insecure", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_server_proxy_hostname", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_server_proxy_port", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_server_proxy_user", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_rhsm_server_proxy_password", Ignored(NO_CONTENT)),
    ("os_migrate_conversion_insights_enable", Ignored(NO_CONTENT)),
];

/// The filters, and the kind that each is for. Those of routers and of groups are also for router
/// interfaces and for rules.
pub(super) const FILTERS: &[(&str, &str)] = &[
    ("os_migrate_networks_filter", "networks"),
    ("os_migrate_subnets_filter", "subnets"),
    ("os_migrate_routers_filter", "routers"),
    ("os_migrate_security_groups_filter", "security_groups"),
    ("os_migrate_images_filter", "images"),
    ("os_migrate_keypairs_filter", "keypairs"),
    ("os_migrate_flavors_filter", "flavors"),
    ("os_migrate_projects_filter", "projects"),
    ("os_migrate_users_filter", "users"),
    ("os_migrate_user_filter", "user_project_role_assignments"),
    ("os_migrate_workloads_filter", "workloads"),
    ("os_migrate_volumes_filter", "detached_volumes"),
    ("os_migrate_detached_volumes_filter", "detached_volumes"),
];

/// What a variable does here; `None` when there is no such variable.
pub(super) fn support(name: &str) -> Option<Support> {
    if FILTERS.iter().any(|(filter, _)| *filter == name) {
        return Some(Used);
    }
    let find = |table: &[(&str, Support)], name| table.iter().find(|(it, _)| *it == name).map(|(_, it)| *it);
    find(GENERAL, name).or_else(|| find(KIT, name)).or_else(|| {
        let rest = name.strip_prefix("os_migrate_src_").or_else(|| name.strip_prefix("os_migrate_dst_"))?;
        find(OF_A_SIDE, rest)
    })
}

/// The names of all variables.
pub(super) fn names() -> Vec<String> {
    let of_sides = OF_A_SIDE
        .iter()
        .flat_map(|(rest, _)| [format!("os_migrate_src_{rest}"), format!("os_migrate_dst_{rest}")]);
    let general = GENERAL.iter().map(|(name, _)| (*name).to_owned());
    let filters = FILTERS.iter().map(|(name, _)| (*name).to_owned());
    let of_the_kit = KIT.iter().map(|(name, _)| (*name).to_owned());
    of_sides.chain(general).chain(filters).chain(of_the_kit).collect()
}

/// The variable that was probably meant.
pub(super) fn nearest(name: &str) -> Option<String> {
    let names = names();
    let (distance, nearest) = names.into_iter().map(|known| (distance(name, &known), known)).min()?;
    (distance <= 2 + name.len() / 6).then_some(nearest)
}

/// How many letters must be added, removed or replaced to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, of_other) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *of_other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_what_was_meant() {
        assert_eq!(nearest("os_migrate_network_filter").as_deref(), Some("os_migrate_networks_filter"));
        assert_eq!(nearest("os_migrate_src_atuh").as_deref(), Some("os_migrate_src_auth"));
        assert_eq!(nearest("colour_of_the_sky"), None);
    }

    #[test]
    fn the_document_describes_every_variable_and_no_other() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/variables.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut described: Vec<String> = Vec::new();
        for row in rows {
            let (names, rest) = row.split_once(" | ").unwrap();
            let word = rest.rsplit(" | ").next().unwrap().trim_end_matches(['|', ' ']);
            let names = names.split_whitespace().map(|name| name.trim_matches('`'));
            for (name, side) in names.flat_map(|name| [(name, "src"), (name, "dst")]) {
                let name = name.replace("SIDE", side);
                let meant = match support(&name) {
                    Some(Used) => "yes",
                    Some(Fitting(..)) => "partly",
                    Some(Ignored(_)) => "not needed",
                    Some(Pending(_)) => "not yet",
                    None => panic!("{name} is described and not known"),
                };
                assert!(word.starts_with(meant), "{name}: `{word}` is not `{meant}`");
                if !described.contains(&name) {
                    described.push(name);
                }
            }
        }
        let mut known = names();
        known.sort();
        described.sort();
        assert_eq!(described, known);
    }
}
