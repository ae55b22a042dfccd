//! The addresses a workload wants: nobody else has them in the destination, and what shall be there is.

use osm_model::{FloatingIpMode, Server as Workload};
use osm_openstack::network::{FloatingIp, Port};

use super::super::tag;
use super::{Preflight, Resolved};
use crate::{Error, ErrorKind, Result};

impl Preflight<'_> {
    /// Looks whether a workload whose server is not made yet can have its addresses.
    ///
    /// # Errors
    /// `Blocked` with all addresses that it cannot have.
    pub(in crate::workload) async fn check_addresses(
        &self,
        workload: &Workload,
        resolved: &Resolved,
    ) -> Result<()> {
        let mut taken = self.taken_addresses(workload, resolved).await?;
        taken.extend(self.absent_floating_ips(workload).await?);
        if taken.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Blocked, taken.join("; "))
            .with_operation("preflight")
            .with_workload(workload.params.name.as_deref().unwrap_or_default())
            .with_hint("free or allocate the addresses in the destination, or edit workloads.yml"))
    }

    async fn taken_addresses(&self, workload: &Workload, resolved: &Resolved) -> Result<Vec<String>> {
        // What an earlier run made for this workload is no obstacle.
        let mark = format!("{} {} ", tag::JOB, workload.info.id.as_deref().unwrap_or_default());
        let is_ours = |port: &Port| port.description.as_deref().is_some_and(|text| text.starts_with(&mark));
        let mut taken = Vec::new();
        for port in &resolved.ports {
            for address in port.fixed_ips.iter().filter_map(|ip| ip.ip_address.as_deref()) {
                let filter = format!("ip_address={address}");
                let query = [("network_id", port.network.as_str()), ("fixed_ips", filter.as_str())];
                let holders: Vec<Port> = self.dst.network.list(&query).await?;
                // Neutrons that do not know the filter tell of all ports.
                let has =
                    |port: &&Port| port.fixed_ips.iter().any(|ip| ip.ip_address.as_deref() == Some(address));
                if let Some(holder) = holders.iter().filter(has).find(|port| !is_ours(port)) {
                    let owner = Some(holder.device_owner.as_str()).filter(|owner| !owner.is_empty());
                    taken.push(format!(
                        "the address {address} is taken in the destination by port {} of {}",
                        holder.id,
                        owner.unwrap_or("nobody")
                    ));
                }
            }
        }
        Ok(taken)
    }

    async fn absent_floating_ips(&self, workload: &Workload) -> Result<Vec<String>> {
        let wanted = &workload.params.floating_ips;
        if workload.migration_params.floating_ip_mode != FloatingIpMode::Existing || wanted.is_empty() {
            return Ok(Vec::new());
        }
        let there: Vec<FloatingIp> = self.dst.network.list_own().await?;
        let addresses = wanted.iter().filter_map(|ip| ip.params.floating_ip_address.as_deref());
        let absent = addresses
            .filter(|address| !there.iter().any(|ip| ip.floating_ip_address.as_deref() == Some(address)));
        let told = |address: &str| {
            format!("floating_ip_mode is `existing`, and the destination has no floating IP {address}")
        };
        Ok(absent.map(told).collect())
    }
}
