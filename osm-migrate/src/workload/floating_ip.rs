//! The floating IPs of the destination server.

use osm_model::{FloatingIp as Exported, FloatingIpMode};
use osm_openstack::network::{FloatingIp, FloatingIpBody, Port};
use osm_openstack::{Observation, Poll, wait_for};
use std::time::Duration;

use super::job::Job;
use crate::course::Done;
use crate::{Result, Step};

/// How long a port may take to show its address.
const PORT: Duration = Duration::from_secs(30);

impl Job<'_> {
    /// Gives the server its floating IPs, as far as it has none on that port yet.
    pub(super) async fn floating_ips(&self, server: &str) -> Result<Done<()>> {
        let mode = self.workload.migration_params.floating_ip_mode;
        if mode == FloatingIpMode::Skip || self.workload.params.floating_ips.is_empty() {
            return Ok(Done::silent(()));
        }
        let mut given = Vec::new();
        for (index, wish) in self.workload.params.floating_ips.iter().enumerate() {
            let fixed = wish.params.fixed_ip_address.as_deref().unwrap_or_default();
            let port = self.port_with(server, fixed).await?;
            let there: Vec<FloatingIp> = self.dst.network.list(&[("port_id", &port.id)]).await?;
            let on_address = |ip: &&FloatingIp| {
                ip.port_id.as_deref() == Some(port.id.as_str())
                    && ip.fixed_ip_address.as_deref() == Some(fixed)
            };
            let ip = match there.iter().find(on_address) {
                Some(ip) => ip.clone(),
                None => self.associate(mode, wish, index, &port, fixed).await?,
            };
            self.course.record(Step::FloatingIps, &port.id, Some(&ip.id)).await?;
            given.push(ip.floating_ip_address.unwrap_or(ip.id));
        }
        Ok(Done::new((), given.join(", ")))
    }

    async fn port_with(&self, server: &str, address: &str) -> Result<Port> {
        let found =
            wait_for(&format!("port of server {server} with {address}"), PORT, Poll::default(), || async {
                let ports: Vec<Port> = self.dst.network.list(&[("device_id", server)]).await?;
                let has =
                    |port: &Port| port.fixed_ips.iter().any(|ip| ip.ip_address.as_deref() == Some(address));
                Ok(match ports.into_iter().find(has) {
                    Some(port) => Observation::Ready(port),
                    None => Observation::Pending("no such port".to_owned()),
                })
            })
            .await;
        found.map_err(|error| {
            self.course
                .blocked(
                    format!("a floating IP leads to {address}, and no port of the server has that address"),
                    "correct fixed_ip_address in workloads.yml",
                )
                .with_source(error)
        })
    }

    async fn associate(
        &self,
        mode: FloatingIpMode,
        wish: &Exported,
        index: usize,
        port: &Port,
        fixed: &str,
    ) -> Result<FloatingIp> {
        let address = wish.params.floating_ip_address.as_deref().unwrap_or_default();
        if matches!(mode, FloatingIpMode::Existing | FloatingIpMode::Auto) {
            match self.free_ip(address).await? {
                Ok(ip) => {
                    let body = FloatingIpBody {
                        port_id: Some(Some(port.id.clone())),
                        fixed_ip_address: Some(fixed.to_owned()),
                        ..FloatingIpBody::default()
                    };
                    return Ok(self.dst.network.update::<FloatingIp>(&ip.id, &body).await?);
                }
                // `auto` falls back to a new one whatever the reason.
                Err(why) if mode == FloatingIpMode::Auto => {
                    self.course.warn(format!("a new floating IP is made: {why}")).await;
                }
                Err(why) => {
                    return Err(self
                        .course
                        .blocked(why, "allocate it in the destination, or set floating_ip_mode: new"));
                }
            }
        }
        let params = &wish.params;
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let resolved = self.resolved.floating_ips.get(index);
        let body = FloatingIpBody {
            floating_network_id: resolved.map(|ip| ip.network.clone()),
            floating_ip_address: None,
            port_id: Some(Some(port.id.clone())),
            fixed_ip_address: Some(fixed.to_owned()),
            description: params.description.clone(),
            dns_domain: filled(&params.dns_domain),
            dns_name: filled(&params.dns_name),
            qos_policy_id: resolved.and_then(|ip| ip.qos_policy.clone()),
        };
        Ok(self.dst.network.create::<FloatingIp>(&body).await?)
    }

    /// The floating IP of this address, when the project has it and nothing uses it.
    async fn free_ip(&self, address: &str) -> Result<std::result::Result<FloatingIp, String>> {
        let mut found: Vec<FloatingIp> = self.dst.network.list_own().await?;
        found.retain(|ip| ip.floating_ip_address.as_deref() == Some(address));
        Ok(match (found.pop(), found.is_empty()) {
            (None, _) => Err(format!("no floating IP has the address {address}")),
            (Some(_), false) => Err(format!("several floating IPs have the address {address}")),
            (Some(ip), true) => match &ip.port_id {
                Some(port) => Err(format!("the floating IP {address} is in use by port {port}")),
                None => Ok(ip),
            },
        })
    }
}
