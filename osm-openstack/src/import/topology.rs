//! Networks, subnets and routers.

use osm_model::{NetworkParams, RouterParams, SubnetParams};

use super::compare::{Conflicts, changed, changed_flag, changed_text, same_address, tags_differ};
use super::{Imported, Importer, inventory, named};
use crate::error::{ErrorKind, Result};
use crate::network::{
    AllocationPool, GatewayBody, HostRoute, NetworkBody, NetworkObject, Object, Router, RouterBody, Subnet,
    SubnetBody,
};
use crate::reference::Target;

impl Importer {
    pub(super) async fn network(&self, network: &osm_model::Network) -> Result<Imported> {
        let params = &network.params;
        let name = named("network", params.name.as_deref())?;
        let what = format!("network `{name}`");
        let new = self.network_body(network).await?;
        let neutron = self.session.network().await?;
        let Some(there) = self.networks.named(&self.session, &what, name).await? else {
            let made: NetworkObject = inventory::create(&neutron, name, &new).await?;
            self.learn(Target::Network, &made.id, name);
            self.networks.put(&made).await;
            self.set_tags::<NetworkObject>(&made.id, &params.tags, &made.tags).await?;
            return Ok(Imported::created(made.id));
        };
        let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
        conflicts.fixed("vlan_transparent", params.is_vlan_transparent, there.vlan_transparent);
        conflicts.fixed(
            "provider:network_type",
            params.provider_network_type.as_ref(),
            there.provider_network_type.as_ref(),
        );
        conflicts.fixed(
            "provider:physical_network",
            params.provider_physical_network.as_ref(),
            there.provider_physical_network.as_ref(),
        );
        conflicts.fixed(
            "provider:segmentation_id",
            params.provider_segmentation_id,
            there.provider_segmentation_id,
        );
        fixed_hints(&mut conflicts, &params.availability_zone_hints, &there.availability_zone_hints);
        conflicts.check()?;
        let body = NetworkBody {
            description: changed_text(params.description.as_deref(), there.description.as_deref()),
            admin_state_up: changed(params.is_admin_state_up.as_ref(), there.admin_state_up.as_ref()),
            mtu: changed(params.mtu.as_ref(), there.mtu.as_ref()),
            shared: changed_flag(params.is_shared, there.shared),
            router_external: changed_flag(params.is_router_external, there.router_external),
            is_default: changed_flag(params.is_default, there.is_default),
            port_security_enabled: changed_flag(params.is_port_security_enabled, there.port_security_enabled),
            dns_domain: changed_text(params.dns_domain.as_deref(), there.dns_domain.as_deref()),
            qos_policy_id: changed(new.qos_policy_id.as_ref(), there.qos_policy_id.as_ref()),
            ..NetworkBody::default()
        };
        let differs = body != NetworkBody::default();
        if differs {
            self.networks.put(&neutron.update::<NetworkObject>(&there.id, &body).await?).await;
        }
        let retagged = self.set_tags::<NetworkObject>(&there.id, &params.tags, &there.tags).await?;
        Ok(self.found(differs || retagged, there.id))
    }

    /// A network to be made, with the ids of this cloud.
    pub(super) async fn network_body(&self, network: &osm_model::Network) -> Result<NetworkBody> {
        let params = &network.params;
        let what = format!("network `{}`", params.name.as_deref().unwrap_or_default());
        let qos = params.qos_policy_ref.as_ref();
        let qos = self.resolve(Target::QosPolicy, &what, "params.qos_policy_ref", qos).await?;
        Ok(new_network(params, qos))
    }

