//! Networks, subnets, routers and their interfaces.

use osm_model::{
    Addition, AllocationPool, ExternalGateway, FixedIp, HostRoute, Kind, NameFilter, NetworkInfo,
    NetworkParams, Resource, RouterInfo, RouterInterfaceInfo, RouterInterfaceParams, RouterParams,
    SubnetInfo, SubnetParams,
};

use super::{Exporter, each, sorted};
use crate::error::Result;
use crate::network::{self, NetworkObject, Port, Router, Subnet};
use crate::reference::Target;

impl Exporter {
    pub(super) async fn networks(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let networks = self.own::<NetworkObject>(Target::Network).await?;
        let wanted = networks.into_iter().filter(|network| filter.matches(&network.name)).collect();
        each(sorted(wanted, |network: &NetworkObject| network.id.clone()), |network| self.network(network))
            .await
    }

    async fn network(&self, network: NetworkObject) -> Result<Resource> {
        let params = NetworkParams {
            availability_zone_hints: sorted(network.availability_zone_hints, String::clone),
            description: network.description,
            dns_domain: network.dns_domain,
            is_admin_state_up: network.admin_state_up,
            is_default: network.is_default,
            is_port_security_enabled: Some(network.port_security_enabled.unwrap_or(false)),
            is_router_external: Some(network.router_external.unwrap_or(false)),
            is_shared: network.shared,
            is_vlan_transparent: network.vlan_transparent,
            mtu: network.mtu,
            name: Some(network.name),
            provider_network_type: network.provider_network_type,
            provider_physical_network: network.provider_physical_network,
            provider_segmentation_id: network.provider_segmentation_id,
            qos_policy_ref: self
                .resolver
                .reference(Target::QosPolicy, network.qos_policy_id.as_deref())
                .await?,
            segments: network.segments,
            tags: network.tags,
            ..NetworkParams::default()
        };
        let info = NetworkInfo {
            availability_zones: network.availability_zones,
            created_at: network.created_at,
            id: Some(network.id),
            project_id: network.project_id,
            qos_policy_id: network.qos_policy_id,
            revision_number: network.revision_number,
            status: network.status,
            subnet_ids: sorted(network.subnets, String::clone),
            updated_at: network.updated_at,
            ..NetworkInfo::default()
        };
        Ok(Resource::Network(osm_model::Network::new(params, info)))
    }

    pub(super) async fn subnets(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let subnets = self.own::<Subnet>(Target::Subnet).await?;
        let wanted = subnets.into_iter().filter(|subnet| filter.matches(&subnet.name)).collect();
        each(sorted(wanted, |subnet: &Subnet| subnet.id.clone()), |subnet| self.subnet(subnet)).await
    }

    async fn subnet(&self, subnet: Subnet) -> Result<Resource> {
        let pool = |pool: network::AllocationPool| AllocationPool {
            start: Some(pool.start),
            end: Some(pool.end),
            ..AllocationPool::default()
        };
        let route = |route: network::HostRoute| HostRoute {
            destination: Some(route.destination),
            nexthop: Some(route.nexthop),
            ..HostRoute::default()
        };
        let name_servers = sorted(subnet.dns_nameservers.clone(), String::clone);
        // Their order is the order in which servers ask them; the file has them sorted.
        let in_order = (name_servers != subnet.dns_nameservers).then_some(subnet.dns_nameservers);
        self.note(
            &subnet.id,
            Addition {
                dns_nameservers: in_order,
                name: Some(subnet.name.clone()),
                r#type: Some(Kind::Subnet.type_name().to_owned()),
                ..Addition::default()
            },
        );
        let params = SubnetParams {
            allocation_pools: sorted(subnet.allocation_pools, Clone::clone).into_iter().map(pool).collect(),
            cidr: subnet.cidr,
            description: subnet.description,
            dns_nameservers: name_servers,
            gateway_ip: subnet.gateway_ip,
            host_routes: sorted(subnet.host_routes, Clone::clone).into_iter().map(route).collect(),
            ip_version: subnet.ip_version,
            ipv6_address_mode: subnet.ipv6_address_mode,
            ipv6_ra_mode: subnet.ipv6_ra_mode,
            is_dhcp_enabled: subnet.enable_dhcp,
            name: Some(subnet.name),
            network_ref: self.resolver.reference(Target::Network, Some(&subnet.network_id)).await?,
            segment_ref: self.resolver.reference(Target::Segment, subnet.segment_id.as_deref()).await?,
            service_types: subnet.service_types,
            subnet_pool_ref: self
                .resolver
                .reference(Target::SubnetPool, subnet.subnetpool_id.as_deref())
                .await?,
            tags: subnet.tags,
            use_default_subnet_pool: subnet.use_default_subnetpool,
            ..SubnetParams::default()
        };
        let info = SubnetInfo {
            created_at: subnet.created_at,
            id: Some(subnet.id),
            network_id: Some(subnet.network_id),
            prefix_length: subnet.prefixlen,
            project_id: subnet.project_id,
            revision_number: subnet.revision_number,
            segment_id: subnet.segment_id,
            subnet_pool_id: subnet.subnetpool_id,
            updated_at: subnet.updated_at,
            ..SubnetInfo::default()
        };
        Ok(Resource::Subnet(osm_model::Subnet::new(params, info)))
    }

