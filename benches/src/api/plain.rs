//! The fewest requests that list and create the tenant, one after another.

use anyhow::Result;
use osm_openstack::Session;
use osm_openstack::network::{
    CreateSecurityGroupRule, NetworkBody, NetworkObject, SecurityGroup, SecurityGroupBody, SecurityGroupRule,
    Subnet, SubnetBody,
};

use super::tenant::NAME;

/// Ports that each group lets in.
const PORTS: [i64; 4] = [22, 80, 443, 8080];

/// Lists the four kinds; how many there are of all.
pub(super) async fn list(session: &Session) -> Result<usize> {
    let neutron = session.network().await?;
    Ok(neutron.list_own::<NetworkObject>().await?.len()
        + neutron.list_own::<Subnet>().await?.len()
        + neutron.list_own::<SecurityGroup>().await?.len()
        + neutron.list_own::<SecurityGroupRule>().await?.len())
}

/// Makes as many networks, each with a subnet, and as many groups, each with rules: with one
/// request where Neutron takes many at once.
pub(super) async fn create(session: &Session, count: usize) -> Result<()> {
    let neutron = session.network().await?;
    for numbers in (0..count).collect::<Vec<_>>().chunks(100) {
        let networks: Vec<_> = numbers
            .iter()
            .map(|number| NetworkBody {
                name: Some(format!("{NAME}-net-{number:05}")),
                description: Some("measured".to_owned()),
                ..NetworkBody::default()
            })
            .collect();
        let networks: Vec<NetworkObject> = neutron.create_all(&networks).await?;
        let subnets: Vec<_> =
            networks.iter().zip(numbers).map(|(network, number)| subnet(network, *number)).collect();
        neutron.create_all::<Subnet>(&subnets).await?;
        let groups: Vec<_> = numbers
            .iter()
            .map(|number| SecurityGroupBody {
                name: Some(format!("{NAME}-group-{number:05}")),
                description: Some("measured".to_owned()),
            })
            .collect();
        for group in neutron.create_all::<SecurityGroup>(&groups).await? {
            let rules: Vec<_> = PORTS.iter().map(|port| rule(&group, *port)).collect();
            neutron.create_all::<SecurityGroupRule>(&rules).await?;
        }
    }
    Ok(())
}

fn subnet(network: &NetworkObject, number: usize) -> SubnetBody {
    SubnetBody {
        name: Some(format!("{NAME}-subnet-{number:05}")),
        network_id: Some(network.id.clone()),
        ip_version: Some(4),
        cidr: Some(format!("10.{}.{}.0/24", number / 256 % 256, number % 256)),
        ..SubnetBody::default()
    }
}

fn rule(group: &SecurityGroup, port: i64) -> CreateSecurityGroupRule {
    CreateSecurityGroupRule {
        security_group_id: group.id.clone(),
        direction: Some("ingress".to_owned()),
        ethertype: Some("IPv4".to_owned()),
        protocol: Some("tcp".to_owned()),
        port_range_min: Some(port),
        port_range_max: Some(port),
        remote_ip_prefix: Some("10.0.0.0/8".to_owned()),
        ..CreateSecurityGroupRule::default()
    }
}
