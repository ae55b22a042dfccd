//! The variables that say what a conversion host is to be.

use osm_model::yaml::Node;

use super::document::Document;
use crate::Result;
use crate::conversion::{FloatingIpPlan, HostPlan, KeyKind, NetworkPlan};

/// The plan for the conversion host of a side; what is said of the side counts more than what is said of both.
pub(super) fn plan(document: &Document, side: &str) -> Result<HostPlan> {
    let of_side = |rest: &str| format!("os_migrate_{side}_conversion_{rest}");
    let text =
        |rest: &str| Ok::<_, crate::Error>(document.text(&of_side(rest))?.filter(|text| !text.is_empty()));
    let text_or_both = |rest: &str| {
        let both = document.text(&format!("os_migrate_conversion_{rest}"))?.filter(|text| !text.is_empty());
        Ok::<_, crate::Error>(text(rest)?.or(both))
    };
    let flag = |rest: &str| document.flag(&of_side(rest));
    let usual = HostPlan::default();
    let network = NetworkPlan {
        name: text("net_name")?.unwrap_or(usual.network.name),
        managed: flag("manage_network")?.unwrap_or(true),
        external: text_or_both("external_network_name")?,
        subnet: text("subnet_name")?.unwrap_or(usual.network.subnet),
        router: text("router_name")?.unwrap_or(usual.network.router),
        cidr: document.text("os_migrate_conversion_subnet_cidr")?.unwrap_or(usual.network.cidr),
        pool: document
            .text("os_migrate_conversion_subnet_alloc_start")?
            .zip(document.text("os_migrate_conversion_subnet_alloc_end")?),
        gateway: document.text("os_migrate_conversion_router_ip")?,
        dns: names(document, &of_side("subnet_dns_nameservers"))?,
        mtu: document.seconds(&of_side("net_mtu"))?,
    };
    let address = floating_ip(document, side)?;
    Ok(HostPlan {
        image: text_or_both("image_name")?.unwrap_or(usual.image),
        flavor: text_or_both("flavor_name")?,
        network,
        floating_ip: match (flag("manage_fip")?.unwrap_or(true), address) {
            (false, _) => FloatingIpPlan::None,
            (true, None) => FloatingIpPlan::Any,
            (true, Some(address)) => FloatingIpPlan::Address(address),
        },
        keep_floating_ip: flag("host_delete_fip")? == Some(false),
        security_group: text("secgroup_name")?.unwrap_or(usual.security_group),
        keypair: text("keypair_name")?.unwrap_or(usual.keypair),
        boot_volume_gib: match flag("host_boot_from_volume")? {
            Some(true) => Some(document.seconds(&of_side("host_volume_size"))?.unwrap_or(20)),
            _ => None,
        },
        zone: text("availability_zone")?,
        ssh_from: usual.ssh_from,
        link_from: usual.link_from,
    })
}

/// The floating IP that a side's host is to have; none: any.
pub(super) fn floating_ip(document: &Document, side: &str) -> Result<Option<String>> {
    let name = format!("os_migrate_{side}_conversion_floating_ip_address");
    match document.get(&name) {
        // `false`.
        Some(Node::Plain(_)) => Ok(None),
        _ => Ok(document.text(&name)?.filter(|text| !text.is_empty())),
    }
}

/// How a key is made where there is none.
pub(super) fn key_kind(document: &Document) -> Result<KeyKind> {
    let usual = KeyKind::default();
    Ok(KeyKind {
        algorithm: document.text("os_migrate_conversion_host_ssh_key_type")?.unwrap_or(usual.algorithm),
        bits: document.seconds("os_migrate_conversion_host_ssh_key_bits")?,
        generate: document.flag("os_migrate_conversion_keypair_generate")?.unwrap_or(usual.generate),
    })
}

fn names(document: &Document, name: &str) -> Result<Vec<String>> {
    let fix = "write a list of addresses in brackets";
    match document.get(name) {
        None => Ok(Vec::new()),
        Some(value) if value.is_null() => Ok(Vec::new()),
        Some(Node::List(items)) => {
            let texts = items.iter().map(|item| item.scalar().map(str::to_owned));
            texts
                .collect::<Option<_>>()
                .ok_or_else(|| document.mistake(name, "holds something else than text", fix))
        }
        Some(_) => Err(document.mistake(name, "is not a list", fix)),
    }
}
