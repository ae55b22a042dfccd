//! Router interfaces.
//!
//! An interface that has just the gateway address of a subnet is made in one
//! step, from the subnet. Any other needs a port first; a port that was made
//! but not connected is found again by its addresses, or by its name where
//! Neutron chooses the address (slaac).

use super::compare::{same_address, several};
use super::{Imported, Importer};
use crate::error::{Error, ErrorKind, Result};
use crate::network::{CreatePort, FixedIp, Interface, Network, Port, PortBody, Subnet};
use crate::reference::Target;

/// What an interface shall be, with the ids of this cloud.
struct Wanted {
    what: String,
    router: String,
    network: String,
    addresses: Vec<Address>,
    /// The name of a port that only its name tells from others.
    port_name: String,
}

/// One address of the interface.
struct Address {
    ip: Option<String>,
    subnet: Subnet,
}

impl Importer {
    pub(super) async fn router_interface(&self, interface: &osm_model::RouterInterface) -> Result<Imported> {
        let wanted = self.wanted_interface(interface).await?;
        let neutron = self.session.network().await?;
        let ports = neutron.list::<Port>(&[("network_id", &wanted.network)]).await?;
        let there: Vec<&Port> = ports.iter().filter(|port| wanted.is_taken_by(port)).collect();
        match there.as_slice() {
            [] => self.make_interface(&neutron, &wanted).await.map(Imported::created),
            [port] if port.device_id == wanted.router => {
                let differs = !wanted.has_all(port);
                if differs {
                    let fixed_ips = Some(wanted.fixed_ips());
                    neutron.update::<Port>(&port.id, &PortBody { fixed_ips, ..PortBody::default() }).await?;
                }
                Ok(Imported::updated_if(differs, &port.id))
            }
            // Made by an import that did not get any further.
            [port] if port.is_free() => {
                if !wanted.has_all(port) {
                    let fixed_ips = Some(wanted.fixed_ips());
                    neutron.update::<Port>(&port.id, &PortBody { fixed_ips, ..PortBody::default() }).await?;
                }
                connect(&neutron, &wanted.router, &port.id).await?;
                Ok(Imported::created(&port.id))
            }
            [port] => {
                let message = format!(
                    "{} needs an address that port {} of {} {} has in cloud `{}`: free the address or correct the file",
                    wanted.what,
                    port.id,
                    port.device_owner,
                    port.device_id,
                    self.session.cloud_name()
                );
                Err(Error::new(ErrorKind::Conflict, message))
            }
            many => {
                let ids: Vec<&str> = many.iter().map(|port| port.id.as_str()).collect();
                let what = format!("{}: a port with some of its addresses", wanted.what);
                Err(several(&what, self.session.cloud_name(), &ids))
            }
        }
    }

    async fn wanted_interface(&self, interface: &osm_model::RouterInterface) -> Result<Wanted> {
        let params = &interface.params;
        let name = params.device_ref.as_ref().and_then(|router| router.name.as_deref()).unwrap_or_default();
        let what = format!("interface of router `{name}`");
        let router =
            self.required(Target::Router, &what, "params.device_ref", params.device_ref.as_ref()).await?;
        let network =
            self.required(Target::Network, &what, "params.network_ref", params.network_ref.as_ref());
        let network = network.await?;
        let mut addresses = Vec::new();
        for (index, address) in params.fixed_ips_refs.iter().enumerate() {
            let field = format!("params.fixed_ips_refs[{index}].subnet_ref");
            let id = self.required(Target::Subnet, &what, &field, address.subnet_ref.as_ref()).await?;
            self.refuse_if_planned("add router interface", &[&router, &network, &id])?;
            let subnet = self.subnets.of_id(&self.session, &id).await?.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("{what}: {field}: subnet {id} is gone"))
            })?;
            addresses.push(Address { ip: address.ip_address.clone(), subnet });
        }
        if addresses.is_empty() {
            let message = format!("{what}: params.fixed_ips_refs is empty: name the subnet it leads to");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let port_name = format!("osm-interface-{}", interface.info.id.as_deref().unwrap_or(name));
        Ok(Wanted { what, router, network, addresses, port_name })
    }

    /// Makes and connects an interface; returns the port's id.
    async fn make_interface(&self, neutron: &Network, wanted: &Wanted) -> Result<String> {
        if let [address] = wanted.addresses.as_slice()
            && address.is_gateway()
        {
            let subnet = &address.subnet.id;
            let made = neutron.add_router_interface(&wanted.router, &Interface::Subnet(subnet.clone())).await;
            return match made {
                Ok(made) => Ok(made.port_id),
                Err(error) if error.kind() == ErrorKind::Ambiguous => {
                    let ports = neutron.list::<Port>(&[("device_id", &wanted.router)]).await?;
                    let port = ports.into_iter().find(|port| wanted.has_all(port));
                    port.map(|port| port.id).ok_or(error)
                }
                Err(error) => Err(error),
            };
        }
        let name =
            wanted.addresses.iter().all(Address::is_chosen_by_neutron).then(|| wanted.port_name.clone());
        let body = PortBody { name, fixed_ips: Some(wanted.fixed_ips()), ..PortBody::default() };
        let port: Port = neutron.create(&CreatePort { network_id: wanted.network.clone(), body }).await?;
        if let Err(error) = connect(neutron, &wanted.router, &port.id).await {
            // Nobody else needs this port. When even that fails, the next import takes it up.
            if error.kind() != ErrorKind::Ambiguous {
                let _ = neutron.delete::<Port>(&port.id).await;
            }
            return Err(error);
        }
        Ok(port.id)
    }
}

