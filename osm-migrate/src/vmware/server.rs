//! The server that a machine becomes: its flavor, its ports, itself.

use std::collections::BTreeMap;

use osm_model::machine::NicParams;
use osm_openstack::ErrorKind as CloudError;
use osm_openstack::compute::{
    BlockDeviceMapping, CreateServer, Flavor, GroupName, Networks, Server, ServerFilter, ServerNetwork,
};
use osm_openstack::network::{CreatePort, FixedIp, NetworkObject, Port, PortBody, SecurityGroup, Subnet};

use super::job::{Ended, MachineJob};
use super::volume::Copies;
use crate::course::Done;
use crate::workload::tag;
use crate::{Error, ErrorKind, Outcome, Result, Step};

/// What the destination has for a machine.
pub(super) struct Resolved {
    flavor: Flavor,
    ports: Vec<PortBody>,
    /// The network of each port.
    networks: Vec<String>,
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
        Ok(Resolved { flavor, ports, networks })
    }

    fn unsaid(&self, field: &str, what: &str) -> Error {
        let message = format!("{field} is empty: {what}");
        self.course.blocked(message, format!("fill it in in {}", osm_model::machine::MachinesFile::FILE_NAME))
    }

    fn at(&self, error: Error, field: &str) -> Error {
        error.with_object(field.to_owned()).with_workload(self.course.name)
    }

    /// The flavor that the plan names, or the smallest that is not smaller than the machine.
    async fn flavor(&self) -> Result<Flavor> {
        let flavors = self.dst.compute.flavors().await?;
        if let Some(wanted) = self.plan.params.flavor.as_deref().filter(|name| !name.is_empty()) {
            let found = one_of(&flavors, wanted, |flavor| (&flavor.id, Some(&flavor.name)));
            return found.cloned().map_err(|error| self.at(error, "params.flavor"));
        }
        let (cpus, memory) = (u64::from(self.machine.cpus), self.machine.memory_mib);
        let fits = flavors
            .iter()
            .filter(|flavor| flavor.vcpus >= cpus && flavor.ram >= memory && flavor.disabled != Some(true));
        let best = fits.min_by_key(|flavor| (flavor.vcpus, flavor.ram, flavor.disk, flavor.name.clone()));
        best.cloned().ok_or_else(|| {
            let message = format!("no flavor has {cpus} CPUs and {memory} MiB of memory");
            self.course.blocked(message, "name one in params.flavor, or have one made")
        })
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

    /// Makes the server of the volumes, or finds it.
    pub(super) async fn become_server(&self, copies: &Copies) -> Result<Ended> {
        if let Some(server) = self.present().await? {
            let server = self.step(Step::CreateServer, self.wait_active(&server.id)).await?;
            return Ok((Some(server.id), Outcome::Unchanged));
        }
        let resolved = self.resolve().await.map_err(|error| self.course.located(Step::Recheck, error))?;
        self.step(Step::Recheck, self.dress(copies)).await?;
        let ports = self.step(Step::CreatePorts, self.create_ports(&resolved)).await?;
        let server = self.step(Step::CreateServer, self.create_server(copies, &resolved, ports)).await?;
        Ok((Some(server.id), Outcome::Created))
    }

    async fn present(&self) -> Result<Option<Server>> {
        let metadata = tag::pairs([(tag::JOB, self.course.id)]);
        let ours = ServerFilter { metadata, ..ServerFilter::default() };
        Ok(self.dst.compute.servers(&ours).await?.into_iter().next())
    }

    async fn wait_active(&self, id: &str) -> Result<Done<Server>> {
        let server = self.dst.compute.wait_server(id, "ACTIVE", self.dst.limit).await?;
        Ok(Done::new(server, id.to_owned()))
    }

    /// What Nova reads off the boot volume, set before the server is made.
    async fn dress(&self, copies: &Copies) -> Result<Done<()>> {
        let boot = self.boot_key();
        for record in copies.all() {
            let boots = copies.of(boot).is_some_and(|of| of.id() == record.id());
            if record.volume.bootable != boots {
                self.dst.storage.set_bootable(record.id(), boots).await?;
            }
            if boots {
                self.dst.storage.set_image_metadata(record.id(), &self.image_metadata()).await?;
            }
        }
        Ok(Done::silent(()))
    }

    /// The key of the disk that the guest boots from: what the plan says, or the first that it sees.
    pub(super) fn boot_key(&self) -> i32 {
        let planned = self.plan.migration_params.boot_disk.and_then(|key| i32::try_from(key).ok());
        planned.or(self.machine.disks.first().map(|disk| disk.key)).unwrap_or_default()
    }

    /// Properties of the guest that the destination must know.
    fn image_metadata(&self) -> BTreeMap<String, String> {
        let os_type = if self.machine.is_windows() { "windows" } else { "linux" };
        let mut metadata =
            tag::pairs([("hw_disk_bus", "virtio"), ("hw_vif_model", "virtio"), ("os_type", os_type)]);
        if self.machine.firmware.as_deref() == Some("efi") {
            metadata.extend(tag::pairs([("hw_firmware_type", "uefi"), ("hw_machine_type", "q35")]));
            if self.machine.secure_boot {
                metadata.extend(tag::pairs([("os_secure_boot", "required")]));
            }
        }
        metadata.extend(self.plan.params.image_metadata.clone());
        metadata.retain(|_, value| !value.is_empty());
        metadata
    }

    async fn create_ports(&self, resolved: &Resolved) -> Result<Done<Vec<ServerNetwork>>> {
        let known: Vec<Port> = self.dst.network.list_own().await?;
        let mut ports = Vec::new();
        for (index, (body, network)) in resolved.ports.iter().zip(&resolved.networks).enumerate() {
            let mark = format!("{} {} port {index}", tag::JOB, self.course.id);
            let id = match known.iter().find(|port| port.description.as_deref() == Some(&mark)) {
                Some(port) => port.id.clone(),
                None => {
                    let body = PortBody { description: Some(mark), ..body.clone() };
                    let wish = CreatePort { network_id: network.clone(), body };
                    self.dst.network.create::<Port>(&wish).await?.id
                }
            };
            self.course.record(Step::CreatePorts, &index.to_string(), Some(&id)).await?;
            ports.push(ServerNetwork::Port(id));
        }
        let detail = format!("{} ports", ports.len());
        Ok(Done::new(ports, detail))
    }

    async fn create_server(
        &self,
        copies: &Copies,
        resolved: &Resolved,
        ports: Vec<ServerNetwork>,
    ) -> Result<Done<Server>> {
        let boot = copies.of(self.boot_key());
        let boot = boot.ok_or_else(|| self.course.blocked("the boot disk has no copy", "run again"))?;
        let data = copies.all().filter(|record| record.id() != boot.id());
        let mapping = std::iter::once(BlockDeviceMapping::boot_volume(boot.id()))
            .chain(data.map(|record| BlockDeviceMapping::data_volume(record.id())))
            .collect();
        let params = &self.plan.params;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let wish = CreateServer {
            name: if params.name.is_empty() { self.machine.name.clone() } else { params.name.clone() },
            flavor_id: resolved.flavor.id.clone(),
            networks: if ports.is_empty() { Networks::Unconnected } else { Networks::List(ports) },
            block_device_mapping_v2: mapping,
            key_name: given(&params.key_name),
            security_groups: Vec::<GroupName>::new(),
            metadata: tag::pairs([(tag::JOB, self.course.id)]),
            availability_zone: given(&params.availability_zone),
            ..CreateServer::default()
        };
        let server = match self.dst.compute.create_server(&wish).await {
            Ok(server) => server,
            // The answer was lost; the server may be there.
            Err(error) if error.kind() == CloudError::Ambiguous => {
                self.present().await?.ok_or_else(|| Error::from(error))?
            }
            Err(error) => return Err(error.into()),
        };
        self.course.record(Step::CreateServer, "requested", Some(&server.id)).await?;
        let done = self.wait_active(&server.id).await?;
        let complete = tag::pairs([(tag::STATE, tag::COMPLETE)]);
        self.dst.compute.set_server_metadata(&server.id, &complete).await?;
        Ok(done)
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
