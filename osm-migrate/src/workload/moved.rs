//! What a workload and its parts became, for the map of ids.

use osm_openstack::network::{FloatingIp, Port};

use super::job::Job;
use super::tag;
use crate::{Moved, Result, Step};

impl Job<'_> {
    /// The server, its volumes, and the ports and floating IPs that can be told by their addresses.
    pub(super) async fn moved(&self, server: &str) -> Result<Vec<Moved>> {
        let entry = |kind: &str, name: Option<String>, source: &str, destination: &str| Moved {
            kind: kind.to_owned(),
            name,
            source_id: Some(source.to_owned()),
            destination_id: destination.to_owned(),
        };
        let kind = osm_model::Kind::Workload.word();
        let mut moved = vec![entry(kind, Some(self.name.to_owned()), self.id, server)];
        for volume in self.dst.made_volumes(self.id, Step::CreateVolumes).await? {
            let is_complete = volume.metadata.get(tag::STATE).is_some_and(|state| state == tag::COMPLETE);
            match volume.metadata.get(tag::SOURCE_VOLUME).filter(|key| *key != tag::BOOT_IMAGE) {
                Some(source) if is_complete => {
                    moved.push(entry(Moved::VOLUMES, volume.name.clone(), source, &volume.id));
                }
                _ => {}
            }
        }
        let ports: Vec<Port> = self.dst.network.list(&[("device_id", server)]).await?;
        let with = |address: &str| {
            let has =
                |port: &&Port| port.fixed_ips.iter().any(|ip| ip.ip_address.as_deref() == Some(address));
            ports.iter().find(has)
        };
        for port in &self.workload.params.ports {
            let addresses = port.params.fixed_ips_refs.iter().filter_map(|ip| ip.ip_address.as_deref());
            if let (Some(source), Some(there)) = (&port.info.id, addresses.filter_map(with).next()) {
                moved.push(entry(Moved::PORTS, Some(self.name.to_owned()), source, &there.id));
            }
        }
        for ip in &self.workload.params.floating_ips {
            let Some(fixed) = ip.params.fixed_ip_address.as_deref() else { continue };
            let (Some(source), Some(port)) = (&ip.info.id, with(fixed)) else { continue };
            let there: Vec<FloatingIp> = self.dst.network.list(&[("port_id", &port.id)]).await?;
            if let Some(there) = there.iter().find(|it| it.fixed_ip_address.as_deref() == Some(fixed)) {
                let address = there.floating_ip_address.clone();
                moved.push(entry(Moved::FLOATING_IPS, address, source, &there.id));
            }
        }
        Ok(moved)
    }
}
