//! The server that a machine becomes: its ports, itself, its floating IP.

use std::collections::BTreeMap;

use osm_openstack::ErrorKind as CloudError;
use osm_openstack::compute::{
    BlockDeviceMapping, CreateServer, GroupName, Networks, Server, ServerFilter, ServerNetwork,
};
use osm_openstack::network::{CreatePort, FloatingIp, FloatingIpBody, Port, PortBody};

use super::job::{Ended, MachineJob};
use super::resolve::Resolved;
use super::volume::Copies;
use crate::course::Done;
use crate::workload::boot::failure_to_boot;
use crate::workload::tag;
use crate::{Error, Outcome, Result, Step};

impl MachineJob<'_> {
    /// Makes the server of the volumes, or finds it; what an earlier run left undone is done.
    pub(super) async fn become_server(&self, copies: &Copies) -> Result<Ended> {
        let present = self.present().await?;
        if let Some(server) = present.as_ref().filter(|server| is_complete(server)) {
            return Ok((Some(server.id.clone()), Outcome::Unchanged));
        }
        self.mark_rest(copies).await?;
        let resolved = self.resolve().await.map_err(|error| self.course.located(Step::Recheck, error))?;
        let server = match present {
            Some(server) => self.step(Step::CreateServer, self.wait_active(&server.id)).await?,
            None => {
                self.step(Step::Recheck, self.dress(copies)).await?;
                let ports = self.step(Step::CreatePorts, self.create_ports(&resolved)).await?;
                self.step(Step::CreateServer, self.create_server(copies, &resolved, ports)).await?
            }
        };
        if let Some(network) = &resolved.floating_network {
            self.step(Step::FloatingIps, self.floating_ip(&server.id, network)).await?;
        }
        self.check_boot(&server.id).await?;
        let complete = tag::pairs([(tag::STATE, tag::COMPLETE)]);
        self.dst.compute.set_server_metadata(&server.id, &complete).await?;
        Ok((Some(server.id), Outcome::Created))
    }

    /// Whether the server has come up. One that has not is left as it is, to be looked at; its source stays off.
    async fn check_boot(&self, id: &str) -> Result<()> {
        let Some(check) = &self.options().boot_check else { return Ok(()) };
        let ports: Vec<Port> = self.dst.network.list(&[("device_id", id)]).await?;
        let addresses: Vec<String> =
            ports.iter().flat_map(|port| &port.fixed_ips).filter_map(|ip| ip.ip_address.clone()).collect();
        let failure = self.step(Step::CheckBoot, failure_to_boot(self.dst, id, check, &addresses)).await?;
        let Some(failure) = failure else { return Ok(()) };
        let hint = "look at its console; the machine in vSphere is off and as it was: switch it on to go back, or delete the \
                    server and its volumes to copy it anew";
        let error = self.course.blocked(format!("the server did not come up: {failure}"), hint);
        Err(self.course.located(Step::CheckBoot, error))
    }

    /// Gives the first port of the server a floating IP, if it has none.
    async fn floating_ip(&self, server: &str, network: &str) -> Result<Done<()>> {
        let ports: Vec<Port> = self.dst.network.list(&[("device_id", server)]).await?;
        let Some(port) = ports.first() else {
            return Err(self.course.blocked(
                "it has no port that a floating IP could lead to",
                "set params.floating_ip_pool to null",
            ));
        };
        let there: Vec<FloatingIp> = self.dst.network.list(&[("port_id", &port.id)]).await?;
        let there = there.into_iter().find(|ip| ip.port_id.as_deref() == Some(port.id.as_str()));
        let ip = match there {
            Some(ip) => ip,
            None => {
                let wish = FloatingIpBody {
                    floating_network_id: Some(network.to_owned()),
                    port_id: Some(Some(port.id.clone())),
                    description: Some(format!("{} {}", tag::JOB, self.course.id)),
                    ..FloatingIpBody::default()
                };
                self.dst.network.create::<FloatingIp>(&wish).await?
            }
        };
        Ok(Done::new((), ip.floating_ip_address.unwrap_or(ip.id)))
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
        let flavor = match &resolved.flavor {
            Some(flavor) => flavor.clone(),
            None => self.create_flavor().await?,
        };
        let params = &self.plan.params;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let wish = CreateServer {
            name: if params.name.is_empty() { self.machine.name.clone() } else { params.name.clone() },
            flavor_id: flavor.id,
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
        self.wait_active(&server.id).await
    }
}

/// Whether everything is done that a machine's server needs.
fn is_complete(server: &Server) -> bool {
    server.metadata.get(tag::STATE).is_some_and(|state| state == tag::COMPLETE)
}
