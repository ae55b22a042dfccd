//! A rehearsal: a clone of the seeds boots in the destination, on networks that lead nowhere, while the source
//! runs. What it shows is how the guest will come up; the seeds stay as they are.
//!
//! The clone has the addresses of the server, on twins of its networks without a gateway: a guest with fixed
//! addresses finds itself at home, and nobody else finds the guest.

use std::collections::BTreeMap;

use osm_model::NameFilter;
use osm_openstack::block_storage::{CreateVolume, Filter};
use osm_openstack::compute::{BlockDeviceMapping, CreateServer, Networks, ServerFilter, ServerNetwork};
use osm_openstack::network::{
    CreatePort, FixedIp, NetworkBody, NetworkObject, Port, PortBody, Subnet, SubnetBody,
};

use super::WorkloadMigration;
use super::boot::BootCheck;
use super::disk::{Disk, Origin, check_set, disks};
use super::errand::Errand;
use super::job::Job;
use super::tag;
use crate::course::Done;
use crate::{Error, ErrorKind, Outcome, Result, Step, Summary};

/// How a rehearsal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RehearsalOptions {
    /// A clone that has come up stays, to be looked at; `cleanup` or the next rehearsal removes it.
    pub keep: bool,
}

impl WorkloadMigration {
    /// Boots clones of the seeded workloads that pass the filter, checks them, and throws them away.
    ///
    /// # Errors
    /// Nothing could be started: no such file, bad credentials, unusable conversion hosts.
    ///
    /// # Cancel safety
    /// Do not drop the future: ask [`Cancel`](crate::Cancel) for the end. Dropped, it leaves the clone for the
    /// next rehearsal, or a cleanup, to remove.
    pub async fn rehearse(&self, filter: &NameFilter, options: RehearsalOptions) -> Result<Summary> {
        self.work(filter, &Errand::Rehearse(options)).await
    }
}

