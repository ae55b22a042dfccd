//! What the kit asks for a machine's server, which is a matter of the plan here.

use std::collections::BTreeMap;

use osm_model::NameFilter;
use osm_model::machine::{Machine, MachinesFile, NicParams};

use super::{flag, given, names, texts};
use crate::Result;
use crate::vars::document::Document;

/// What goes into `machines.yml` where it says nothing: what stands there counts more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanVars {
    /// The network, and the subnet where one is said, for cards in a network of vSphere.
    networks: BTreeMap<String, (String, Option<String>)>,
    /// The network for all other cards.
    network: Option<String>,
    /// The subnet that goes with it.
    subnet: Option<String>,
    /// Whether ports get the addresses that the guest has.
    keep_addresses: bool,
    security_groups: Vec<String>,
    flavor: Option<String>,
    key_name: Option<String>,
    zone: Option<String>,
}

impl PlanVars {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let mapped = flag(document, &["import_workloads_used_mapped_networks", "used_mapped_networks"])?;
        let network = given(document, &["openstack_private_network"])?;
        // Without a word on it, whatever is there.
        let (by_map, by_one) = (mapped.unwrap_or(network.is_none()), mapped != Some(true));
        let split = |(name, value): (String, String)| {
            let (network, subnet) = match value.split_once(',') {
                Some((network, subnet)) => (network.trim(), Some(subnet.trim().to_owned())),
                None => (value.trim(), None),
            };
            (name, (network.to_owned(), subnet))
        };
        let keep_addresses =
            flag(document, &["import_workloads_use_fixed_ips", "use_fixed_ips"])?.unwrap_or(false);
        let subnets =
            ["import_workloads_fixed_ip_subnet_uuid", "fixed_ip_subnet_uuid", "export_metadata_subnet_uuid"];
        Ok(Self {
            networks: match by_map {
                true => texts(document, "network_map")?.into_iter().map(split).collect(),
                false => BTreeMap::new(),
            },
            network: network.filter(|_| by_one),
            subnet: given(document, &subnets)?.filter(|_| keep_addresses),
            keep_addresses,
            security_groups: names(document, "security_groups")?.unwrap_or_default(),
            flavor: given(document, &["flavor_name_or_uuid", "flavor_uuid"])?,
            key_name: given(document, &["ssh_key_name"])?,
            zone: given(document, &["import_workloads_nova_az", "availability_zone"])?,
        })
    }

    /// Fills in the machines that pass the filter, by their name in vSphere. Gives whether there was anything to fill in.
    pub fn fill(&self, plan: &mut MachinesFile, filter: &NameFilter) -> bool {
        let before = plan.clone();
        for machine in plan.machines.iter_mut().filter(|machine| filter.matches(&machine.info.name)) {
            self.fill_machine(machine);
        }
        *plan != before
    }

    fn fill_machine(&self, machine: &mut Machine) {
        let Machine { info, params, .. } = machine;
        for nic in &mut params.nics {
            let known = info.nics.iter().find(|known| known.mac.eq_ignore_ascii_case(&nic.mac));
            self.fill_nic(nic, known.and_then(|known| known.network.as_deref()));
            let has_address = known.is_some_and(|known| known.addresses.iter().any(|it| is_plain(it)));
            if self.keep_addresses && has_address && nic.ip_address.is_none() {
                nic.ip_address = Some("keep".to_owned());
            }
        }
        if params.security_groups.is_empty() {
            params.security_groups.clone_from(&self.security_groups);
        }
        for (field, said) in [
            (&mut params.flavor, &self.flavor),
            (&mut params.key_name, &self.key_name),
            (&mut params.availability_zone, &self.zone),
        ] {
            if field.is_none() {
                field.clone_from(said);
            }
        }
    }

    fn fill_nic(&self, nic: &mut NicParams, of_vsphere: Option<&str>) {
        if nic.network.is_some() {
            return;
        }
        if let Some((network, subnet)) = of_vsphere.and_then(|name| self.networks.get(name)) {
            nic.network = Some(network.clone());
            nic.subnet = nic.subnet.take().or_else(|| subnet.clone());
        } else if let Some(network) = &self.network {
            nic.network = Some(network.clone());
            nic.subnet = nic.subnet.take().or_else(|| self.subnet.clone());
        }
    }
}

fn is_plain(address: &str) -> bool {
    address.parse::<std::net::Ipv4Addr>().is_ok()
}
