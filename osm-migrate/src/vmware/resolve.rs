//! What the plan asks the destination for, found there: flavor, networks, subnets, groups.

use osm_model::machine::{MachinesFile, NicParams};
use osm_openstack::compute::{CreateFlavor, Flavor};
use osm_openstack::network::{FixedIp, NetworkObject, PortBody, SecurityGroup, Subnet};

use super::job::MachineJob;
use crate::{Error, ErrorKind, Result};

/// What the destination has for a machine.
pub(super) struct Resolved {
    /// None: one is to be made.
    pub(super) flavor: Option<Flavor>,
    pub(super) ports: Vec<PortBody>,
    /// The network of each port.
    pub(super) networks: Vec<String>,
    /// The network of its floating IP.
    pub(super) floating_network: Option<String>,
}

impl MachineJob<'_> {
    /// Finds in the destination what the plan asks for.
    ///
    /// # Errors
    /// `Blocked`: something is not there, or nothing is said where something must be: which field.
    pub(super) async fn resolve(&self) -> Result<Resolved> {
        let boot = self.boot_key();
        if !self.machine.disks.iter().any(|disk| disk.key == boot) {
            let message = format!("the machine has no disk {boot} to boot from");
            return Err(self
                .course
                .blocked(message, "set _migration_params.boot_disk to the key of one that it has"));
        }
        let flavor = self.flavor().await?;
        let groups = self.groups().await?;
        let known: Vec<NetworkObject> = self.dst.network.list(&[]).await?;
        let (mut ports, mut networks) = (Vec::new(), Vec::new());
        for nic in &self.plan.params.nics {
            let Some(wanted) = nic.network.as_deref().filter(|name| !name.is_empty()) else {
                let field = format!("params.nics: network of {}", nic.mac);
                return Err(self.unsaid(&field, "the network that the card's port is in"));
            };
            let network = one_of(&known, wanted, |network| (&network.id, Some(&network.name)))
                .map_err(|error| self.at(error, &format!("params.nics: network of {}", nic.mac)))?;
            ports.push(PortBody {
                mac_address: nic.keep_mac.then(|| nic.mac.clone()),
                fixed_ips: self.fixed_ips(nic, &network.id).await?,
                security_groups: (!groups.is_empty()).then(|| groups.clone()),
                ..PortBody::default()
            });
            networks.push(network.id.clone());
        }
        let floating_network =
            match self.plan.params.floating_ip_pool.as_deref().filter(|name| !name.is_empty()) {
                Some(wanted) => {
                    let external: Vec<NetworkObject> =
                        known.into_iter().filter(|network| network.router_external == Some(true)).collect();
                    let found = one_of(&external, wanted, |network| (&network.id, Some(&network.name)));
                    Some(found.map_err(|error| self.at(error, "params.floating_ip_pool"))?.id.clone())
                }
                None => None,
            };
        Ok(Resolved { flavor, ports, networks, floating_network })
    }

    fn unsaid(&self, field: &str, what: &str) -> Error {
        let message = format!("{field} is empty: {what}");
        self.course.blocked(message, format!("fill it in in {}", MachinesFile::FILE_NAME))
    }

    fn at(&self, error: Error, field: &str) -> Error {
        error.with_object(field.to_owned()).with_workload(self.course.name)
    }

    /// The flavor that the plan names, or the smallest that is not smaller than the machine; none when one is to be made.
    async fn flavor(&self) -> Result<Option<Flavor>> {
        let flavors = self.dst.compute.flavors().await?;
        if let Some(wanted) = self.plan.params.flavor.as_deref().filter(|name| !name.is_empty()) {
            let found = one_of(&flavors, wanted, |flavor| (&flavor.id, Some(&flavor.name)));
            return found.cloned().map(Some).map_err(|error| self.at(error, "params.flavor"));
        }
        let (cpus, memory) = (u64::from(self.machine.cpus), self.machine.memory_mib);
        let fits = flavors
            .iter()
            .filter(|flavor| flavor.vcpus >= cpus && flavor.ram >= memory && flavor.disabled != Some(true));
        let best = fits.min_by_key(|flavor| (flavor.vcpus, flavor.ram, flavor.disk, flavor.name.clone()));
        if best.is_none() && !self.options().create_flavor {
            let message = format!("no flavor has {cpus} CPUs and {memory} MiB of memory");
            return Err(self
                .course
                .blocked(message, "name one in params.flavor, or let one be made: --create-flavor"));
        }
        Ok(best.cloned())
    }

    /// A flavor as large as the machine; it boots from a volume, so it has no disk of its own.
    pub(super) async fn create_flavor(&self) -> Result<Flavor> {
        let (vcpus, ram) = (u64::from(self.machine.cpus), self.machine.memory_mib);
        let wish = CreateFlavor { name: format!("osm-{vcpus}-{ram}"), ram, vcpus, ..CreateFlavor::default() };
        let made = self.dst.compute.create_flavor(&wish).await;
        made.map_err(|error| Error::from(error).with_object(format!("flavor {}", wish.name)))
    }

    async fn groups(&self) -> Result<Vec<String>> {
        let wanted = &self.plan.params.security_groups;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let known: Vec<SecurityGroup> = self.dst.network.list_own().await?;
        let id = |name: &String| {
            let found = one_of(&known, name, |group| (&group.id, Some(&group.name)));
            found.map(|group| group.id.clone()).map_err(|error| self.at(error, "params.security_groups"))
        };
        wanted.iter().map(id).collect()
    }

    /// The addresses that a port asks for; none leaves it to the network.
    async fn fixed_ips(&self, nic: &NicParams, network: &str) -> Result<Option<Vec<FixedIp>>> {
        let field = format!("params.nics: ip_address of {}", nic.mac);
        let address = match nic.ip_address.as_deref().filter(|text| !text.is_empty()) {
            Some("keep") => Some(self.own_address(&nic.mac).ok_or_else(|| {
                self.unsaid(&field, "VMware Tools do not tell which address the guest has there")
            })?),
            given => given.map(str::to_owned),
        };
        let subnet = match nic.subnet.as_deref().filter(|name| !name.is_empty()) {
            Some(wanted) => {
                let known: Vec<Subnet> = self.dst.network.list(&[("network_id", network)]).await?;
                let found = one_of(&known, wanted, |subnet| (&subnet.id, Some(&subnet.name)));
                let field = format!("params.nics: subnet of {}", nic.mac);
                Some(found.map_err(|error| self.at(error, &field))?.id.clone())
            }
            None => None,
        };
        let asked = address.is_some() || subnet.is_some();
        Ok(asked.then(|| vec![FixedIp { subnet_id: subnet, ip_address: address }]))
    }

    /// The first IPv4 address that the guest had on a card: now, or when the inventory was taken.
    fn own_address(&self, mac: &str) -> Option<String> {
        let is_plain = |address: &&String| address.parse::<std::net::Ipv4Addr>().is_ok();
        let now = self.machine.nics.iter().find(|nic| nic.mac.as_deref() == Some(mac));
        let now = now.and_then(|nic| nic.addresses.iter().find(is_plain));
        let then = self.plan.info.nics.iter().find(|nic| nic.mac.eq_ignore_ascii_case(mac));
        now.or_else(|| then.and_then(|nic| nic.addresses.iter().find(is_plain))).cloned()
    }
}

/// The one object with this id or name.
fn one_of<'o, T>(all: &'o [T], wanted: &str, parts: impl Fn(&T) -> (&str, Option<&str>)) -> Result<&'o T> {
    if let Some(found) = all.iter().find(|object| parts(object).0 == wanted) {
        return Ok(found);
    }
    let mut named = all.iter().filter(|object| parts(object).1 == Some(wanted));
    let blocked = |message: String, hint: &str| Err(Error::new(ErrorKind::Blocked, message).with_hint(hint));
    match (named.next(), named.next()) {
        (Some(found), None) => Ok(found),
        (None, _) => {
            blocked(format!("the destination has no `{wanted}`"), "have it made, or name another one")
        }
        _ => blocked(format!("the destination has several `{wanted}`"), "write the id of the right one"),
    }
}
