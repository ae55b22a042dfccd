//! The destination server: its ports, itself.

use osm_model::{PortCreationMode, Server as Workload};
use osm_openstack::ErrorKind as CloudError;
use osm_openstack::compute::{
    BlockDeviceMapping, CreateServer, GroupName, Networks, Server, ServerFilter, ServerNetwork,
};
use osm_openstack::network::{CreatePort, FixedIp, Port, PortBody};

use super::disk::Disk;
use super::job::Job;
use super::tag;
use crate::course::Done;
use crate::{Error, ErrorKind, Outcome, Result, Step};

/// What is in the destination under the workload's name.
pub(super) enum Present {
    /// Nothing.
    Nothing,
    /// A server of this job.
    Ours(Box<Server>),
    /// A server that somebody else made.
    Foreign(String),
}

impl Job<'_> {
    /// Looks for the destination server: by its job first, which a rename does not change.
    pub(super) async fn present(&self) -> Result<Present> {
        let ours = ServerFilter { metadata: tag::pairs([(tag::JOB, self.id)]), ..ServerFilter::default() };
        if let Some(server) = self.dst.compute.servers(&ours).await?.into_iter().next() {
            return Ok(Present::Ours(Box::new(server)));
        }
        let named = self.dst.compute.servers(&ServerFilter::named(self.name)).await?;
        // Within one project the source may be its own destination.
        let foreign = named.into_iter().find(|server| server.id != self.id);
        Ok(foreign.map_or(Present::Nothing, |server| Present::Foreign(server.id)))
    }

    /// What ends the work before it begins: the server that is in the destination already.
    pub(super) async fn there_already(&self) -> Result<Option<(Option<String>, Outcome)>> {
        Ok(match self.present().await? {
            Present::Foreign(id) => Some(self.left_alone(id).await),
            Present::Ours(server) => Some((Some(server.id), Outcome::Unchanged)),
            Present::Nothing => None,
        })
    }

    /// Tells that a server of the workload's name is not ours.
    pub(super) async fn left_alone(&self, id: String) -> (Option<String>, Outcome) {
        self.course
            .warn(format!("the destination has a server {id} of this name, which is left alone"))
            .await;
        (Some(id), Outcome::Exists)
    }

    /// The ports of the server, in the order of its network devices.
    pub(super) async fn create_ports(&self) -> Result<Done<Vec<ServerNetwork>>> {
        let mut networks = Vec::new();
        let known = match self.workload.migration_params.port_creation_mode {
            PortCreationMode::Neutron => self.own_ports().await?,
            PortCreationMode::Nova => Vec::new(),
        };
        for (index, port) in self.resolved.ports.iter().enumerate() {
            if self.workload.migration_params.port_creation_mode == PortCreationMode::Nova {
                let fixed_ip = port.fixed_ips.first().and_then(|ip| ip.ip_address.clone());
                networks.push(ServerNetwork::Network { id: port.network.clone(), fixed_ip });
                continue;
            }
            let description = self.port_mark(index);
            let found = known.iter().find(|known| known.description.as_deref() == Some(&description));
            let id = match found {
                Some(port) => port.id.clone(),
                None => {
                    let body = PortBody {
                        description: Some(description),
                        mac_address: port.mac_address.clone(),
                        fixed_ips: Some(port.fixed_ips.clone()),
                        // Nova ignores a server's groups for ports made beforehand.
                        security_groups: Some(self.resolved.security_groups.clone()),
                        vnic_type: port.vnic_type.clone(),
                        ..PortBody::default()
                    };
                    let wish = CreatePort { network_id: port.network.clone(), body };
                    self.dst.network.create::<Port>(&wish).await?.id
                }
            };
            self.course.record(Step::CreatePorts, &index.to_string(), Some(&id)).await?;
            networks.push(ServerNetwork::Port(id));
        }
        let detail = format!("{} ports", networks.len());
        Ok(Done::new(networks, detail))
    }

    /// Ports that this job made.
    pub(super) async fn own_ports(&self) -> Result<Vec<Port>> {
        let mark = format!("{} {} ", tag::JOB, self.id);
        let mut ports: Vec<Port> = self.dst.network.list_own().await?;
        ports.retain(|port| port.description.as_deref().is_some_and(|text| text.starts_with(&mark)));
        Ok(ports)
    }

    /// Ports have no metadata; their description is set when they are made, at once with all else.
    fn port_mark(&self, index: usize) -> String {
        format!("{} {} port {index}", tag::JOB, self.id)
    }

    /// Makes the server from its disks, and waits until it runs.
    pub(super) async fn create_server(
        &self,
        networks: Vec<ServerNetwork>,
        disks: &[(&Disk, String)],
        point: Option<&str>,
    ) -> Result<Done<Server>> {
        let wish = self.wish(networks, disks, point)?;
        let server = match self.dst.compute.create_server(&wish).await {
            Ok(server) => server,
            // The answer was lost; the server may be there.
            Err(error) if error.kind() == CloudError::Ambiguous => match self.present().await? {
                Present::Ours(server) => *server,
                _ => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        self.course.record(Step::CreateServer, "requested", Some(&server.id)).await?;
        self.wait_active(&server.id).await
    }

    /// Waits until the destination server runs.
    pub(super) async fn wait_active(&self, id: &str) -> Result<Done<Server>> {
        let server = self.dst.compute.wait_server(id, "ACTIVE", self.dst.limit).await?;
        Ok(Done::new(server, id.to_owned()))
    }

    fn wish(
        &self,
        networks: Vec<ServerNetwork>,
        disks: &[(&Disk, String)],
        point: Option<&str>,
    ) -> Result<CreateServer> {
        let params = &self.workload.params;
        let mut metadata = params.metadata.clone();
        metadata.retain(|key, _| !tag::is_ours(key));
        metadata.insert(tag::JOB.to_owned(), self.id.to_owned());
        metadata.extend(point.map(|point| (tag::POINT.to_owned(), point.to_owned())));
        let neutron = self.workload.migration_params.port_creation_mode == PortCreationMode::Neutron;
        let groups = if neutron { &[][..] } else { &self.resolved.security_groups };
        let (image_id, mapping) = boot(self.workload, self.resolved.image.as_deref(), disks)
            .map_err(|error| error.with_workload(self.name))?;
        Ok(CreateServer {
            name: self.name.to_owned(),
            flavor_id: self.resolved.flavor.id.clone(),
            image_id,
            networks: if networks.is_empty() { Networks::Unconnected } else { Networks::List(networks) },
            block_device_mapping_v2: mapping,
            key_name: params.key_name.clone().filter(|name| !name.is_empty()),
            security_groups: groups.iter().map(|id| GroupName { name: id.clone() }).collect(),
            metadata,
            user_data: params.user_data.clone(),
            config_drive: params.config_drive.as_deref().map(|text| text.eq_ignore_ascii_case("true")),
            availability_zone: params.availability_zone.as_deref().and_then(|zone| self.options().zone(zone)),
            description: params.description.clone(),
            tags: params.tags.clone(),
            disk_config: params.disk_config.clone(),
            scheduler_hints: params.scheduler_hints.clone(),
        })
    }
}

/// What the server boots from, and its other volumes.
fn boot(
    workload: &Workload,
    image: Option<&str>,
    disks: &[(&Disk, String)],
) -> Result<(Option<String>, Vec<BlockDeviceMapping>)> {
    let how = &workload.migration_params;
    let (boot, data): (Option<String>, Vec<String>) = if how.data_copy {
        let boot = disks.iter().find(|(disk, _)| disk.boots()).map(|(_, volume)| volume.clone());
        (boot, disks.iter().filter(|(disk, _)| !disk.boots()).map(|(_, volume)| volume.clone()).collect())
    } else {
        let data = how.additional_volumes.iter().filter_map(|volume| volume.uuid.clone()).collect();
        (how.boot_volume.uuid.clone(), data)
    };
    let data = data.into_iter().map(BlockDeviceMapping::data_volume);
    match (boot, image) {
        (Some(volume), _) => {
            Ok((None, std::iter::once(BlockDeviceMapping::boot_volume(volume)).chain(data).collect()))
        }
        (None, Some(image)) => {
            let local = std::iter::once(BlockDeviceMapping::local_image(image));
            Ok((Some(image.to_owned()), local.chain(data).collect()))
        }
        (None, None) => Err(Error::new(ErrorKind::Blocked, "there is neither a boot volume nor an image")
            .with_hint("set boot_volume in workloads.yml, or let the boot disk be copied")),
    }
}

/// Addresses of a port as the destination takes them.
pub(super) fn fixed_ip(subnet: Option<String>, address: Option<&str>) -> FixedIp {
    FixedIp { subnet_id: subnet, ip_address: address.map(str::to_owned) }
}
