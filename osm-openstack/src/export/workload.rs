//! Servers with their ports, floating IPs and volumes.

use std::collections::HashMap;

use osm_model::{
    Addition, AddressPair, FloatingIpInfo, FloatingIpParams, NameFilter, PortInfo, PortParams, Reference,
    Resource, ServerInfo, ServerMigrationParams, ServerParams,
};

use super::topology::as_json;
use super::{Exporter, each, sorted, volume};
use crate::block_storage::{Filter, Volume};
use crate::compute::{Server, ServerFilter};
use crate::error::Result;
use crate::network::{self, FloatingIp, Port};
use crate::reference::Target;

/// What is listed once for all servers.
struct Around {
    volumes: HashMap<String, Volume>,
    floating_ips: Vec<FloatingIp>,
}

impl Exporter {
    pub(super) async fn workloads(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let servers = self.session.compute().await?.servers(&ServerFilter::default()).await?;
        let servers: Vec<Server> =
            servers.into_iter().filter(|server| filter.matches(&server.name)).collect();
        if servers.is_empty() {
            return Ok(Vec::new());
        }
        let around = self.around(&servers).await?;
        let servers = sorted(servers, |server| server.id.clone());
        each(servers, |server| self.workload(server, &around)).await
    }

    async fn around(&self, servers: &[Server]) -> Result<Around> {
        let floating_ips = self.session.network().await?.list_own().await?;
        let mut volumes = HashMap::new();
        if servers.iter().any(|server| !server.volumes_attached.is_empty()) {
            let listed = self.session.block_storage().await?.volumes(&Filter::default()).await?;
            volumes.extend(listed.into_iter().map(|volume| (volume.id.clone(), volume)));
        }
        Ok(Around { volumes, floating_ips })
    }

    async fn workload(&self, server: Server, around: &Around) -> Result<Resource> {
        let nova = self.session.compute().await?;
        let ports = self.server_ports(&server).await?;
        let groups = nova.server_security_groups(&server.id).await?;
        let group_ids: Vec<String> = groups.into_iter().map(|group| group.id).collect();
        let mut security_group_refs = Vec::new();
        for id in &group_ids {
            security_group_refs.extend(self.resolver.reference(Target::SecurityGroup, Some(id)).await?);
        }
        let image = server.image.as_ref().map(|image| image.id.as_str());
        let image_ref = self.resolver.reference_if_there(Target::Image, image).await?;
        if image.is_some() && image_ref.is_none() {
            tracing::warn!(server = server.name, image, "the image is gone: the boot disk has to be copied");
        }
        let (flavor_id, flavor_ref) = self.server_flavor(&server).await?;
        let migration_params =
            ServerMigrationParams { boot_disk_copy: image_ref.is_none(), ..ServerMigrationParams::default() };
        let params = ServerParams {
            floating_ips: self.floating_ips(&ports, &around.floating_ips).await?,
            volumes: self.server_volumes(&server, around).await?,
            ports: self.port_resources(ports).await?,
            availability_zone: server.availability_zone,
            config_drive: server.config_drive.filter(|text| !text.is_empty()),
            description: server.description,
            disk_config: server.disk_config,
            flavor_ref,
            image_ref,
            key_name: server.key_name,
            metadata: server.metadata,
            name: Some(server.name),
            security_group_refs,
            tags: server.tags,
            user_data: server.user_data,
            ..ServerParams::default()
        };
        let info = ServerInfo {
            created_at: server.created,
            flavor_id,
            hypervisor_hostname: server.hypervisor_hostname,
            id: Some(server.id),
            launched_at: server.launched_at,
            project_id: server.tenant_id,
            security_group_ids: group_ids,
            status: Some(server.status),
            updated_at: server.updated,
            user_id: server.user_id,
            ..ServerInfo::default()
        };
        let mut resource = osm_model::Server::new(params, info);
        resource.migration_params = migration_params;
        Ok(Resource::Server(resource))
    }

    /// The id and the reference; the name is both where Nova embeds the flavor.
    async fn server_flavor(&self, server: &Server) -> Result<(Option<String>, Option<Reference>)> {
        if let Some(name) = server.flavor_name() {
            return Ok((Some(name.to_owned()), Some(Reference::named(name))));
        }
        let id = server.flavor.as_ref().and_then(|flavor| flavor.id.clone());
        let reference = self.resolver.reference(Target::Flavor, id.as_deref()).await?;
        Ok((id, reference))
    }