    pub(super) async fn routers(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        each(self.own_routers(filter).await?, |router| self.router(router)).await
    }

    async fn own_routers(&self, filter: &NameFilter) -> Result<Vec<Router>> {
        let routers = self.own::<Router>(Target::Router).await?;
        let wanted = routers.into_iter().filter(|router| filter.matches(&router.name)).collect();
        Ok(sorted(wanted, |router: &Router| router.id.clone()))
    }

    async fn router(&self, router: Router) -> Result<Resource> {
        let gateway = match &router.external_gateway_info {
            None => None,
            Some(gateway) => Some(ExternalGateway {
                network_ref: self.resolver.reference(Target::Network, Some(&gateway.network_id)).await?,
                ..ExternalGateway::default()
            }),
        };
        let params = RouterParams {
            availability_zone_hints: sorted(router.availability_zone_hints, String::clone),
            description: router.description,
            external_gateway_refinfo: gateway,
            flavor_ref: self.resolver.reference(Target::NetworkFlavor, router.flavor_id.as_deref()).await?,
            is_admin_state_up: router.admin_state_up,
            is_distributed: router.distributed,
            is_ha: router.ha,
            name: Some(router.name),
            tags: router.tags,
            ..RouterParams::default()
        };
        let info = RouterInfo {
            availability_zones: sorted(router.availability_zones, String::clone),
            created_at: router.created_at,
            external_gateway_info: router.external_gateway_info.as_ref().and_then(as_json),
            flavor_id: router.flavor_id,
            id: Some(router.id),
            project_id: router.project_id,
            revision_number: router.revision_number,
            routes: router.routes.map(|routes| routes.iter().filter_map(as_json).collect()),
            status: router.status,
            updated_at: router.updated_at,
            ..RouterInfo::default()
        };
        Ok(Resource::Router(osm_model::Router::new(params, info)))
    }

    pub(super) async fn router_interfaces(&self, filter: &NameFilter) -> Result<Vec<Resource>> {
        let neutron = self.session.network().await?;
        let ports = each(self.own_routers(filter).await?, |router| {
            let neutron = neutron.clone();
            async move { neutron.list::<Port>(&[("device_id", &router.id)]).await }
        })
        .await?;
        let interfaces = ports.into_iter().flatten().filter(Port::is_router_interface);
        each(interfaces, |port| self.router_interface(port)).await
    }

    async fn router_interface(&self, port: Port) -> Result<Resource> {
        let params = RouterInterfaceParams {
            device_ref: self.resolver.reference(Target::Router, Some(&port.device_id)).await?,
            fixed_ips_refs: self.fixed_ips(&port).await?,
            network_ref: self.resolver.reference(Target::Network, Some(&port.network_id)).await?,
            device_owner: Some(port.device_owner),
            ..RouterInterfaceParams::default()
        };
        let info = RouterInterfaceInfo { id: Some(port.id), ..RouterInterfaceInfo::default() };
        Ok(Resource::RouterInterface(osm_model::RouterInterface::new(params, info)))
    }

    pub(super) async fn fixed_ips(&self, port: &Port) -> Result<Vec<FixedIp>> {
        let mut addresses = Vec::new();
        for address in &port.fixed_ips {
            let subnet_ref = self.resolver.reference(Target::Subnet, address.subnet_id.as_deref()).await?;
            let ip_address = address.ip_address.clone();
            addresses.push(FixedIp { ip_address, subnet_ref, ..FixedIp::default() });
        }
        Ok(addresses)
    }
}

pub(super) fn as_json(value: &impl serde::Serialize) -> Option<serde_json::Value> {
    serde_json::to_value(value).ok()
}
