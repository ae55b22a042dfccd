//! The network of a conversion host: made with a subnet and a router, or one that is there.

use osm_openstack::ErrorKind as CloudError;
use osm_openstack::network::{
    AllocationPool, GatewayBody, Interface, NetworkBody, NetworkObject, Port, Router, RouterBody, Subnet,
    SubnetBody,
};

use super::{Deployment, MARK, is_ours};
use crate::{Error, ErrorKind, Result};

impl Deployment {
    /// The network that the plan names, by name or id; it is another's or made by hand.
    pub(super) async fn given_network(&self) -> Result<NetworkObject> {
        let wanted = &self.plan.network.name;
        self.find_network(wanted).await?.ok_or_else(|| {
            Error::new(ErrorKind::Config, "there is no such network")
                .with_object(format!("network {wanted}"))
                .with_hint("name one that is there, or let osm make one (manage_network)")
        })
    }

    /// The network beyond the router: the one that is named, else the one that the router leads to.
    pub(super) async fn external_network(&self) -> Result<NetworkObject> {
        let missing = |message: &str| {
            Error::new(ErrorKind::Config, message)
                .with_object(format!("conversion host {}", self.ssh.server))
                .with_hint("name it with --external-network NAME")
        };
        let Some(wanted) = &self.plan.network.external else {
            let router = self.own::<Router>("router", &self.plan.network.router).await?;
            let gateway = router.and_then(|router| router.external_gateway_info);
            if let Some(gateway) = gateway
                && let Some(external) = self.network.get(&gateway.network_id).await?
            {
                return Ok(external);
            }
            return Err(missing("no external network is named, which the router and the floating IP need"));
        };
        let found = self.find_network(wanted).await?;
        found.ok_or_else(|| missing(&format!("there is no external network {wanted}")))
    }

    /// One of the own project or a shared one: of several of that name, the own one.
    async fn find_network(&self, name_or_id: &str) -> Result<Option<NetworkObject>> {
        let mut found: Vec<NetworkObject> = self.network.list(&[("name", name_or_id)]).await?;
        if found.is_empty() {
            return Ok(self.network.get(name_or_id).await?);
        }
        let project = self.session.project_id();
        let is_own = |network: &NetworkObject| network.project_id.as_ref() == Some(&project);
        if found.iter().any(is_own) {
            found.retain(is_own);
        }
        self.only_one("network", name_or_id, found)
    }

    /// The network that the plan describes, with its subnet and a router that leads to `external`.
    pub(super) async fn ensure_network(&self, external: &NetworkObject) -> Result<NetworkObject> {
        let plan = &self.plan.network;
        let mark = Some(MARK.to_owned());
        let network = match self.own::<NetworkObject>("network", &plan.name).await? {
            Some(network) => self.kept("network", network),
            None => {
                let (name, mtu) = (Some(plan.name.clone()), plan.mtu);
                let body = NetworkBody { name, mtu, description: mark.clone(), ..NetworkBody::default() };
                self.made("network", self.network.create(&body).await?)
            }
        };
        let subnet = match self.own::<Subnet>("subnet", &plan.subnet).await? {
            Some(subnet) if subnet.network_id != network.id => {
                return Err(Error::new(ErrorKind::Blocked, "the subnet is in another network")
                    .with_object(format!("subnet {} ({})", plan.subnet, subnet.id))
                    .with_hint("give another name for the conversion host's subnet, or delete it"));
            }
            Some(subnet) => self.kept("subnet", subnet),
            None => {
                let pool = |(start, end): &(String, String)| {
                    vec![AllocationPool { start: start.clone(), end: end.clone() }]
                };
                let body = SubnetBody {
                    name: Some(plan.subnet.clone()),
                    description: mark.clone(),
                    network_id: Some(network.id.clone()),
                    ip_version: Some(if plan.cidr.contains(':') { 6 } else { 4 }),
                    cidr: Some(plan.cidr.clone()),
                    gateway_ip: plan.gateway.clone().map(Some),
                    allocation_pools: plan.pool.as_ref().map(pool),
                    dns_nameservers: (!plan.dns.is_empty()).then(|| plan.dns.clone()),
                    ..SubnetBody::default()
                };
                self.made("subnet", self.network.create(&body).await?)
            }
        };
        let router = match self.own::<Router>("router", &plan.router).await? {
            Some(router) => self.kept("router", router),
            None => {
                let gateway = GatewayBody { network_id: external.id.clone(), ..GatewayBody::default() };
                let body = RouterBody {
                    name: Some(plan.router.clone()),
                    description: mark,
                    external_gateway_info: Some(gateway),
                    ..RouterBody::default()
                };
                self.made("router", self.network.create(&body).await?)
            }
        };
        if !self.router_ports(&router.id).await?.iter().any(|port| is_in(port, &subnet.id)) {
            self.network.add_router_interface(&router.id, &Interface::Subnet(subnet.id)).await?;
        }
        Ok(network)
    }

    /// Deletes the router, the subnet and the network, those that were made for it and serve nothing else.
    pub(super) async fn remove_network(&self) -> Result<()> {
        let plan = &self.plan.network;
        if !plan.managed {
            return Ok(());
        }
        let (router, subnet) = tokio::try_join!(
            self.own::<Router>("router", &plan.router),
            self.own::<Subnet>("subnet", &plan.subnet),
        )?;
        if let (Some(router), Some(subnet)) = (router, subnet)
            && is_ours(router.description.as_deref())
            && is_ours(subnet.description.as_deref())
        {
            let interface = Interface::Subnet(subnet.id);
            let parted = self.network.remove_router_interface(&router.id, &interface).await;
            // In use by the floating IP of another server, which keeps the router as well.
            parted.or_else(|error| if error.kind() == CloudError::Conflict { Ok(()) } else { Err(error) })?;
        }
        self.remove_own::<Router>("router", &plan.router).await?;
        self.remove_own::<Subnet>("subnet", &plan.subnet).await?;
        self.remove_own::<NetworkObject>("network", &plan.name).await
    }

    async fn router_ports(&self, router: &str) -> Result<Vec<Port>> {
        Ok(self.network.list(&[("device_id", router)]).await?)
    }

    /// Where packets of a host without a floating IP come from, as far as the router tells.
    pub(super) async fn router_addresses(&self) -> Result<Vec<String>> {
        if !self.plan.network.managed {
            return Ok(Vec::new());
        }
        let router = self.own::<Router>("router", &self.plan.network.router).await?;
        let gateway = router.and_then(|router| router.external_gateway_info);
        let ips = gateway.and_then(|gateway| gateway.details.get("external_fixed_ips").cloned());
        let ips = ips.and_then(|ips| ips.as_array().cloned()).unwrap_or_default();
        Ok(ips.iter().filter_map(|ip| ip["ip_address"].as_str().map(str::to_owned)).collect())
    }
}

fn is_in(port: &Port, subnet: &str) -> bool {
    port.fixed_ips.iter().any(|ip| ip.subnet_id.as_deref() == Some(subnet))
}