    /// The ports in the order in which Nova names their addresses: that of the network devices.
    async fn server_ports(&self, server: &Server) -> Result<Vec<Port>> {
        let ports = self.session.network().await?.list::<Port>(&[("device_id", &server.id)]).await?;
        let order: Vec<&str> =
            server.addresses_of_type("fixed").map(|address| address.addr.as_str()).collect();
        let place = |port: &Port| {
            let addresses = port.fixed_ips.iter().filter_map(|fixed| fixed.ip_address.as_deref());
            addresses.filter_map(|ip| order.iter().position(|at| *at == ip)).min().unwrap_or(usize::MAX)
        };
        Ok(sorted(ports.into_iter().filter(Port::is_server_port).collect(), place))
    }

    async fn port_resources(&self, ports: Vec<Port>) -> Result<Vec<osm_model::Port>> {
        let mut resources = Vec::with_capacity(ports.len());
        for port in ports {
            self.note(&port.id, particular(&port));
            let params = PortParams {
                binding_profile: port.binding_profile.as_ref().and_then(as_json),
                fixed_ips_refs: self.fixed_ips(&port).await?,
                network_ref: self.resolver.reference(Target::Network, Some(&port.network_id)).await?,
                binding_vnic_type: port.vnic_type,
                mac_address: port.mac_address,
                ..PortParams::default()
            };
            let info = PortInfo {
                device_id: Some(port.device_id),
                device_owner: Some(port.device_owner),
                id: Some(port.id),
                ..PortInfo::default()
            };
            resources.push(osm_model::Port::new(params, info));
        }
        Ok(resources)
    }

    async fn floating_ips(&self, ports: &[Port], all: &[FloatingIp]) -> Result<Vec<osm_model::FloatingIp>> {
        let mut resources = Vec::new();
        for port in ports {
            for ip in all.iter().filter(|ip| ip.port_id.as_ref() == Some(&port.id)) {
                resources.push(self.floating_ip(ip.clone()).await?);
            }
        }
        Ok(resources)
    }

    async fn floating_ip(&self, ip: FloatingIp) -> Result<osm_model::FloatingIp> {
        let network = self.resolver.reference(Target::Network, Some(&ip.floating_network_id)).await?;
        let params = FloatingIpParams {
            description: ip.description,
            dns_domain: ip.dns_domain,
            dns_name: ip.dns_name,
            fixed_ip_address: ip.fixed_ip_address,
            floating_ip_address: ip.floating_ip_address,
            floating_network_ref: network,
            qos_policy_ref: self.resolver.reference(Target::QosPolicy, ip.qos_policy_id.as_deref()).await?,
            ..FloatingIpParams::default()
        };
        let info = FloatingIpInfo {
            created_at: ip.created_at,
            floating_network_id: Some(ip.floating_network_id),
            id: Some(ip.id),
            port_id: ip.port_id,
            qos_policy_id: ip.qos_policy_id,
            router_id: ip.router_id,
            tags: ip.tags,
            updated_at: ip.updated_at,
            ..FloatingIpInfo::default()
        };
        Ok(osm_model::FloatingIp::new(params, info))
    }

    async fn server_volumes(&self, server: &Server, around: &Around) -> Result<Vec<osm_model::Volume>> {
        if server.volumes_attached.is_empty() {
            return Ok(Vec::new());
        }
        let attachments = self.session.compute().await?.attachments(&server.id).await?;
        let mut resources = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            let found = match around.volumes.get(&attachment.volume_id) {
                Some(volume) => Some(volume.clone()),
                None => self.session.block_storage().await?.volume(&attachment.volume_id).await?,
            };
            resources.extend(found.map(volume::resource));
        }
        Ok(resources)
    }
}

/// What is particular to a port and has no place in the file.
fn particular(port: &Port) -> Addition {
    let pair = |pair: &network::AddressPair| AddressPair {
        ip_address: Some(pair.ip_address.clone()),
        // Neutron names the port's own where none was given; the copy's port may have another.
        mac_address: pair.mac_address.clone().filter(|mac| Some(mac) != port.mac_address.as_ref()),
        ..AddressPair::default()
    };
    let pairs: Vec<AddressPair> = port.allowed_address_pairs.iter().map(pair).collect();
    Addition {
        allowed_address_pairs: Some(pairs).filter(|pairs| !pairs.is_empty()),
        port_security_enabled: port.port_security_enabled.filter(|enabled| !enabled),
        name: port.name.clone().filter(|name| !name.is_empty()),
        r#type: Some("openstack.network.ServerPort".to_owned()),
        ..Addition::default()
    }
}