impl Job<'_> {
    pub(super) async fn rehearse(&self, options: RehearsalOptions) -> Result<(Option<String>, Outcome)> {
        if let Some(ended) = self.there_already().await? {
            return Ok(ended);
        }
        self.drop_rehearsal().await?;
        let live = self.live_volumes().await?;
        check_set(self.workload, &live)?;
        let mut all = disks(self.workload, &self.source_server().await?, &live)?;
        if all.iter().any(|disk| disk.origin == Origin::Shared) {
            self.course.warn("the clone does without the volumes that the server shares with others").await;
            all.retain(|disk| disk.origin != Origin::Shared);
        }
        self.check_seeded(&all).await?;
        let failure = self.play(&all).await;
        if options.keep && matches!(failure, Ok(None)) {
            self.course
                .warn(format!("the rehearsal {} stays until the next one, or a cleanup", self.stage_name()))
                .await;
            return Ok((None, Outcome::Rehearsed));
        }
        let thrown_away = Box::pin(async { Ok(Done::silent(self.drop_rehearsal().await?)) });
        self.step(Step::Release, thrown_away).await?;
        match failure? {
            None => Ok((None, Outcome::Rehearsed)),
            Some(failure) => Err(self.course.blocked(
                format!("the clone did not come up: {failure}"),
                "mend what keeps the guest from booting (its machine type, drivers, network names), seed and rehearse \
                 again; the source runs on",
            )),
        }
    }

    /// Boots the clone; gives why it has not come up, if it has not.
    async fn play(&self, all: &[Disk]) -> Result<Option<String>> {
        let clones = self.step(Step::CreateVolumes, self.clone_seeds(all)).await?;
        let ports = self.step(Step::CreatePorts, self.twin_ports()).await?;
        let server = self.step(Step::CreateServer, self.clone_server(all, &clones, ports)).await?;
        let nothing = BootCheck { console: None, port: None, wait: self.dst.limit };
        let check = self.options().boot_check.clone().unwrap_or(nothing);
        self.step(Step::CheckBoot, self.failure_to_boot(&server, &BootCheck { port: None, ..check })).await
    }

    async fn clone_seeds(&self, all: &[Disk]) -> Result<Done<Vec<String>>> {
        let copies = self.copies(None).await?;
        let mut clones = Vec::new();
        for disk in all {
            let seed = copies.get(&disk.key).map(|copy| copy.volume.clone()).unwrap_or_default();
            let seed = self.dst.settled(&seed).await?;
            let wish = CreateVolume {
                name: Some(format!("{}-{}", self.stage_name(), disk.label)),
                size: seed.size,
                volume_type: seed.volume_type.clone(),
                source_volume_id: Some(seed.id.clone()),
                metadata: self.stage_mark(),
                ..CreateVolume::default()
            };
            let clone = self.dst.storage.create_volume(&wish).await?.id;
            self.dst.storage.wait_volume(&clone, &["available"], self.dst.limit).await?;
            if disk.boots() && !self.dst.volume(&clone).await?.bootable {
                self.dst.storage.set_bootable(&clone, true).await?;
            }
            clones.push(clone);
        }
        let detail = format!("{} clones", clones.len());
        Ok(Done::new(clones, detail))
    }

    /// Ports with the server's addresses, on twins of its networks.
    async fn twin_ports(&self) -> Result<Done<Vec<ServerNetwork>>> {
        let mut twins: BTreeMap<&str, String> = BTreeMap::new();
        let mut subnets: BTreeMap<String, String> = BTreeMap::new();
        let mut ports = Vec::new();
        for port in &self.resolved.ports {
            let network = match twins.get(port.network.as_str()) {
                Some(twin) => twin.clone(),
                None => {
                    let body = NetworkBody {
                        name: Some(self.stage_name()),
                        description: Some(self.stage_text()),
                        ..NetworkBody::default()
                    };
                    let twin = self.dst.network.create::<NetworkObject>(&body).await?.id;
                    twins.insert(&port.network, twin.clone());
                    twin
                }
            };
            let mut fixed_ips = Vec::new();
            for ip in &port.fixed_ips {
                let Some(subnet) = &ip.subnet_id else { continue };
                if !subnets.contains_key(subnet) {
                    subnets.insert(subnet.clone(), self.twin_subnet(subnet, &network).await?);
                }
                let subnet_id = subnets.get(subnet).cloned();
                fixed_ips.push(FixedIp { subnet_id, ip_address: ip.ip_address.clone() });
            }
            let body = PortBody {
                description: Some(self.stage_text()),
                mac_address: port.mac_address.clone(),
                fixed_ips: Some(fixed_ips),
                ..PortBody::default()
            };
            let port = self.dst.network.create::<Port>(&CreatePort { network_id: network, body }).await?;
            ports.push(ServerNetwork::Port(port.id));
        }
        let detail = format!("{} ports on {} isolated networks", ports.len(), twins.len());
        Ok(Done::new(ports, detail))
    }

    /// The same addresses, without a way out.
    async fn twin_subnet(&self, id: &str, network: &str) -> Result<String> {
        let Some(subnet) = self.dst.network.get::<Subnet>(id).await? else {
            return Err(
                Error::new(ErrorKind::Cloud, "the subnet is gone").with_object(format!("subnet {id}"))
            );
        };
        let body = SubnetBody {
            name: Some(self.stage_name()),
            description: Some(self.stage_text()),
            network_id: Some(network.to_owned()),
            ip_version: subnet.ip_version,
            cidr: subnet.cidr,
            gateway_ip: Some(None),
            enable_dhcp: subnet.enable_dhcp,
            ..SubnetBody::default()
        };
        Ok(self.dst.network.create::<Subnet>(&body).await?.id)
    }

    async fn clone_server(
        &self,
        all: &[Disk],
        clones: &[String],
        ports: Vec<ServerNetwork>,
    ) -> Result<Done<String>> {
        let params = &self.workload.params;
        let devices = all.iter().zip(clones).map(|(disk, clone)| {
            if disk.boots() {
                BlockDeviceMapping::boot_volume(clone)
            } else {
                BlockDeviceMapping::data_volume(clone)
            }
        });
        let wish = CreateServer {
            name: self.stage_name(),
            flavor_id: self.resolved.flavor.id.clone(),
            networks: if ports.is_empty() { Networks::Unconnected } else { Networks::List(ports) },
            block_device_mapping_v2: devices.collect(),
            key_name: params.key_name.clone().filter(|name| !name.is_empty()),
            metadata: self.stage_mark(),
            user_data: params.user_data.clone(),
            config_drive: params.config_drive.as_deref().map(|text| text.eq_ignore_ascii_case("true")),
            ..CreateServer::default()
        };
        let id = self.dst.compute.create_server(&wish).await?.id;
        self.wait_active(&id).await?;
        Ok(Done::new(id.clone(), id))
    }

    /// Removes what rehearsals of this workload have left.
    pub(super) async fn drop_rehearsal(&self) -> Result<()> {
        let mine = ServerFilter { metadata: self.stage_mark(), ..ServerFilter::default() };
        for server in self.dst.compute.servers(&mine).await? {
            self.drop_server(&server.id).await?;
        }
        let text = Some(self.stage_text());
        let ports: Vec<Port> = self.dst.network.list_own().await?;
        for port in ports.iter().filter(|port| port.description == text) {
            self.dst.network.delete::<Port>(&port.id).await?;
        }
        let networks: Vec<NetworkObject> = self.dst.network.list_own().await?;
        for network in networks.iter().filter(|network| network.description == text) {
            // Its subnets go with it.
            self.dst.network.delete::<NetworkObject>(&network.id).await?;
        }
        let mine = Filter { metadata: self.stage_mark(), ..Filter::default() };
        for volume in self.dst.storage.volumes(&mine).await? {
            self.dst.settled(&volume.id).await?;
            self.dst.delete_volume(&volume.id).await?;
        }
        Ok(())
    }

    fn stage_name(&self) -> String {
        format!("{}-rehearsal", self.name)
    }

    /// Not the mark of the move: what carries that is the moved server, and its volumes.
    fn stage_mark(&self) -> BTreeMap<String, String> {
        tag::pairs([(tag::REHEARSAL, self.id)])
    }

    fn stage_text(&self) -> String {
        format!("{} {}", tag::REHEARSAL, self.id)
    }
}
