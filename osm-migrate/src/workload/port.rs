//! What is particular to a server's ports and in no resource file: further addresses they may send
//! from, and port security that is off. It stands in the supplement, and is set once the server
//! has its ports, whoever made them.

use osm_openstack::ErrorKind as CloudError;
use osm_openstack::network::{AddressPair, Port, PortBody};

use super::job::Job;
use super::preflight::ResolvedPort;
use crate::Result;

impl Job<'_> {
    /// Gives the server's ports what the source's have.
    pub(super) async fn port_settings(&self, server: &str) -> Result<()> {
        let wishes: Vec<&ResolvedPort> = self.resolved.ports.iter().filter(|it| it.is_particular()).collect();
        if wishes.is_empty() {
            return Ok(());
        }
        let ports: Vec<Port> = self.dst.network.list(&[("device_id", server)]).await?;
        for wish in wishes {
            let Some(port) = ports.iter().find(|port| wish.is(port)) else {
                let addresses = wish.addresses().collect::<Vec<_>>().join(", ");
                self.course
                    .warn(format!("the server has no port with {addresses}, whose settings are lost"))
                    .await;
                continue;
            };
            let body = wish.changes(port);
            if body == PortBody::default() {
                continue;
            }
            match self.dst.network.update::<Port>(&port.id, &body).await {
                Err(error) if error.kind() == CloudError::Forbidden => {
                    let what = "allowed address pairs and port security";
                    self.course
                        .warn(format!("this user may not set {what} of port {}: {error}", port.id))
                        .await;
                }
                other => drop(other?),
            }
        }
        Ok(())
    }
}

impl ResolvedPort {
    fn is_particular(&self) -> bool {
        !self.address_pairs.is_empty() || self.port_security == Some(false)
    }

    fn addresses(&self) -> impl Iterator<Item = &str> {
        self.fixed_ips.iter().filter_map(|ip| ip.ip_address.as_deref())
    }

    fn is(&self, port: &Port) -> bool {
        let has = |address: &str| port.fixed_ips.iter().any(|ip| ip.ip_address.as_deref() == Some(address));
        port.network_id == self.network && self.addresses().any(has)
    }

    /// What the port lacks; pairs that are there beside the source's stay.
    fn changes(&self, port: &Port) -> PortBody {
        let mut body = PortBody::default();
        let own = |pair: &AddressPair| {
            // Without a MAC address of its own, a pair has the port's.
            pair.mac_address.clone().or_else(|| port.mac_address.clone())
        };
        let same =
            |one: &AddressPair, two: &AddressPair| one.ip_address == two.ip_address && own(one) == own(two);
        let mut pairs = port.allowed_address_pairs.clone();
        let missing = self.address_pairs.iter().filter(|want| !pairs.iter().any(|has| same(want, has)));
        let missing: Vec<AddressPair> = missing.cloned().collect();
        if !missing.is_empty() {
            pairs.extend(missing);
            body.allowed_address_pairs = Some(pairs);
        }
        if self.port_security == Some(false) && port.port_security_enabled != Some(false) {
            // Neutron refuses a port without security that has groups.
            body.security_groups = Some(Vec::new());
            body.port_security_enabled = Some(false);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(address: &str, mac: Option<&str>) -> AddressPair {
        AddressPair { ip_address: address.to_owned(), mac_address: mac.map(str::to_owned) }
    }

    fn wish(pairs: Vec<AddressPair>, port_security: Option<bool>) -> ResolvedPort {
        ResolvedPort {
            network: "n".to_owned(),
            fixed_ips: Vec::new(),
            mac_address: None,
            vnic_type: None,
            address_pairs: pairs,
            port_security,
        }
    }

    #[test]
    fn a_pair_without_a_mac_address_has_the_ports() {
        let port = Port {
            mac_address: Some("fa:16:3e:00:00:01".to_owned()),
            allowed_address_pairs: vec![pair("10.0.0.9", Some("fa:16:3e:00:00:01"))],
            ..Port::default()
        };
        assert_eq!(wish(vec![pair("10.0.0.9", None)], None).changes(&port), PortBody::default());
        let other = wish(vec![pair("10.0.0.9", Some("02:00:00:00:00:01"))], None).changes(&port);
        assert_eq!(other.allowed_address_pairs.map(|pairs| pairs.len()), Some(2));
    }

    #[test]
    fn without_port_security_a_port_has_no_groups() {
        let body = wish(Vec::new(), Some(false)).changes(&Port::default());
        assert_eq!((body.port_security_enabled, body.security_groups), (Some(false), Some(Vec::new())));
        let done = Port { port_security_enabled: Some(false), ..Port::default() };
        assert_eq!(wish(Vec::new(), Some(false)).changes(&done), PortBody::default());
    }
}