    pub(super) async fn subnet(&self, subnet: &osm_model::Subnet) -> Result<Imported> {
        let params = &subnet.params;
        let name = named("subnet", params.name.as_deref())?;
        let what = format!("subnet `{name}`");
        let body = self.subnet_body(subnet).await?;
        let neutron = self.session.network().await?;
        let Some(there) = self.subnets.named(&self.session, &what, name).await? else {
            let made: Subnet = inventory::create(&neutron, name, &body).await?;
            self.learn(Target::Subnet, &made.id, name);
            self.subnets.put(&made).await;
            self.set_tags::<Subnet>(&made.id, &params.tags, &made.tags).await?;
            return Ok(Imported::created(made.id));
        };
        let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
        conflicts.fixed("network_id", body.network_id.as_ref(), Some(&there.network_id));
        conflicts.fixed("ip_version", body.ip_version, there.ip_version);
        if let (Some(want), Some(has)) = (&body.cidr, &there.cidr)
            && !same_address(want, has)
        {
            conflicts.add("cidr", want, has);
        }
        conflicts.fixed(
            "ipv6_address_mode",
            body.ipv6_address_mode.as_ref(),
            there.ipv6_address_mode.as_ref(),
        );
        conflicts.fixed("ipv6_ra_mode", body.ipv6_ra_mode.as_ref(), there.ipv6_ra_mode.as_ref());
        conflicts.fixed("subnetpool_id", body.subnetpool_id.as_ref(), there.subnetpool_id.as_ref());
        conflicts.check()?;
        let update = subnet_changes(&body, &there);
        let differs = update != SubnetBody::default();
        if differs {
            self.subnets.put(&neutron.update::<Subnet>(&there.id, &update).await?).await;
        }
        let retagged = self.set_tags::<Subnet>(&there.id, &params.tags, &there.tags).await?;
        Ok(self.found(differs || retagged, there.id))
    }

    /// A subnet to be made, with the ids of this cloud.
    pub(super) async fn subnet_body(&self, subnet: &osm_model::Subnet) -> Result<SubnetBody> {
        let params = &subnet.params;
        let what = format!("subnet `{}`", params.name.as_deref().unwrap_or_default());
        Ok(SubnetBody {
            network_id: Some(
                self.required(Target::Network, &what, "params.network_ref", params.network_ref.as_ref())
                    .await?,
            ),
            segment_id: self
                .resolve(Target::Segment, &what, "params.segment_ref", params.segment_ref.as_ref())
                .await?,
            subnetpool_id: self
                .resolve(Target::SubnetPool, &what, "params.subnet_pool_ref", params.subnet_pool_ref.as_ref())
                .await?,
            dns_nameservers: Some(self.name_servers(subnet)),
            ..without_references(params)
        })
    }

    pub(super) async fn router(&self, router: &osm_model::Router) -> Result<Imported> {
        let params = &router.params;
        let name = named("router", params.name.as_deref())?;
        let what = format!("router `{name}`");
        let gateway =
            params.external_gateway_refinfo.as_ref().and_then(|gateway| gateway.network_ref.as_ref());
        let field = "params.external_gateway_refinfo.network_ref";
        let gateway = self.resolve(Target::Network, &what, field, gateway).await?;
        let flavor =
            self.resolve(Target::NetworkFlavor, &what, "params.flavor_ref", params.flavor_ref.as_ref());
        let flavor = flavor.await?;
        let neutron = self.session.network().await?;
        let Some(there) = self.routers.named(&self.session, &what, name).await? else {
            let snat = gateway.as_ref().and(snat_of(router));
            let body = new_router(params, gateway, flavor, snat);
            let made: Router = match inventory::create(&neutron, name, &body).await {
                Err(error) if error.kind() == ErrorKind::Forbidden && snat.is_some() => {
                    only_admins_set_snat(&what);
                    inventory::create(&neutron, name, &body.with_default_snat()).await?
                }
                other => other?,
            };
            self.learn(Target::Router, &made.id, name);
            self.routers.put(&made).await;
            self.set_tags::<Router>(&made.id, &params.tags, &made.tags).await?;
            return Ok(Imported::created(made.id));
        };
        let mut conflicts = Conflicts::of(&what, self.session.cloud_name());
        conflicts.fixed("flavor_id", flavor.as_ref(), there.flavor_id.as_ref());
        fixed_hints(&mut conflicts, &params.availability_zone_hints, &there.availability_zone_hints);
        conflicts.check()?;
        let gateway_there = there.external_gateway_info.as_ref().map(|gateway| &gateway.network_id);
        let snat = gateway.as_ref().and(snat_of(router));
        let snat_there = there
            .external_gateway_info
            .as_ref()
            .and_then(|gateway| gateway.details.get("enable_snat").and_then(serde_json::Value::as_bool));
        let resnat = changed_flag(snat, snat_there).filter(|_| gateway.as_ref() == gateway_there);
        let body = RouterBody {
            description: changed_text(params.description.as_deref(), there.description.as_deref()),
            admin_state_up: changed(params.is_admin_state_up.as_ref(), there.admin_state_up.as_ref()),
            // Sent only when it is another network: with it, Neutron resets SNAT and addresses.
            external_gateway_info: changed(gateway.as_ref(), gateway_there)
                .or_else(|| resnat.and(gateway.clone()))
                .map(|network_id| GatewayBody { network_id, enable_snat: snat }),
            distributed: there.distributed.and_then(|has| changed_flag(params.is_distributed, Some(has))),
            ha: there.ha.and_then(|has| changed_flag(params.is_ha, Some(has))),
            ..RouterBody::default()
        };
        let differs = match self.update_router(&there.id, &body).await {
            Err(error) if error.kind() == ErrorKind::Forbidden && resnat.is_some() => {
                only_admins_set_snat(&what);
                self.update_router(&there.id, &RouterBody { external_gateway_info: None, ..body }).await?
            }
            other => other?,
        };
        let retagged = self.set_tags::<Router>(&there.id, &params.tags, &there.tags).await?;
        Ok(Imported::updated_if(differs || retagged, there.id))
    }