async fn connect(neutron: &Network, router: &str, port: &str) -> Result<()> {
    match neutron.add_router_interface(router, &Interface::Port(port.to_owned())).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Ambiguous => match neutron.get::<Port>(port).await? {
            Some(port) if port.device_id == router => Ok(()),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}

impl Wanted {
    /// Whether the port has one of the addresses, or is the one made for this interface.
    fn is_taken_by(&self, port: &Port) -> bool {
        let ours = port.device_id == self.router && port.is_router_interface();
        self.addresses.iter().any(|address| match address.is_chosen_by_neutron() {
            true => ours && address.is_in(port),
            false => address.is_on(port),
        }) || (port.is_free() && port.name.as_deref() == Some(&self.port_name))
    }

    /// Whether the port has all addresses and no others but those Neutron adds by itself.
    fn has_all(&self, port: &Port) -> bool {
        let known = |fixed: &FixedIp| {
            self.addresses.iter().any(|address| fixed.subnet_id.as_ref() == Some(&address.subnet.id))
        };
        let all = self.addresses.iter().all(|address| match address.is_chosen_by_neutron() {
            true => address.is_in(port),
            false => address.is_on(port),
        });
        let is_ipv6 = |fixed: &FixedIp| fixed.ip_address.as_deref().is_some_and(|ip| ip.contains(':'));
        all && port.fixed_ips.iter().all(|fixed| known(fixed) || is_ipv6(fixed))
    }

    /// The addresses as Neutron takes them: those it chooses are not named.
    fn fixed_ips(&self) -> Vec<FixedIp> {
        let fixed = |address: &Address| FixedIp {
            subnet_id: Some(address.subnet.id.clone()),
            ip_address: address.ip.clone().filter(|_| !address.is_chosen_by_neutron()),
        };
        self.addresses.iter().map(fixed).collect()
    }
}

impl Address {
    fn is_chosen_by_neutron(&self) -> bool {
        self.subnet.is_auto_addressed() || self.ip.is_none()
    }

    fn is_gateway(&self) -> bool {
        match (&self.ip, &self.subnet.gateway_ip) {
            (Some(ip), Some(gateway)) => same_address(ip, gateway),
            _ => false,
        }
    }

    /// Whether the port has an address of the subnet.
    fn is_in(&self, port: &Port) -> bool {
        port.fixed_ips.iter().any(|fixed| fixed.subnet_id.as_ref() == Some(&self.subnet.id))
    }

    /// Whether the port has this very address.
    fn is_on(&self, port: &Port) -> bool {
        port.fixed_ips.iter().any(|fixed| {
            let same = match (&fixed.ip_address, &self.ip) {
                (Some(has), Some(want)) => same_address(has, want),
                _ => false,
            };
            same && fixed.subnet_id.as_ref() == Some(&self.subnet.id)
        })
    }
}
