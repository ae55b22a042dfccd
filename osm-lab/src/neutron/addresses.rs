//! Which addresses a port gets.

use std::net::IpAddr;

use super::missing;
use super::ports::AddressSpec;
use super::state::{FixedIp, Networking, Subnet};
use crate::api::Refusal;
use crate::ip::eui64;

impl Networking {
    fn taken(&self, subnet: &Subnet, address: IpAddr) -> bool {
        let by_port = self.ports.iter().flat_map(|port| &port.fixed_ips);
        by_port.into_iter().any(|fixed| fixed.subnet_id == subnet.base.id && fixed.address == address)
            || self
                .floating_ips
                .iter()
                .any(|floating| floating.network_id == subnet.network_id && floating.address == address)
    }

    /// The first free address of a subnet.
    pub(super) fn free_address(&self, subnet: &Subnet) -> Option<IpAddr> {
        let mut addresses = subnet.pools.iter().flat_map(|pool| pool.addresses());
        addresses.find(|address| !self.taken(subnet, *address) && subnet.gateway != Some(*address))
    }

    /// The addresses of a new port: those asked for, or one of each family; and the automatic ones in any case.
    pub(super) fn allocate(
        &self,
        network_id: &str,
        wanted: Option<&[AddressSpec]>,
        mac: &str,
        router: bool,
    ) -> Result<Vec<FixedIp>, Refusal> {
        let mut fixed_ips = Vec::new();
        match wanted {
            Some(wanted) => {
                for spec in wanted {
                    self.asked_for(network_id, spec, router, &mut fixed_ips)?;
                }
            }
            None => {
                for v4 in [true, false] {
                    let here = |subnet: &&Subnet| subnet.cidr.is_ipv4() == v4 && !subnet.automatic();
                    let subnets: Vec<&Subnet> = self.subnets_of(network_id).filter(here).collect();
                    let free = subnets.iter().find_map(|subnet| {
                        let address = self.free_address(subnet)?;
                        Some(FixedIp { subnet_id: subnet.base.id.clone(), address })
                    });
                    if free.is_none() && !subnets.is_empty() {
                        let message = format!("No more IP addresses available on network {network_id}.");
                        return Err(Refusal::neutron(409, "IpAddressGenerationFailure", message));
                    }
                    fixed_ips.extend(free);
                }
            }
        }
        if !router {
            for subnet in self.subnets_of(network_id).filter(|subnet| subnet.automatic()) {
                let address = eui64(subnet.cidr, mac);
                fixed_ips
                    .extend(address.map(|address| FixedIp { subnet_id: subnet.base.id.clone(), address }));
            }
        }
        Ok(fixed_ips)
    }

    fn asked_for(
        &self,
        network_id: &str,
        spec: &AddressSpec,
        router: bool,
        fixed_ips: &mut Vec<FixedIp>,
    ) -> Result<(), Refusal> {
        let subnet = match (&spec.subnet_id, spec.ip_address) {
            (Some(id), _) => {
                let subnet = self.subnets.get(id).filter(|subnet| subnet.network_id == network_id);
                subnet.ok_or_else(|| missing("Subnet", id))?
            }
            (None, Some(address)) => {
                let mut subnets = self.subnets_of(network_id);
                let subnet = subnets.find(|subnet| subnet.cidr.contains(address));
                subnet.ok_or_else(|| {
                    let message = format!(
                        "IP address {address} is not a valid IP for any of the subnets on the specified network."
                    );
                    Refusal::neutron(400, "InvalidIpForNetwork", message)
                })?
            }
            (None, None) => {
                let message = "IP allocation requires subnet_id or ip_address.";
                return Err(Refusal::neutron(400, "InvalidInput", message));
            }
        };
        let subnet_id = subnet.base.id.clone();
        let address = match spec.ip_address {
            // Its address is automatic and comes by itself.
            None if subnet.automatic() && !router => return Ok(()),
            None => self.free_address(subnet).ok_or_else(|| {
                let message = format!("No more IP addresses available on network {network_id}.");
                Refusal::neutron(409, "IpAddressGenerationFailure", message)
            })?,
            Some(address) if subnet.automatic() && !router => {
                let message = format!(
                    "IPv6 address {address} cannot be directly assigned to a port on subnet {subnet_id} as the \
                     subnet is configured for automatic addresses"
                );
                return Err(Refusal::neutron(400, "AllocationOnAutoAddressSubnet", message));
            }
            Some(address) if !subnet.cidr.contains(address) => {
                let message = format!("IP address {address} is not a valid IP for the specified subnet.");
                return Err(Refusal::neutron(400, "InvalidIpForSubnet", message));
            }
            Some(address) if self.taken(subnet, address) => {
                let message = format!("IP address {address} already allocated in subnet {subnet_id}");
                return Err(Refusal::neutron(409, "IpAddressAlreadyAllocated", message));
            }
            Some(address) => address,
        };
        fixed_ips.push(FixedIp { subnet_id, address });
        Ok(())
    }
}