    async fn update_router(&self, id: &str, body: &RouterBody) -> Result<bool> {
        let differs = *body != RouterBody::default();
        if differs {
            let neutron = self.session.network().await?;
            self.routers.put(&neutron.update::<Router>(id, body).await?).await;
        }
        Ok(differs)
    }

    /// The name servers in the source's order, as long as nobody has edited them.
    fn name_servers(&self, subnet: &osm_model::Subnet) -> Vec<String> {
        let sorted = |servers: &[String]| {
            let mut servers = servers.to_vec();
            servers.sort();
            servers
        };
        let in_file = &subnet.params.dns_nameservers;
        let addition = self.addition(subnet.info.id.as_deref());
        match addition.and_then(|addition| addition.dns_nameservers.as_ref()) {
            Some(in_order) if sorted(in_order) == *in_file => in_order.clone(),
            _ => in_file.clone(),
        }
    }

    /// Gives an object its tags, if it has others. Returns whether it had.
    async fn set_tags<T: Object>(&self, id: &str, want: &[String], has: &[String]) -> Result<bool> {
        let differ = tags_differ(want, has);
        if differ {
            let mut tags = want.to_vec();
            tags.sort();
            self.session.network().await?.set_tags::<T>(id, &tags).await?;
        }
        Ok(differ)
    }
}

fn fixed_hints(conflicts: &mut Conflicts<'_>, want: &[String], has: &[String]) {
    let text = |zones: &[String]| {
        let mut zones = zones.to_vec();
        zones.sort();
        zones.join(", ")
    };
    if !want.is_empty() {
        conflicts.fixed("availability_zone_hints", Some(text(want)), Some(text(has)));
    }
}

fn new_network(params: &NetworkParams, qos_policy_id: Option<String>) -> NetworkBody {
    NetworkBody {
        name: params.name.clone(),
        description: params.description.clone(),
        admin_state_up: params.is_admin_state_up,
        mtu: params.mtu,
        shared: params.is_shared,
        router_external: params.is_router_external,
        is_default: params.is_default,
        port_security_enabled: params.is_port_security_enabled,
        vlan_transparent: params.is_vlan_transparent,
        dns_domain: params.dns_domain.clone().filter(|domain| !domain.is_empty()),
        qos_policy_id,
        provider_network_type: params.provider_network_type.clone(),
        provider_physical_network: params.provider_physical_network.clone(),
        provider_segmentation_id: params.provider_segmentation_id,
        segments: params.segments.clone(),
        availability_zone_hints: params.availability_zone_hints.clone(),
    }
}

/// Whether the source translates addresses, where it does not do so by default.
fn snat_of(router: &osm_model::Router) -> Option<bool> {
    let snat = router.info.external_gateway_info.as_ref()?.get("enable_snat")?.as_bool()?;
    (!snat).then_some(false)
}

fn only_admins_set_snat(what: &str) {
    tracing::warn!(
        "{what}: the source translates no addresses (enable_snat: false), and this user may not set that here: \
         have an administrator do it"
    );
}

fn new_router(
    params: &RouterParams,
    gateway: Option<String>,
    flavor_id: Option<String>,
    enable_snat: Option<bool>,
) -> RouterBody {
    RouterBody {
        name: params.name.clone(),
        description: params.description.clone(),
        admin_state_up: params.is_admin_state_up,
        external_gateway_info: gateway.map(|network_id| GatewayBody { network_id, enable_snat }),
        distributed: params.is_distributed,
        ha: params.is_ha,
        flavor_id,
        routes: None,
        availability_zone_hints: params.availability_zone_hints.clone(),
    }
}

/// All of a subnet but what references stand for.
fn without_references(params: &SubnetParams) -> SubnetBody {
    let pool = |pool: &osm_model::AllocationPool| AllocationPool {
        start: pool.start.clone().unwrap_or_default(),
        end: pool.end.clone().unwrap_or_default(),
    };
    let route = |route: &osm_model::HostRoute| HostRoute {
        destination: route.destination.clone().unwrap_or_default(),
        nexthop: route.nexthop.clone().unwrap_or_default(),
    };
    SubnetBody {
        name: params.name.clone(),
        description: params.description.clone(),
        ip_version: params.ip_version,
        cidr: params.cidr.clone(),
        // Left out, Neutron makes one up; so "none" has to be said.
        gateway_ip: Some(params.gateway_ip.clone()),
        enable_dhcp: params.is_dhcp_enabled,
        ipv6_address_mode: params.ipv6_address_mode.clone(),
        ipv6_ra_mode: params.ipv6_ra_mode.clone(),
        allocation_pools: Some(params.allocation_pools.iter().map(pool).collect()),
        host_routes: Some(params.host_routes.iter().map(route).collect()),
        service_types: Some(params.service_types.clone()).filter(|types| !types.is_empty()),
        use_default_subnetpool: params.use_default_subnet_pool,
        ..SubnetBody::default()
    }
}

fn subnet_changes(want: &SubnetBody, has: &Subnet) -> SubnetBody {
    let gateway = want.gateway_ip.clone().flatten();
    let same_gateway = match (&gateway, &has.gateway_ip) {
        (Some(want), Some(has)) => same_address(want, has),
        (want, has) => want == has,
    };
    let mut update = SubnetBody {
        description: changed_text(want.description.as_deref(), has.description.as_deref()),
        gateway_ip: (!same_gateway).then_some(gateway),
        enable_dhcp: changed(want.enable_dhcp.as_ref(), has.enable_dhcp.as_ref()),
        // Their order counts, that of pools and routes does not.
        dns_nameservers: changed(want.dns_nameservers.as_ref(), Some(&has.dns_nameservers)),
        service_types: changed(want.service_types.as_ref(), Some(&has.service_types)),
        segment_id: changed(want.segment_id.as_ref(), has.segment_id.as_ref()),
        ..SubnetBody::default()
    };
    let same_pool = |one: &AllocationPool, two: &AllocationPool| {
        same_address(&one.start, &two.start) && same_address(&one.end, &two.end)
    };
    let same_route = |one: &HostRoute, two: &HostRoute| {
        same_address(&one.destination, &two.destination) && same_address(&one.nexthop, &two.nexthop)
    };
    update.allocation_pools =
        want.allocation_pools.clone().filter(|pools| !same_members(pools, &has.allocation_pools, same_pool));
    update.host_routes =
        want.host_routes.clone().filter(|routes| !same_members(routes, &has.host_routes, same_route));
    update
}

fn same_members<T>(one: &[T], two: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    one.len() == two.len() && one.iter().all(|item| two.iter().any(|other| same(item, other)))
}
